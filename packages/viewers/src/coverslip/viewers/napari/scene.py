"""A projection drawn by napari: planes in, layers, axes and sliders kept in step.

Inserting only notes what has changed; `Scene.paint` draws it, and whoever drives the scene
calls that at most every 50 ms. So a plane that is not in view costs microseconds, and a hundred
that come together cost one repaint. GUI thread only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from coverslip.payload import TABLES, Layer, Placement, Projection, Value
from coverslip.viewers.bursts import Burst
from coverslip.viewers.layering import MAX_LAYERS, admit, too_many
from coverslip.viewers.memory import Entry, Memory
from coverslip.viewers.napari.arrangement import (
    accompany,
    place_of,
    proposed_visibility,
    show_well,
)
from coverslip.viewers.napari.bar import FOLLOW_KEY, OVERVIEW_KEY, STEP_KEY, LiveBar
from coverslip.viewers.napari.footing import Footing
from coverslip.viewers.napari.keys import Keys
from coverslip.viewers.napari.layers import LiveImage, LiveLabels
from coverslip.viewers.napari.live import Limits, LiveLayer
from coverslip.viewers.napari.looks import Looks
from coverslip.viewers.napari.ours import Ours
from coverslip.viewers.napari.overview import Overview
from coverslip.viewers.napari.retention import Retention
from coverslip.viewers.napari.sliders import Sliders
from coverslip.viewers.napari.steps import Steps
from coverslip.viewers.napari.tables import live_table
from coverslip.viewers.napari.tiles import ROOM, Tiles
from coverslip.viewers.napari.values import ValueLabels
from coverslip.viewers.wells import WELL

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
        self.projection = Projection()
        self.following = True
        self.looks = Looks()
        self.bar = LiveBar()
        self._memory = Memory() if memory is None else memory
        self._ours = Ours(viewer)
        self._sliders = Sliders(viewer, self._on_scrub)
        waiting = _WAITING if waits else None
        self._values = ValueLabels(viewer, self._sliders, self._ours.axes_shown, waiting)
        self._footing = Footing(
            viewer,
            self._ours,
            self.projection,
            self._sliders,
            self._values,
            is_ours=self._is_ours,
            sliced=self._all_drawn,
        )
        self._retention = Retention(self._memory, self.projection, self._ours, self._sliders)
        # Qt's timers wait for what is to be drawn: reading ahead would slow down the picture that
        # is waited for, by a third in the slowest tenth of jumps (measured on two cores).
        self._look_after = QTimer()
        self._look_after.setSingleShot(True)
        self._look_after.timeout.connect(self._retention.look)
        self._newest: dict[str, Value] | None = None
        self._planes = 0
        self._said = -_WORDS
        self._collisions = Burst(logger, "plane(s) replaced one of another step or output")
        self.bar.follow_clicked.connect(self.follow)
        self._steps = Steps(viewer, self.bar)
        # Of what the process may take: a sixteenth for tiles, no more than is of use.
        tiles = Tiles(min(ROOM, self._memory.budget // 16))
        self.overview = Overview(
            viewer, self._ours, self._sliders, self.bar, tiles, self._go_to_well
        )
        keys = {
            FOLLOW_KEY: lambda: self.follow(not self.following),
            STEP_KEY: self._steps.next,
            OVERVIEW_KEY: self.overview.toggle,
        }
        self._keys = Keys(viewer, keys)
        for event in (viewer.dims.events.current_step, viewer.dims.events.ndisplay):
            event.connect(self._hand_over)
        viewer.layers.events.removed.connect(self._on_removed)
        self._values.rest()

    def insert(
        self,
        placement: Placement,
        pixels: NDArray[Any],
        origin: str,
        limits: Limits | None,
        tile: NDArray[Any] | None = None,
        *,
        late: bool = False,
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
        tile : ndarray, optional
            What an overview shows of the plane, see `coverslip.viewers.napari.tiles`.
        late : bool
            Newer ones came before it: the sliders do not go there.

        Raises
        ------
        TooManyLayers
            It would make a layer more than there may be.
        coverslip.payload.UnsupportedArray
            It reaches farther than napari can count, or on more axes than it can bear.
        """
        admit(self.projection, placement.layer, self.max_layers)
        self._footing.measure(placement, pixels)
        change = self.projection.insert(placement, pixels, origin)
        self._planes += 1
        live = self._ours.get(placement.layer)
        if live is None:
            try:
                live = self._add(change.layer, placement, limits)
            except Exception:
                # The plane counts as failed: nothing of it may stay.
                self._take_back(change.layer)
                raise
        else:
            live.see(limits)
            if change.emptied:
                self.overview.forget(live)
            if change.emptied or live.in_view(placement.coordinates, self._sliders.looked_at):
                live.stale = True
        if live.drawn.visible and not late:
            # On top of those before it: a table has no place on the axes that its rows run along.
            self._newest = {**(self._newest or {}), **placement.coordinates}
        if self._retention.note(placement, change) or live.outgrown:
            self._footing.outdated = True
        self.overview.see(placement, tile, late=late)
        if change.collision:
            old, new = change.collision
            self._collisions.count(f"{new} replaced {old}")

    def paint(self) -> None:
        """Draw what has changed since the last time, if it can be seen."""
        target = self._newest if self.following and self._newest is not None else {}
        self._newest = None
        moved = self._footing.outdated and self._footing.renew(target)
        if not moved and target and self._sliders.go_to(target):
            self._all_drawn()
        if self._retention.trim():
            self._footing.outdated = True
        self._retention.look()
        for live in self._ours:
            live.settle()
            if live.stale:
                live.redraw()
        self.overview.paint()
        if time.monotonic() - self._said >= _WORDS:
            self.say()

    def say(self) -> None:
        """Write on the bar how much has come."""
        # Each change of a text repaints the whole window, 10 ms under a software GL.
        self._said = time.monotonic()
        projection = self.projection
        self.bar.tell(self._planes, projection.nbytes, projection.collisions, self._memory.usage())

    @property
    def planes(self) -> int:
        """How many planes have come since the last `clear`."""
        return self._planes

    def reset_contrast(self) -> None:
        """Give each image the contrast that what is in view of it asks for, as it would be new."""
        for live in self._ours:
            live.reset_contrast(self._sliders.looked_at)

    def follow(self, following: bool = True) -> None:
        """Let the sliders go to each new plane, or leave them to the user."""
        self.following = following
        self.bar.set_following(following)

    def clear(self) -> None:
        """Take away every layer of ours, and begin anew; the user's own stay."""
        self.overview.clear()
        with self._sliders.moving():
            for live in self._ours:
                # What napari has drawn lives on until Python collects it: it holds no planes.
                live.layer.store.clear()
                self.viewer.layers.remove(live.drawn)
            self._ours.drop_backdrop()
        self.projection.clear()
        self._planes = 0
        # What the user wanted to keep in view is gone.
        self.follow()
        self.looks.clear()

    def layers(self) -> list[LiveLayer]:
        """Return the layers of ours, bottom first, standing on all axes that were seen."""
        self._footing.renew()
        for live in self._ours:
            live.settle()
        return self._ours.bottom_first()

    def close(self) -> None:
        """Let go of the viewer's events; the window itself is not closed."""
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        for event in (self.viewer.dims.events.current_step, self.viewer.dims.events.ndisplay):
            event.disconnect(self._hand_over)
        self._look_after.stop()
        self._keys.close()
        self.overview.close()
        self._footing.close()
        self._values.close()
        self._sliders.close()
        self._ours.close()

    def drop_lost(self, lost: Entry) -> None:
        """Take a plane out of its layer that can be shown no more, unless another has its place."""
        if self._retention.drop_lost(lost):
            self._footing.outdated = True

    # ---- layers -----------------------------------------------------------------------

    def _add(self, layer: Layer, placement: Placement, limits: Limits | None) -> LiveLayer:
        # The layer starts on the axes that all others stand on, so those come first.
        self._footing.renew()
        live, hide = self._make(layer, placement, limits)
        for other in hide:
            other.show(False)
        layers, selected = self.viewer.layers, self.viewer.layers.selection.active
        # The overview stays the last, so that it is no part of a grid's pictures.
        below = [one for one in layers if one is not self.overview.layer]
        place = place_of(layer, self._ours, below)
        self._ours.add(live)
        with self._sliders.moving():
            if layer.key.kind in TABLES:
                self._ours.need_backdrop(layer, self._sliders.grid)
            layers.insert(place, live.drawn)
            if layer.key.kind not in TABLES:
                self._ours.drop_backdrop()
            if selected in layers and not any(other.drawn is selected for other in hide):
                # Whoever is at the controls of one layer keeps them when another comes.
                layers.selection.active = selected
        self._steps.know(self._ours)
        self._accompany()
        if len(self._ours) == self.max_layers:
            logger.warning("%s", too_many(self.projection, self.max_layers))
        return live

    def _take_back(self, layer: Layer) -> None:
        """Forget a layer that napari has refused, with its plane and the place it came for."""
        live = self._ours.discard(layer.key)
        if live is not None and live.drawn in self.viewer.layers:
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
        self._footing.outdated = True

    def _make(
        self, layer: Layer, placement: Placement, limits: Limits | None
    ) -> tuple[LiveLayer, list[LiveLayer]]:
        """Return what draws a new layer, and which others hide for it."""
        grid, display, kind = self._sliders.grid, placement.display, layer.key.kind
        like = self._ours.like()
        live: LiveLayer
        hide: list[LiveLayer] = []
        if kind in TABLES:
            color = self.looks.color(display)
            live = live_table(layer, grid, self._sliders.looked_at, color=color)
        elif kind == "labels":
            live = LiveLabels(layer, grid)
        else:
            visible, hide = proposed_visibility(layer, self._ours.images())
            colormap = self.looks.colormap(layer, display)
            live = LiveImage(
                layer, grid, colormap=colormap, limits=limits, display=display, visible=visible
            )
        live.on_shown = self._accompany if kind == "image" else self._values.update
        self.looks.dress(live.drawn, display)
        with live.unnoticed():
            live.lie_over(like, self._footing.spacing, display)
        return live, hide

    def _hand_over(self) -> None:
        """Hand the annotations in view to their layers, as the sliders move."""
        if self._sliders.settled:
            looked_at = self._sliders.looked_at
            for live in self._ours:
                live.look(looked_at)

    def _all_drawn(self) -> None:
        """Note that napari has just sliced every layer anew."""
        for live in self._ours:
            live.stale = False
        self._hand_over()

    def _accompany(self) -> None:
        accompany(list(self._ours))
        if self._ours:
            self._values.update()

    def _on_removed(self, event: Any) -> None:
        self.overview.removed(event.value)
        live = self._ours.removed(event.value)
        if live is not None:
            # The user's choice: its memory is free, and the next plane makes it anew.
            self._retention.forget(live.layer.key)
            self.projection.remove(live.layer)
            self.overview.forget(live)
        self._steps.know(self._ours)
        self._accompany()
        if not self._ours:
            self._ours.drop_backdrop()
            self.overview.clear()
            self._footing.forget()
            self._newest = None
            self._values.rest()

    # ---- following --------------------------------------------------------------------

    def _on_scrub(self) -> None:
        self._look_after.start()
        # napari sets its sliders back when the last layer goes, before it says that it went.
        if self.following and any(live.drawn in self.viewer.layers for live in self._ours):
            self.follow(False)

    def _is_ours(self, layer: Any) -> bool:
        return layer in self._ours or layer is self.overview.layer

    # ---- going to a well --------------------------------------------------------------

    def _go_to_well(self, well: Value, newest: Mapping[str, Value]) -> None:
        """Show a well, as its user wants: where the sliders are, or where its newest plane is."""
        self.follow(False)
        show_well(well, self._ours.images())
        if self._sliders.go_to({WELL: well}):
            self._all_drawn()
        here = self._sliders.looked_at
        images = self._ours.images()
        empty = not any(live.holds(here) for live in images if live.drawn.visible)
        if empty and self._sliders.go_to(newest):
            self._all_drawn()
        self._look_after.start()
        self.overview.paint()
