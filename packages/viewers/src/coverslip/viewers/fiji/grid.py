"""Where a plane's components are on ImageJ's axes, and where they go when those grow. No Java.

ImageJ counts from 1, and 0 stands for every position of an axis: an outline at ``(0, 3, 0)`` is
seen in the third slice of every channel and frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Final, NamedTuple

from coverslip.payload import Value

__all__ = ["EVERYWHERE", "Grid", "GridAxis", "Run", "Spot", "runs"]


class Spot(NamedTuple):
    """A position in a hyperstack; 0 is every one of that axis."""

    channel: int
    slice: int
    frame: int


EVERYWHERE: Final = Spot(0, 0, 0)


class GridAxis(NamedTuple):
    """One of ImageJ's axes: which components stand on it, and the values of each.

    Their combinations are the axis's positions, the last component's values fastest. They are
    counted, never listed: a time lapse has tens of thousands, and grows at each repaint.
    """

    names: tuple[str, ...] = ()
    values: tuple[tuple[Value, ...], ...] = ()

    @property
    def length(self) -> int:
        """Number of positions."""
        return prod(map(len, self.values))

    def positions(self, coordinates: Mapping[str, Value]) -> list[int]:
        """Return the positions (from 1) that have these values; [0] when none of them is named."""
        if not any(name in coordinates for name in self.names):
            return [0]
        picks: list[Sequence[int]] = []
        for name, values in zip(self.names, self.values, strict=True):
            if name not in coordinates:
                picks.append(range(len(values)))
            elif coordinates[name] in values:
                picks.append((values.index(coordinates[name]),))
            else:
                return []
        return [1 + self._position(indices) for indices in product(*picks)]

    def extends(self, before: GridAxis) -> bool:
        """Whether every position of `before` is where it was."""
        if self.names != before.names:
            return False
        step = was = 1
        for now, old in zip(reversed(self.values), reversed(before.values), strict=True):
            if now[: len(old)] != old or (step != was and len(old) > 1):
                return False
            step, was = step * len(now), was * len(old)
        return True

    def moved(self, position: int, before: GridAxis) -> int:
        """Return where a position (from 1) of `before`, of the same components, is here.

        What is no position of it stays as it is.
        """
        if not 0 < position <= before.length or self.names != before.names:
            return position
        indices = []
        rest = position - 1
        for now, old in zip(reversed(self.values), reversed(before.values), strict=True):
            rest, index = divmod(rest, len(old))
            indices.append(now.index(old[index]))
        return 1 + self._position(indices[::-1])

    def _position(self, indices: Sequence[int]) -> int:
        position = 0
        for index, values in zip(indices, self.values, strict=True):
            position = position * len(values) + index
        return position


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

    def pins(self, coordinates: Mapping[str, Value]) -> bool:
        """Whether these components have no more spots when axes grow, once they have any."""
        named = [[name in coordinates for name in axis.names] for axis in self]
        return all(all(some) or not any(some) for some in named)

    def extends(self, before: Grid) -> bool:
        """Whether every position of `before` is where it was."""
        return all(now.extends(old) for now, old in zip(self, before, strict=True))

    def moved(self, spot: Spot, before: Grid) -> Spot:
        """Return where the spot of an earlier grid of the same axes is in this one.

        What lay outside of the earlier one stays as it is.
        """
        return Spot(*(now.moved(at, old) for at, now, old in zip(spot, self, before, strict=True)))

    def number(self, spot: Spot) -> int:
        """Return a spot's place (from 1) in ImageJ's order, XYCZT; 0 on an axis counts as 1."""
        channel, slice_, frame = (max(1, place) for place in spot)
        return ((frame - 1) * self.slices.length + slice_ - 1) * self.channels.length + channel

    def spot(self, number: int) -> Spot:
        """Return the spot at a place (from 1) in ImageJ's order; the inverse of `number`."""
        rest, channel = divmod(number - 1, self.channels.length)
        frame, slice_ = divmod(rest, self.slices.length)
        return Spot(channel + 1, slice_ + 1, frame + 1)


class Run(NamedTuple):
    """Places (from 0) one behind the other, which were so before as well or are all new."""

    start: int
    length: int
    before: int | None
    """Where the first of them was; None for new ones."""


def runs(lengths: Sequence[int], fresh: Sequence[Sequence[int]]) -> Iterator[Run]:
    """Yield what a grid's places are when axes have grown, in order and without listing them.

    There are at most three for each new place, and one: so whoever moves places run by run works
    for each of them once, and not again at each growth.

    Parameters
    ----------
    lengths : sequence of int
        Of the axes as they are now, slowest first.
    fresh : sequence of sequence of int
        The indices on each axis that are new, in order. Of one that had none before, all are.
    """
    yield from _runs(lengths, fresh, 0, 0)


def _runs(
    lengths: Sequence[int], fresh: Sequence[Sequence[int]], start: int, before: int
) -> Iterator[Run]:
    if not any(fresh):
        yield Run(start, prod(lengths), before)
        return
    (length, *inner), (new, *inner_new) = lengths, fresh
    step = prod(inner)
    was = prod(now - len(some) for now, some in zip(inner, inner_new, strict=True))
    begin = 0
    for index in (*new, length):
        # Those between two new ones stay together, unless others come in between further in.
        if not any(inner_new):
            if index > begin:
                yield Run(start + begin * step, (index - begin) * step, before)
                before += (index - begin) * was
        else:
            for old in range(begin, index):
                yield from _runs(inner, inner_new, start + old * step, before)
                before += was
        if index < length:
            yield Run(start + index * step, step, None)
        begin = index + 1
