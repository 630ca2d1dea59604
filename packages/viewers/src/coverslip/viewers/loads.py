"""How much of a stream's arena each viewer has still to copy, and who of them lags behind.

Counting leases is a few passes over the table of slots; at each send it would cost a tenth of the
send. So it is counted now and then, and what is sent meanwhile is added: never too little.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from coverslip.payload import Arena
from coverslip.viewers.lane import Lane

__all__ = ["Loads"]

_COUNT_SECONDS = 20e-3
"""How old a count may be."""

_RECOUNT_SECONDS = 5e-3
"""The same where it says that a viewer has too much."""

_AHEAD_SECONDS = 1.0
"""How long a lane that had little to copy counts as one that keeps up: a burst is no lag."""


class Loads:
    """The loads of an arena's lanes, from 0 to 1; under the stream's lock.

    Parameters
    ----------
    arena : Arena
        The stream's.
    lanes : sequence of Lane
        All of them, in the order of their indices.
    """

    def __init__(self, arena: Arena, lanes: Sequence[Lane]) -> None:
        self._arena = arena
        self._lanes = lanes
        self._light = [float("-inf")] * len(lanes)
        self._lagging: Sequence[Lane] = ()
        self.count()

    def count(self) -> None:
        """Count anew, and note who has little to copy."""
        self._when = time.monotonic()
        self._loads = self._arena.loads()
        self._lagging = ()
        wanted = [lane for lane in self._lanes if lane.wants]
        self.share = 1 / max(1, len(wanted))
        for lane in wanted:
            if self._loads[lane.index] < 0.5 * self.share:
                self._light[lane.index] = self._when

    def of(self, lane: Lane) -> float:
        """Return what the load of a lane is at most."""
        return self._loads[lane.index]

    def add(self, lanes: Iterable[Lane], nbytes: int) -> None:
        """Note what is sent to some lanes."""
        for lane in lanes:
            self._loads[lane.index] += nbytes / self._arena.budget

    def forget_light(self, lane: Lane) -> None:
        """Have a lane count as one that does not keep up, until it has little to copy again."""
        self._light[lane.index] = float("-inf")
        self._lagging = ()

    def reach(self, nbytes: float, age: float = _RECOUNT_SECONDS) -> bool:
        """Whether even the viewer that has the fewest bytes to copy has so many or more.

        Parameters
        ----------
        nbytes : float
            How many.
        age : float
            Seconds for which a viewer's reading may go unnoticed; at 0 it is counted now.
        """
        self._count_after(_COUNT_SECONDS)
        if self._least() < nbytes:
            return False
        self._count_after(age)
        return self._least() >= nbytes

    def lagging(self, nbytes: int) -> Sequence[Lane]:
        """Return the lanes whose share is used up while another lane keeps up.

        Parameters
        ----------
        nbytes : int
            What would be sent.
        """
        # Between two counts loads only grow: who lags does so until the next.
        self._count_after(_RECOUNT_SECONDS if self._lagging else _COUNT_SECONDS)
        room = self.share - nbytes / self._arena.budget
        if self._exceeds(room):
            self._count_after(_RECOUNT_SECONDS)
            if self._exceeds(room):
                self._lagging = self._behind(room)
        return self._lagging

    def _count_after(self, seconds: float) -> None:
        if time.monotonic() - self._when >= seconds:
            self.count()

    def _least(self) -> float:
        loads = [self._loads[lane.index] for lane in self._lanes if lane.wants]
        return min(loads, default=0.0) * self._arena.budget

    def _exceeds(self, room: float) -> bool:
        """Whether a lane that is not known to lag has more to copy than that."""
        lagging = self._lagging
        return any(
            load > room and lane not in lagging
            for load, lane in zip(self._loads, self._lanes, strict=True)
        )

    def _behind(self, room: float) -> list[Lane]:
        since = time.monotonic() - _AHEAD_SECONDS
        wanted = [lane for lane in self._lanes if lane.wants]
        ahead = [lane for lane in wanted if self._light[lane.index] > since]
        if not ahead:
            return []
        return [lane for lane in wanted if self.of(lane) > room and lane not in ahead]
