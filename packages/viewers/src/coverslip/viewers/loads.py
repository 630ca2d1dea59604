"""How much of a stream's arena each viewer has still to copy.

Counting leases is a few passes over the table of slots; at each send it would cost a tenth of the
send. So it is counted now and then, and what is sent meanwhile is added: never too little.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from coverslip.payload import Arena
from coverslip.viewers.lane import Lane

__all__ = ["Loads"]


class Loads:
    """The loads of an arena's lanes, from 0 to 1; under the stream's lock."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._counted = arena.loads()
        self._when = time.monotonic()

    def at_most(self, lanes: Iterable[Lane], age: float) -> dict[Lane, float]:
        """Return what the load of each of these lanes is at most.

        Parameters
        ----------
        lanes : iterable of Lane
            Whose.
        age : float
            Seconds for which a viewer's reading may go unnoticed; at 0 it is counted now.
        """
        now = time.monotonic()
        if now - self._when >= age:
            self._counted = self._arena.loads()
            self._when = now
        return {lane: self._counted[lane.index] for lane in lanes}

    def add(self, lanes: Iterable[Lane], nbytes: int) -> None:
        """Note what is sent to some lanes."""
        for lane in lanes:
            self._counted[lane.index] += nbytes / self._arena.budget
