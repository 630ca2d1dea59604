"""Room for a plane: when to take memory, when to wait for some, when to give up.

The one policy of what happens when it is full. A caller waits while some viewer is wanted, within
its own deadline and within the stream's limit, which counts from when room was last found: a
viewer that stands still costs the limit once, not once a plane.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from coverslip.payload import Arena, Region
from coverslip.viewers.lane import Lane

__all__ = ["LIMIT", "Room", "default_budget"]

LIMIT = 5.0
"""Seconds that a send may wait for room, in all."""

_LARGEST_BUDGET = 1 << 30

_WARM_BYTES = 32 << 20
_WARM_PLANES = 4
_WARM_PATIENCE = 0.1e-3 / (1 << 20)
"""Seconds a byte, see `Room._keep_warm`."""

_AHEAD_SECONDS = 1.0
"""How long a lane that had little to copy counts as one that keeps up: a burst is no lag."""

_STILL_SECONDS = 0.25
"""How long a viewer may read nothing while another waits for what it holds."""

_SHORTEST_NAP = 50e-6
_LONGEST_NAP = 2e-3
"""A freed slot sends no message (that is what makes it free): waiting is looking again."""


def default_budget() -> int:
    """Return how many bytes a stream may hold in flight: 1 GiB, or an eighth of free memory.

    Pages are taken only as planes pile up, so this is what a viewer that does
    not keep up may cost, not what a stream costs.
    """
    return min(_LARGEST_BUDGET, psutil.virtual_memory().available // 8)


class Room:
    """Finds slots in an arena for a stream's planes. Safe from any thread.

    Parameters
    ----------
    arena : Arena
        The stream's.
    lanes : sequence of Lane
        Who frees slots.
    lock : threading.RLock
        The stream's.
    closed : threading.Event
        Ends every wait.
    limit : float
        Seconds without any room after which nobody waits, until there is some.
    """

    def __init__(
        self,
        arena: Arena,
        lanes: Sequence[Lane],
        lock: threading.RLock,
        closed: threading.Event,
        limit: float,
    ) -> None:
        self._arena = arena
        self._lanes = lanes
        self._lock = lock
        self._closed = closed
        self._limit = limit
        self._full_since: float | None = None
        self._keeping_up = True
        self._light: dict[int, float] = {}
        self._still: dict[int, tuple[float, float]] = {}

    @property
    def full(self) -> bool:
        """Whether a wait for room has begun and none was found since."""
        return self._full_since is not None

    def reserve(
        self, nbytes: int, deadline: float, before_waiting: Callable[[], None]
    ) -> Region | None:
        """Return room for one plane, or None when it is to be dropped.

        Parameters
        ----------
        nbytes : int
            The plane's.
        deadline : float
            Until when to wait, of `time.monotonic`.
        before_waiting : callable
            Publishes what is written: its slots are what is waited for.

        Raises
        ------
        coverslip.payload.PlaneTooLarge, coverslip.payload.ArenaFull, coverslip.payload.ArenaClosed
            As `Arena.reserve`.
        """
        if self._in_flight() >= _WARM_BYTES:
            before_waiting()
            self._keep_warm(nbytes)
        region = self._arena.reserve(nbytes) if self._wanted() else None
        if region is not None:
            self._full_since = None
            return region
        before_waiting()
        return self._wait(nbytes, deadline)

    def allocate(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], deadline: float
    ) -> NDArray[Any] | None:
        """Return an array in a slot of its own, or None; waits and raises as `reserve`."""
        array = self._arena.allocate(shape, dtype)
        if array is None:
            # Found by waiting, given back, and taken again: another thread may be quicker.
            region = self._wait(math.prod(shape) * dtype.itemsize, deadline)
            if region is not None:
                self._arena.discard(region)
                array = self._arena.allocate(shape, dtype)
        return array

    def behind(self, nbytes: int) -> list[Lane]:
        """Return the lanes whose share of the arena is used up while another lane keeps up.

        The slots that they hold would be the others' to wait for: a viewer that is slower than
        another on its stream is sent what its share has room for, and no more.

        Parameters
        ----------
        nbytes : int
            What would be sent.
        """
        wanted = [lane for lane in self._lanes if lane.wants]
        if len(wanted) < 2:
            return []
        loads = self._look_who_keeps_up(wanted)
        now = time.monotonic()
        ahead = {index for index, when in self._light.items() if now - when < _AHEAD_SECONDS}
        if not ahead & loads.keys():
            return []
        share = 1 / len(wanted)
        more = nbytes / self._arena.budget
        return [
            lane for lane in wanted if lane.index not in ahead and loads[lane.index] + more > share
        ]

    def _look_who_keeps_up(self, wanted: list[Lane]) -> dict[int, float]:
        """Return how much of the arena each lane has to copy; note those with little."""
        loads = {lane.index: self._arena.load(lane.index) for lane in wanted}
        now = time.monotonic()
        for index, load in loads.items():
            if load < 0.5 / len(wanted):
                self._light[index] = now
        return loads

    def _take_back_what_nobody_reads(self, now: float) -> None:
        """Have a viewer that stands still hold no more than its share, if another has read all.

        Both kept up a moment ago, so the one that stopped was sent more than its share: without
        this the other would get nothing until that one counts as frozen.
        """
        wanted = [lane for lane in self._lanes if lane.wants]
        if len(wanted) < 2:
            return
        loads = self._look_who_keeps_up(wanted)
        share = 1 / len(wanted)
        someone_has_read_all = min(loads.values()) < 0.5 * share
        for lane in wanted:
            load = loads[lane.index]
            before, since = self._still.get(lane.index, (load, now))
            self._still[lane.index] = (load, since if load == before else now)
            if someone_has_read_all and load > share and now - since >= _STILL_SECONDS:
                self._light.pop(lane.index, None)
                lane.take_back(share)

    def _in_flight(self) -> int:
        """Return the bytes not yet copied by the viewer that has the fewest to copy."""
        in_flight = self._arena.bytes_in_flight
        if len(self._lanes) > 1 and in_flight >= _WARM_BYTES:
            loads = [self._arena.load(lane.index) for lane in self._lanes if lane.wants]
            return round(min(loads, default=0.0) * self._arena.budget)
        return in_flight

    def _keep_warm(self, nbytes: int) -> None:
        """Let a viewer that keeps up catch up, for about as long as a copy takes.

        Slots beyond the first few are out of the caches, and new ones cost page faults, which is
        several copies each. A viewer that does not free one in that time is not waited for again
        until it has caught up: what the budget is for.
        """
        warm = max(_WARM_BYTES, _WARM_PLANES * nbytes)
        until = time.monotonic() + _WARM_PATIENCE * nbytes
        while self._in_flight() >= warm:
            if not self._keeping_up:
                self._arena.collect()
                if self._in_flight() >= warm:
                    return
            elif time.monotonic() >= until:
                self._keeping_up = False
                return
            else:
                self._closed.wait(_SHORTEST_NAP)
                self._arena.collect()
        self._keeping_up = True

    def _wait(self, nbytes: int, deadline: float) -> Region | None:
        nap = _SHORTEST_NAP
        while self._wanted() and not self._closed.is_set():
            now = time.monotonic()
            region = self._arena.reserve(nbytes)
            if region is not None:
                self._full_since = None
                return region
            if self._full_since is None:
                self._full_since = now
            if now >= min(deadline, self._full_since + self._limit):
                return None
            with self._lock:
                for lane in self._lanes:
                    lane.look()
                self._take_back_what_nobody_reads(now)
            self._closed.wait(nap)
            nap = min(2 * nap, _LONGEST_NAP)
        return None

    def _wanted(self) -> bool:
        return any(lane.wants for lane in self._lanes)
