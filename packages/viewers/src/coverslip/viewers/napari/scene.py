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

from coverslip.payload import (
    TABLES,
    Layer,
    LayerKey,
    Placement,
    Projection,
    UnsupportedArray,
    Value,
)
from coverslip.viewers.bursts import Burst
from coverslip.viewers.layering import MAX_LAYERS, admit, too_many
from coverslip.viewers.memory import Entry, HeldPlane, Memory
from coverslip.viewers.napari.arrangement import accompany, place_of, proposed_visibility
from coverslip.viewers.napari.backdrop import backdrop
from coverslip.viewers.napari.bar import FOLLOW_KEY, STEP_KEY, LiveBar
from coverslip.viewers.napari.beside import OwnLayers
from coverslip.viewers.napari.layers import LiveImage, LiveLabels
from coverslip.viewers.napari.live import Limits, LiveLayer
from coverslip.viewers.napari.looks import Looks
from coverslip.viewers.napari.planes import Grid
from coverslip.viewers.napari.reach import check_reach
from coverslip.viewers.napari.sliders import Sliders
from coverslip.viewers.napari.spacing import Spacing
from coverslip.viewers.napari.steps import Steps
from coverslip.viewers.napari.tables import live_table
from coverslip.viewers.napari.values import ValueLabels
from coverslip.viewers.words import format_size

if TYPE_CHECKING:
    import napari

__all__ = ["Scene"]

logger = logging.getLogger(__name__)

_WAITING = "waiting for the first plane"

_WORDS = 0.25
"""Seconds between two changes of the bar's words."""


class Scene:
    """Shows each plane in its layer, in place, and keeps every choice of the user's.

    Parameters
    ----------
    viewer : napari.Viewer
        An open viewer. Layers of the user's own in it are left alone.
    memory : Memory, optional
        Where its planes are held; it is told what is in view.
    max_layers : int
        Planes for more layers than this fail.
    waits : bool
        The picture's corner says so while there are no layers of ours.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        memory: Memory | None = None,
        max_layers: int = MAX_LAYERS,
        *,
        waits: bool = True,
    ) -> None:
        self.viewer = viewer
        self.max_layers = max_layers
        self._memory = Memory() if memory is None else memory
        self._keeps: dict[LayerKey, int] = {}
        """How many planes to keep, of the layers whose streams do not keep all."""
        self.projection = Projection()
        self.following = True
        self._live: dict[LayerKey, LiveLayer] = {}
        self.looks = Looks()
        self._spacing = Spacing()
        self._backdrop: LiveLayer | None = None
        self._sliders = Sliders(viewer, self._on_scrub)
        self._own_layers = OwnLayers(viewer, self._is_ours, self._lengths, self._on_own_layers)
        self._values = ValueLabels(viewer, self._sliders, _WAITING if waits else None)
        self._grown = False
        self._newest: dict[str, Value] | None = None
        self._planes = 0
        self._said = -_WORDS
        self._collisions = Burst(logger, "plane(s) replaced one of another step or output")
        self.bar = LiveBar()
        self.bar.follow_clicked.connect(self.follow)
        self._steps = Steps(viewer, self.bar)
        viewer.bind_key(FOLLOW_KEY, lambda _: self.follow(not self.following), overwrite=True)
        viewer.bind_key(STEP_KEY, lambda _: self._steps.next(), overwrite=True)
        for event in (viewer.dims.events.current_step, viewer.dims.events.ndisplay):
            event.connect(self._hand_over)
        viewer.layers.events.removed.connect(self._on_removed)
        self._values.rest()

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

        Raises
        ------
        TooManyLayers
            It would make a layer more than there may be.
        coverslip.payload.UnsupportedArray
            It reaches farther than napari can count.
        """
        admit(self.projection, placement.layer, self.max_layers)
        self._measure(placement, pixels)
        change = self.projection.insert(placement, pixels, origin)
        self._planes += 1
        self._grown = self._grown or bool(change.grown_axes)
        live = self._live.get(placement.layer)
        if live is None:
            try:
                live = self._add(change.layer, placement, limits)
            except Exception:
                # The plane counts as failed: nothing of it may stay.
                self._take_back(change.layer)
                raise
        else:
            live.see(limits)
            self._grown = self._grown or live.outgrown
            if change.emptied or live.in_view(placement.coordinates, self._sliders.looked_at):
                live.stale = True
        if live.drawn.visible:
            self._newest = placement.coordinates
        if placement.keep:
            self._keeps[placement.layer] = placement.keep
            self._trim(live)
        else:
            self._keeps.pop(placement.layer, None)
        if change.collision:
            old, new = change.collision
            self._collisions.count(f"{new} replaced {old}")

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

    @property
    def planes(self) -> int:
        """How many planes have come since the last `clear`."""
        return self._planes

    def reset_contrast(self) -> None:
        """Give each image the contrast that what is in view of it asks for, as it would be new."""
        for live in self._live.values():
            live.reset_contrast(self._sliders.looked_at)

    def follow(self, following: bool = True) -> None:
        """Let the sliders go to each new plane, or leave them to the user."""
        self.following = following
        self.bar.set_following(following)

    def clear(self) -> None:
        """Take away every layer of ours, and begin anew; the user's own stay."""
        with self._sliders.moving():
            for live in list(self._live.values()):
                self.viewer.layers.remove(live.drawn)
            self._drop_backdrop()
        self.projection.clear()
        self._planes = 0
        # What the user wanted to keep in view is gone.
        self.follow()
        self.looks.clear()

    def layers(self) -> list[LiveLayer]:
        """Return the layers of ours, bottom first, standing on all axes that were seen."""
        self._grow()
        for live in self._live.values():
            live.settle()
        drawn = {live.drawn: live for live in self._live.values()}
        return [drawn[layer] for layer in self.viewer.layers if layer in drawn]

    def close(self) -> None:
        """Let go of the viewer's events; the window itself is not closed."""
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        for event in (self.viewer.dims.events.current_step, self.viewer.dims.events.ndisplay):
            event.disconnect(self._hand_over)
        self._own_layers.close()
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
        shown = [live for live in self._live.values() if live.drawn.visible]
        place = self._sliders.looked_at
        in_view = [live.plane_at(place) for live in shown]
        near = [
            live.plane_at(neighbour) for neighbour in self._sliders.neighbours() for live in shown
        ]
        self._memory.look_at(filter(None, in_view), filter(None, near))

    # ---- layers -----------------------------------------------------------------------

    def _add(self, layer: Layer, placement: Placement, limits: Limits | None) -> LiveLayer:
        # The layer starts on the axes that all others stand on, so those come first.
        self._grow()
        first = not self._live
        live, hide = self._make(layer, placement, limits)
        for other in hide:
            other.show(False)
        layers, selected = self.viewer.layers, self.viewer.layers.selection.active
        place = place_of(layer, self._live.values(), layers)
        self._live[layer.key] = live
        with self._sliders.moving():
            if layer.key.kind in TABLES:
                self._need_backdrop(layer)
            layers.insert(place, live.drawn)
            if layer.key.kind not in TABLES:
                self._drop_backdrop()
            if selected in layers and not any(other.drawn is selected for other in hide):
                # Whoever is at the controls of one layer keeps them when another comes.
                layers.selection.active = selected
        if first:
            self._values.update()
        self._steps.know(self._live.values())
        self._accompany()
        if len(self._live) == self.max_layers:
            logger.warning("%s", too_many(self.projection, self.max_layers))
        return live

    def _take_back(self, layer: Layer) -> None:
        """Forget a layer that napari has refused, with its plane and the place it came for."""
        live = self._live.pop(layer.key, None)
        if live is not None:
            live.close()
            if live.drawn in self.viewer.layers:
                try:
                    with self._sliders.moving():
                        self.viewer.layers.remove(live.drawn)
                except Exception as error:
                    # What it had not added in full it cannot take out in full; it is off its list.
                    logger.debug("%s was added in part", live.drawn, exc_info=error)
        for coordinates in tuple(layer.store):
            self.projection.drop(layer, coordinates)
        self.projection.remove(layer)
        self._planes -= 1
        self._grown = True

    def _make(
        self, layer: Layer, placement: Placement, limits: Limits | None
    ) -> tuple[LiveLayer, list[LiveLayer]]:
        """Return what draws a new layer, and which others hide for it."""
        grid, display, kind = self._sliders.grid, placement.display, layer.key.kind
        like = self._like()
        live: LiveLayer
        hide: list[LiveLayer] = []
        if kind in TABLES:
            looked_at = self._sliders.looked_at
            color = self.looks.color(display)
            live = live_table(layer, grid, looked_at, color=color)
        elif kind == "labels":
            live = LiveLabels(layer, grid)
        else:
            rivals = [live for live in self._live.values() if live.layer.key.kind == "image"]
            visible, hide = proposed_visibility(layer, rivals)
            colormap = self.looks.colormap(layer, display)
            live = LiveImage(
                layer, grid, colormap=colormap, limits=limits, display=display, visible=visible
            )
            live.on_shown = self._accompany
        self.looks.dress(live.drawn, display)
        with live.unnoticed():
            live.lie_over(like, self._spacing, display)
        return live, hide

    def _like(self) -> LiveLayer | None:
        """Return a layer that a new one lies over, plane by plane: one with all the axes."""
        return next(
            (live for live in self._live.values() if live.layer.key.kind not in TABLES), None
        )

    def _need_backdrop(self, layer: Layer) -> None:
        """Have something that all the sliders belong to, where only annotations have come."""
        if self._backdrop is None and self._like() is None:
            self._backdrop = backdrop(layer, self._sliders.grid)
            self.viewer.layers.insert(0, self._backdrop.drawn)

    def _drop_backdrop(self) -> None:
        dropped, self._backdrop = self._backdrop, None
        if dropped is not None and dropped.drawn in self.viewer.layers:
            dropped.close()
            self.viewer.layers.remove(dropped.drawn)

    def _all(self) -> list[LiveLayer]:
        """Return all layers and what stands behind them; one that has every axis is the last."""
        found = [*self._live.values(), *([] if self._backdrop is None else [self._backdrop])]
        return sorted(found, key=lambda live: live.layer.key.kind not in TABLES)

    def _grow(self, target: Mapping[str, Value] = MappingProxyType({})) -> None:
        """Let all layers and sliders stand on the axes as they are now, and go to `target`."""
        self._grown = False
        grid = Grid.of(self.projection.axes, self._own_layers.axes)
        every = self._all()
        if grid == self._sliders.grid and not any(live.outgrown for live in every):
            return
        if not every:
            self._sliders.grid = grid
            return

        def change() -> None:
            last = len(every) - 1
            for number, live in enumerate(every):
                live.move_to(grid, announce=number == last)
                live.space(self._spacing)

        self._sliders.stand_on(grid, change, target)
        self._all_drawn()
        self._values.update()

    def _measure(self, placement: Placement, pixels: NDArray[Any]) -> None:
        """Take over the steps that a plane declares, and refuse it where it reaches too far."""
        display, live = placement.display, self._live.get(placement.layer)
        if self._spacing.learn(display, {*self.projection.axes.names, *placement.coordinates}):
            self._space()
        kind = placement.layer.kind
        if live is None:
            like = self._like()
            now = (1.0, 1.0) if like is None else like.drawn.scale[-2:]
            steps, _ = self._spacing.of(("y", "x"), now, display)
        elif kind in TABLES:
            steps = list(live.drawn.scale[-2:])
        else:
            return
        try:
            check_reach(self.viewer, kind, pixels, steps)
        except UnsupportedArray:
            if not self._live:
                self._spacing.clear()
            raise

    def _space(self) -> None:
        """Let all layers have the distances and the unit that a plane has declared."""
        dims = self.viewer.dims

        def change() -> None:
            # While some layers have their new steps and others the old ones, an axis may have
            # more steps than Qt's sliders count.
            with dims.events.range.blocker(), dims.events.current_step.blocker():
                for live in self._all():
                    live.space(self._spacing)
            dims.events.range(value=dims.range)
            dims.events.current_step(value=dims.current_step)

        self._sliders.stand_on(self._sliders.grid, change, {})
        self._values.update()
        self.viewer.canvas.overlays.scale_bar.visible = True

    def _hand_over(self) -> None:
        """Hand the annotations in view to their layers, as the sliders move."""
        if self._sliders.settled:
            looked_at = self._sliders.looked_at
            for live in self._live.values():
                live.look(looked_at)

    def _all_drawn(self) -> None:
        """Note that napari has just sliced every layer anew."""
        for live in self._live.values():
            live.stale = False
        self._hand_over()

    def _is_ours(self, layer: Any) -> bool:
        return any(live.drawn is layer for live in self._all())

    def _lengths(self) -> tuple[int, ...]:
        return self._sliders.grid.shape if self._live else ()

    def _on_own_layers(self) -> None:
        self._grown = True

    def _accompany(self) -> None:
        accompany(self._live.values())

    def _on_removed(self, event: Any) -> None:
        for key, live in list(self._live.items()):
            if live.drawn is event.value:
                # The user's choice: its memory is free, and the next plane makes it anew.
                live.close()
                del self._live[key]
                self._keeps.pop(key, None)
                self.projection.remove(live.layer)
        if self._backdrop is not None and self._backdrop.drawn is event.value:
            self._backdrop.close()
            self._backdrop = None
        self._steps.know(self._live.values())
        self._accompany()
        if not self._live:
            self._drop_backdrop()
            self._spacing.clear()
            self._sliders.grid = Grid()
            self._newest = None
            self._values.rest()

    # ---- following --------------------------------------------------------------------

    def _on_scrub(self) -> None:
        self._look()
        # napari sets its sliders back when the last layer goes, before it says that it went.
        if self.following and any(live.drawn in self.viewer.layers for live in self._live.values()):
            self.follow(False)
