"""Which planes stay: what streams ask to keep, what is lost, what the memory is told is in view.

GUI thread only.
"""

from __future__ import annotations

import time
from typing import Any, Final

from coverslip.payload import Change, LayerKey, Placement, Projection
from coverslip.viewers.memory import Entry, HeldPlane, Memory
from coverslip.viewers.napari.live import LiveLayer
from coverslip.viewers.napari.ours import Ours
from coverslip.viewers.napari.sliders import Sliders

__all__ = ["Retention"]

_ALL_THERE: Final = 1.0
"""Seconds without a plane after which what replaces others counts as complete: until then the
sliders stay as long as they were, and where they were."""


class Retention:
    """Takes planes out of their layers, by a stream's wish or for want of room. GUI thread only.

    Parameters
    ----------
    memory : Memory
        Where the planes are held.
    projection : Projection
        Whose planes they are.
    ours : Ours
        The layers that draw them.
    sliders : Sliders
        Where the user looks.
    """

    def __init__(
        self, memory: Memory, projection: Projection, ours: Ours, sliders: Sliders
    ) -> None:
        self._memory = memory
        self._projection = projection
        self._ours = ours
        self._sliders = sliders
        self._keeps: dict[LayerKey, int] = {}
        """How many planes to keep, of the layers whose streams do not keep all."""
        self._replaced: float | None = None
        """When the last plane came, once some were replaced; None when the sliders know of it."""

    def note(self, placement: Placement, change: Change) -> bool:
        """Keep of a plane's layer what its stream asks for; whether the axes have changed."""
        if change.emptied or self._replaced is not None:
            self._replaced = time.monotonic()
        trimmed = False
        if placement.keep:
            self._keeps[placement.layer] = placement.keep
            live = self._ours.get(placement.layer)
            trimmed = live is not None and self._trim(live)
        else:
            self._keeps.pop(placement.layer, None)
        return trimmed or bool(change.grown_axes)

    def trim(self) -> bool:
        """Let go of what was spared for being in view, and is in view no more; whether any went.

        Of the sliders' values too, that only replaced planes had.
        """
        trimmed = [self._trim(live) for live in self._ours if live.layer.key in self._keeps]
        return self._tidy() or any(trimmed)

    def drop_lost(self, lost: Entry) -> bool:
        """Take a plane out of its layer that can be shown no more; whether it was there still."""
        key, coordinates = lost.tag
        layer = self._projection.get(key)
        if layer is None:
            return False
        held: Any = layer.store.get(coordinates)
        if not isinstance(held, HeldPlane) or held.entry is not lost:
            return False
        self._projection.drop(layer, coordinates)
        return True

    def forget(self, key: LayerKey) -> None:
        """Forget a layer that is gone."""
        self._keeps.pop(key, None)

    def look(self) -> None:
        """Tell the memory what is in view, and what may be next."""
        if not self._memory.tight:
            return
        shown = [live for live in self._ours if live.drawn.visible]
        place = self._sliders.looked_at
        in_view = [live.plane_at(place) for live in shown]
        near = [
            live.plane_at(neighbour) for neighbour in self._sliders.neighbours() for live in shown
        ]
        self._memory.look_at(filter(None, in_view), filter(None, near))

    def _trim(self, live: LiveLayer) -> bool:
        """Let go of a layer's oldest planes, by its stream's wish; never of what is looked at."""
        looked_at = self._sliders.looked_at
        dropped = self._projection.trim(
            live.layer,
            self._keeps[live.layer.key],
            lambda coordinates: live.in_view(coordinates, looked_at),
        )
        if dropped:
            self._memory.drop(len(dropped))
        return bool(dropped)

    def _tidy(self) -> bool:
        """Shorten the sliders to what replaced the planes, once all of that seems to be there."""
        if self._replaced is None or time.monotonic() - self._replaced < _ALL_THERE:
            return False
        looked_at = self._sliders.looked_at
        unused = self._projection.unused()
        going = [(name, value) for name, value in unused if looked_at.get(name) != value]
        self._projection.forget(going)
        if len(going) == len(unused):
            self._replaced = None
        return bool(going)
