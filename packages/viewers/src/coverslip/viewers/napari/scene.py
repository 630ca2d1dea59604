"""A projection drawn by napari: planes in, layers, axes and sliders kept in step.

Inserting only notes what has changed; `Scene.paint` draws it, and whoever drives the scene
calls that at most every 50 ms. So a plane that is not in view costs microseconds, and a hundred
that come together cost one repaint. GUI thread only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from coverslip.payload import Layer, LayerKey, Placement, Projection, Value
from coverslip.viewers.colors import ChannelColors
from coverslip.viewers.memory import Entry, HeldPlane, Memory, format_size
from coverslip.viewers.napari.bar import FOLLOW_KEY, LiveBar
from coverslip.viewers.napari.layers import Limits, LiveLayer
from coverslip.viewers.napari.planes import Grid
from coverslip.viewers.napari.sliders import Sliders
from coverslip.viewers.napari.values import ValueLabels

if TYPE_CHECKING:
    import napari

__all__ = ["MANY", "Scene"]

logger = logging.getLogger(__name__)

_WAITING = "waiting for the first plane"

MANY = 64
"""Layers of which a warning is due: each one more makes all of napari slower (its issue 8421)."""

_WORDS = 0.25
"""Seconds between two changes of the bar's words."""

_BURST = 5.0
"""Seconds in which further collisions are counted and not logged."""


class Scene:
    """Shows each plane in its layer, in place, and keeps every choice of the user's.

    Parameters
    ----------
    viewer : napari.Viewer
        An open viewer. Layers of the user's own in it are left alone.
    memory : Memory, optional
        Where its planes are held; it is told what is in view.
    """

    def __init__(self, viewer: napari.Viewer, memory: Memory | None = None) -> None:
        self.viewer = viewer
        self._memory = Memory() if memory is None else memory
        self._keeps: dict[LayerKey, int] = {}
        """How many planes to keep, of the layers whose streams do not keep all."""
        self.projection = Projection()
        self.following = True
        self._live: dict[LayerKey, LiveLayer] = {}
        self._colors = ChannelColors()
        self._sliders = Sliders(viewer, self._on_scrub)
        self._values = ValueLabels(viewer, self._sliders)
        self._grown = False
        self._newest: dict[str, Value] | None = None
        self._planes = 0
        self._said = -_WORDS
        self._collisions_logged = (-_BURST, 0)
        self.bar = LiveBar()
        self.bar.follow_clicked.connect(self.follow)
        viewer.bind_key(FOLLOW_KEY, lambda _: self.follow(not self.following), overwrite=True)
        viewer.layers.events.removed.connect(self._on_removed)
        text = viewer.canvas.overlays.text
        text.visible, text.position, text.text = True, "top_left", _WAITING

    def insert(
        self, placement: Placement, pixels: NDArray[Any], origin: str, limits: Limits | None
    ) -> None:
        """Put a plane into its layer; `paint` draws it.

        Parameters
        ----------
        placement : Placement
            Where it belongs.
        pixels : ndarray
            The plane, which the scene owns from here on.
        origin : str
            The output that the plane is, if known.
        limits : tuple of float or None
            The contrast that the plane asks for; None for a plane of one value and for RGB.
        """
        change = self.projection.insert(placement, pixels, origin)
        self._planes += 1
        self._grown = self._grown or bool(change.grown_axes)
        live = self._live.get(placement.layer)
        if live is None:
            live = self._add(change.layer, limits)
        else:
            live.see(limits)
            if live.in_view(placement.coordinates, self._sliders.looked_at):
                live.stale = True
        if live.image.visible:
            self._newest = placement.coordinates
        if placement.keep:
            self._keeps[placement.layer] = placement.keep
            self._trim(live)
        else:
            self._keeps.pop(placement.layer, None)
        if change.collision:
            self._warn(*change.collision)

    def paint(self) -> None:
        """Draw what has changed since the last time, if it can be seen."""
        target = self._newest if self.following and self._newest is not None else {}
        self._newest = None
        if self._grown:
            self._grow(target)
        elif target and self._sliders.go_to(target):
            self._all_drawn()
        for key in self._keeps:
            # What was spared for being in view is in view no more.
            self._trim(self._live[key])
        self._look()
        for live in self._live.values():
            live.settle()
            if live.stale:
                live.redraw()
        if time.monotonic() - self._said >= _WORDS:
            self.say()

    def say(self) -> None:
        """Write on the bar how much has come."""
        # Each change of a text repaints the whole window, 10 ms under a software GL.
        self._said = time.monotonic()
        usage = self._memory.usage()
        megabytes = (usage.memory if usage.on_disk else self.projection.nbytes) / 1e6
        words = [f"{self._planes:,} planes", f"{megabytes:,.0f} MB"]
        if usage.on_disk:
            words[1] += " in memory"
            words.append(f"{usage.on_disk:,} on disk ({format_size(usage.disk)})")
        if usage.dropped:
            words.append(f"{usage.dropped:,} dropped")
        if self.projection.collisions:
            words.insert(1, f"{self.projection.collisions:,} collisions")
        self.bar.say("    ".join(words) if self._planes else "")

    def follow(self, following: bool = True) -> None:
        """Let the sliders go to each new plane, or leave them to the user."""
        self.following = following
        self.bar.set_following(following)

    def clear(self) -> None:
        """Take away every layer of ours, and begin anew; the user's own stay."""
        with self._sliders.moving():
            for live in list(self._live.values()):
                self.viewer.layers.remove(live.image)
        self._planes = 0
        # What the user wanted to keep in view is gone.
        self.follow()

    def layers(self) -> list[LiveLayer]:
        """Return the layers of ours, bottom first, standing on all axes that were seen."""
        self._grow()
        for live in self._live.values():
            live.settle()
        by_image = {live.image: live for live in self._live.values()}
        return [by_image[image] for image in self.viewer.layers if image in by_image]

    def close(self) -> None:
        """Let go of the viewer's events; the window itself is not closed."""
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self._values.close()
        self._sliders.close()
        for live in self._live.values():
            live.close()
        self._live.clear()

    # ---- what is kept -----------------------------------------------------------------

    def drop_lost(self, lost: Entry) -> None:
        """Take a plane out of its layer that can be shown no more, unless another has its place."""
        key, coordinates = lost.tag
        layer = self.projection.get(key)
        if layer is None:
            return
        held: Any = layer.store.get(coordinates)
        if isinstance(held, HeldPlane) and held.entry is lost:
            self.projection.drop(layer, coordinates)
            self._grown = True

    def _trim(self, live: LiveLayer) -> None:
        """Let go of a layer's oldest planes, by its stream's wish; never of what is looked at."""
        looked_at = self._sliders.looked_at
        dropped = self.projection.trim(
            live.layer,
            self._keeps[live.layer.key],
            lambda coordinates: live.in_view(coordinates, looked_at),
        )
        if dropped:
            self._memory.drop(len(dropped))
            self._grown = True

    def _look(self) -> None:
        """Tell the memory what is in view, and what may be next."""
        if not self._memory.tight:
            return
        shown = [live for live in self._live.values() if live.image.visible]
        place = self._sliders.looked_at
        in_view = [live.plane_at(place) for live in shown]
        near = [
            live.plane_at(neighbour) for neighbour in self._sliders.neighbours() for live in shown
        ]
        self._memory.look_at(filter(None, in_view), filter(None, near))

    # ---- layers -----------------------------------------------------------------------

    def _add(self, layer: Layer, limits: Limits | None) -> LiveLayer:
        # The layer starts on the axes that all others stand on, so those come first.
        self._grow()
        rivals = [live for live in self._live.values() if live.channel is not None]
        visible, hide = _proposed_visibility(layer, rivals)
        live = LiveLayer(
            layer,
            self._sliders.grid,
            colormap=self._colors.color(layer.components.get("channel")),
            visible=visible,
            limits=limits,
            like=next(iter(self._live.values()), None),
        )
        for other in hide:
            other.show(False)
        first = not self._live
        layers, selected = self.viewer.layers, self.viewer.layers.selection.active
        kin = [one.image for one in self._live.values() if _picture(one.layer) == _picture(layer)]
        # The channels of one step stand together, whatever order they come in.
        place = 1 + max((layers.index(image) for image in kin), default=len(layers) - 1)
        self._live[layer.key] = live
        with self._sliders.moving():
            layers.insert(place, live.image)
            if selected is not None and not any(other.image is selected for other in hide):
                # Whoever is at the controls of one layer keeps them when another comes.
                layers.selection.active = selected
        if first:
            self._values.update()
        if len(self._live) == MANY:
            logger.warning(
                "%d layers, which makes napari slow: give a component the mode stack (%s make "
                "layers now)",
                MANY,
                ", ".join(layer.components) or "names",
            )
        return live

    def _grow(self, target: Mapping[str, Value] = MappingProxyType({})) -> None:
        """Let all layers and sliders stand on the axes as they are now, and go to `target`."""
        self._grown = False
        grid = Grid.of(self.projection.axes)
        if grid == self._sliders.grid:
            return
        if not self._live:
            self._sliders.grid = grid
            return

        def change() -> None:
            last = len(self._live) - 1
            for number, live in enumerate(self._live.values()):
                live.move_to(grid, announce=number == last)

        self._sliders.stand_on(grid, change, target)
        self._all_drawn()
        self._values.update()

    def _all_drawn(self) -> None:
        """Note that napari has just sliced every layer anew."""
        for live in self._live.values():
            live.stale = False

    def _on_removed(self, event: Any) -> None:
        for key, live in list(self._live.items()):
            if live.image is event.value:
                # The user's choice: its memory is free, and the next plane makes it anew.
                live.close()
                del self._live[key]
                self._keeps.pop(key, None)
                self.projection.remove(live.layer)
        if not self._live:
            self._sliders.grid = Grid()
            self._newest = None
            self.viewer.canvas.overlays.text.text = _WAITING

    # ---- following --------------------------------------------------------------------

    def _on_scrub(self) -> None:
        self._look()
        # napari sets its sliders back when the last layer goes, before it says that it went.
        if self.following and any(live.image in self.viewer.layers for live in self._live.values()):
            self.follow(False)

    def _warn(self, old: str, new: str) -> None:
        since, counted = self._collisions_logged
        if time.monotonic() - since < _BURST:
            return
        count = self.projection.collisions - counted
        self._collisions_logged = (time.monotonic(), self.projection.collisions)
        logger.warning(
            "%d plane(s) replaced one of another step or output; the last: %s replaced %s",
            count,
            new,
            old,
        )


def _proposed_visibility(layer: Layer, rivals: list[LiveLayer]) -> tuple[bool, list[LiveLayer]]:
    """Return whether a new layer is shown, and which others hide for it.

    Layers of channels add their light up, so only those that make one picture are shown
    together: the channels of one step and field. The latest step takes over from an earlier one,
    and of two layers of one channel (a stack and its projection) the first stays.
    """
    if "channel" not in layer.components:
        return True, []
    group = [live for live in rivals if _picture(live.layer) == _picture(layer)]
    shown = [live for live in rivals if live.image.visible]
    if group:
        twin = any(live.channel == layer.components["channel"] for live in group)
        return not twin and any(live in shown for live in group), []
    if any(_step_index(live.layer) > _step_index(layer) for live in shown):
        return False, []
    return True, [live for live in shown if live.eye_untouched]


def _picture(layer: Layer) -> tuple[Any, ...]:
    rest = tuple(item for item in layer.key.components if item[0] != "channel")
    return (layer.key.name, layer.key.step, rest)


def _step_index(layer: Layer) -> int:
    index = layer.key.step[1]
    return -1 if index is None else index
