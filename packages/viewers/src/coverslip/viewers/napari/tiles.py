"""The newest plane of each well as a tile: a picture of it in little.

Tiles are made on the thread that receives, while the pixels are at hand, once for each plane:
later they may be on disk. Pure numpy.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import LayerKey, Placement, Value
from coverslip.viewers.little import shrunk
from coverslip.viewers.wells import PLATE, WELL

__all__ = ["EDGE", "ROOM", "Group", "Spot", "Tiles", "group_of", "spot_of"]

EDGE: Final = 128
"""Pixels of a tile's longer side, while there are few of them."""

_LEAST: Final = 8

ROOM: Final = 32 << 20
"""Bytes that all tiles may take: 512 of 128 x 128, 2,048 of 64 x 64 (384 wells of five channels),
8,192 of 32 x 32."""

_WELLS: Final = 4096
"""Wells that have tiles, on all plates: more than the largest has."""


class Spot(NamedTuple):
    """A well on its plate."""

    plate: Value | None
    """None for what says no plate: it is seen with each."""
    well: Value


class Group(NamedTuple):
    """What tiles of one kind have in common: planes of one channel and step, of any well and size.

    A viewer that gives each well a layer of its own has many layers of one group.
    """

    name: str | None
    step: tuple[str | None, int | None]
    components: tuple[tuple[str, Value], ...]


def group_of(layer: LayerKey) -> Group:
    """Return the group that a layer's planes belong to."""
    rest = tuple(item for item in layer.components if item[0] not in (PLATE, WELL))
    return Group(layer.name, layer.step, rest)


def spot_of(placement: Placement) -> Spot | None:
    """Return the well that a plane of an image is of; None for others, which have no tile."""
    components = placement.components
    if placement.layer.kind != "image" or WELL not in components:
        return None
    return Spot(components.get(PLATE), components[WELL])


class Tiles:
    """Holds the newest tile of each well, for each group; smaller ones when there are many.

    Bounded: in bytes by `room`, in wells by the largest plate. For one thread, but for `edge`,
    which any may read.

    Parameters
    ----------
    room : int
        Bytes that the tiles may take.
    """

    def __init__(self, room: int = ROOM) -> None:
        self.edge = EDGE
        """Pixels of a tile's longer side, at most."""
        self.places: dict[Spot, Mapping[str, Value]] = {}
        """The wells that have tiles, each with the place of its newest plane."""
        self._room = room
        self._held: OrderedDict[tuple[Group, Spot], NDArray[np.float32]] = OrderedDict()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all tiles."""
        return self._nbytes

    def put(self, group: Group, spot: Spot, place: Mapping[str, Value], tile: NDArray[Any]) -> bool:
        """Keep a well's newest tile; whether there was room for its well."""
        if spot not in self.places and len(self.places) >= _WELLS:
            return False
        self.places[spot] = place
        self._take_out((group, spot))
        tile = shrunk(tile, self.edge)
        self._held[group, spot] = tile
        self._nbytes += tile.nbytes
        while self._nbytes > self._room:
            if self.edge > _LEAST:
                self.shrink_to(self.edge // 2)
            else:
                self._take_out(next(iter(self._held)))
        return True

    def get(self, group: Group, spot: Spot) -> NDArray[np.float32] | None:
        """Return the newest tile of a well; None where none has come."""
        return self._held.get((group, spot))

    def seen(self, group: Group, spot: Spot) -> NDArray[np.float32] | None:
        """Return what is seen of a well with its plate: what says no plate is seen with each."""
        found = self.get(group, spot)
        return self.get(group, Spot(None, spot.well)) if found is None else found

    def on_plate(self, plate: Value | None) -> dict[Value, Spot]:
        """Return the wells that are seen with a plate, each as what has its place."""
        anywhere = {spot.well: spot for spot in self.places if spot.plate is None}
        return anywhere | {spot.well: spot for spot in self.places if spot.plate == plate}

    def shrink_to(self, edge: int) -> None:
        """Make all tiles, and those to come, no larger than this."""
        self.edge = max(_LEAST, edge)
        for key, tile in self._held.items():
            self._held[key] = shrunk(tile, self.edge)
        self._nbytes = sum(tile.nbytes for tile in self._held.values())

    def forget(self, gone: Callable[[Group, Spot], bool]) -> None:
        """Let go of the tiles of planes that are gone, and of the wells that have none any more."""
        for key in [key for key in self._held if gone(*key)]:
            self._take_out(key)
        left = {spot for _, spot in self._held}
        for spot in self.places.keys() - left:
            del self.places[spot]

    def clear(self) -> None:
        """Let go of all."""
        self._held.clear()
        self.places.clear()
        self._nbytes, self.edge = 0, EDGE

    def _take_out(self, key: tuple[Group, Spot]) -> None:
        tile = self._held.pop(key, None)
        if tile is not None:
            self._nbytes -= tile.nbytes
