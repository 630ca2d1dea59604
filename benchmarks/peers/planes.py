"""The planes that every peer sends, and how a receiver knows each of them again.

A plane is noise of 12 bits, as a camera's, with its number mixed into every pixel: what arrives is
compared at some thousand pixels, which costs little beside a copy and finds planes that are lost,
shown twice, cut short or written over while they are under way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["WARM", "Case", "Ledger", "make"]

WARM = 8
"""Planes that are sent before the clock runs; they bear numbers of their own."""

_STEP = 61
"""Every so many rows and columns are compared; odd, so that pages and lines are all met."""

_PRIME = 40503
"""Odd: its multiples are different for all 65536 numbers."""


class Case(NamedTuple):
    """What is sent."""

    edge: int
    planes: int
    batch: int
    """Planes in one call."""

    @property
    def nbytes(self) -> int:
        """Bytes of pixels of one plane."""
        return self.edge * self.edge * 2

    def __str__(self) -> str:
        how = "one by one" if self.batch == 1 else f"in batches of {self.batch}"
        return f"{self.planes:,} planes of {self.edge} x {self.edge}, {how}"


def _noise(edge: int) -> NDArray[np.uint16]:
    return np.random.default_rng(edge).integers(0, 4096, (edge, edge), np.uint16)


def make(case: Case) -> NDArray[np.uint16]:
    """Return ``(planes + WARM, edge, edge)`` planes, the last `WARM` of them for warming up.

    All are different memory: what a pipeline has just computed lies in no cache.
    """
    noise = _noise(case.edge)
    planes = np.empty((case.planes + WARM, case.edge, case.edge), np.uint16)
    for number in range(len(planes)):
        np.add(noise, np.uint16(number * _PRIME & 0xFFFF), out=planes[number])
    return planes


class Ledger:
    """Which planes have arrived, and whether they are what was sent."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._expected = _noise(case.edge)[::_STEP, ::_STEP].copy()
        self.seen: set[int] = set()
        self.warm = 0
        self.wrong = 0
        """Planes that were not what was sent, or came twice."""

    def enter(self, plane: NDArray[Any]) -> None:
        """Note a plane that lies in the receiver's memory."""
        sample = plane[::_STEP, ::_STEP]
        first = int(sample[0, 0]) - int(self._expected[0, 0])
        number = first * pow(_PRIME, -1, 1 << 16) & 0xFFFF
        right = plane.shape == (self._case.edge,) * 2 and np.array_equal(
            sample, self._expected + np.uint16(number * _PRIME & 0xFFFF)
        )
        if not right or number in self.seen or number >= self._case.planes + WARM:
            self.wrong += 1
        elif number >= self._case.planes:
            self.warm += 1
        else:
            self.seen.add(number)
