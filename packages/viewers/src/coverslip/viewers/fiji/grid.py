"""Where a plane's components are on ImageJ's axes, and where they go when those grow. No Java.

ImageJ counts from 1, and 0 stands for every position of an axis: an outline at ``(0, 3, 0)`` is
seen in the third slice of every channel and frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final, NamedTuple

from coverslip.payload import Value

__all__ = ["EVERYWHERE", "Grid", "GridAxis", "Spot"]


class Spot(NamedTuple):
    """A position in a hyperstack; 0 is every one of that axis."""

    channel: int
    slice: int
    frame: int


EVERYWHERE: Final = Spot(0, 0, 0)


class GridAxis(NamedTuple):
    """One of ImageJ's axes: which components stand on it, and their values at each position."""

    names: tuple[str, ...] = ()
    values: tuple[tuple[Value, ...], ...] = ((),)

    def positions(self, coordinates: Mapping[str, Value]) -> list[int]:
        """Return the positions (from 1) that have these values; [0] when none of them is named."""
        wanted = [
            (place, coordinates[name])
            for place, name in enumerate(self.names)
            if name in coordinates
        ]
        if not wanted:
            return [0]
        return [
            number
            for number, values in enumerate(self.values, start=1)
            if all(values[place] == value for place, value in wanted)
        ]


class Grid(NamedTuple):
    """All positions of a hyperstack: its C, Z and T axis."""

    channels: GridAxis = GridAxis()
    slices: GridAxis = GridAxis()
    frames: GridAxis = GridAxis()

    def spots(self, coordinates: Mapping[str, Value]) -> list[Spot]:
        """Return where these components are: nowhere while one of them has not come yet.

        Components that stand on no axis are not looked at. Where several stand on one axis and
        some are not named, there are several spots.
        """
        return [Spot(*place) for place in product(*(axis.positions(coordinates) for axis in self))]

    def extends(self, before: Grid) -> bool:
        """Whether every position of `before` is where it was."""
        return all(
            now.values[: len(old.values)] == old.values
            for now, old in zip(self, before, strict=True)
        )

    def moved(self, spot: Spot, before: Grid) -> Spot:
        """Return where the spot of an earlier grid of the same axes is in this one.

        What lay outside of the earlier one stays as it is.
        """
        return Spot(
            *(
                now.values.index(old.values[place - 1]) + 1
                if 0 < place <= len(old.values)
                else place
                for place, now, old in zip(spot, self, before, strict=True)
            )
        )

    def number(self, spot: Spot) -> int:
        """Return a spot's place (from 1) in ImageJ's order, XYCZT; 0 on an axis counts as 1."""
        channel, slice_, frame = (max(1, place) for place in spot)
        return ((frame - 1) * len(self.slices.values) + slice_ - 1) * len(
            self.channels.values
        ) + channel

    def spot(self, number: int) -> Spot:
        """Return the spot at a place (from 1) in ImageJ's order; the inverse of `number`."""
        rest, channel = divmod(number - 1, len(self.channels.values))
        frame, slice_ = divmod(rest, len(self.slices.values))
        return Spot(channel + 1, slice_ + 1, frame + 1)
