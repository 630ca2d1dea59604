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
from coverslip.viewers.loads import Loads
from coverslip.viewers.whole import interrupted
from coverslip.viewers.words import format_binary_size

__all__ = ["LIMIT", "Room", "default_budget", "too_large"]

LIMIT = 5.0
"""Seconds that a send may wait for room, in all."""

_LARGEST_BUDGET = 1 << 30

_WARM_BYTES = 32 << 20
_WARM_PLANES = 4
_WARM_PATIENCE = 0.1e-3 / (1 << 20)
"""Seconds a byte, see `Room._keep_warm`."""

_STILL_SECONDS = 0.25
"""How long a viewer may read nothing while another waits for what it holds."""

_LOOK_SECONDS = 10e-3
"""How often a wait looks whether the viewers are there at all."""

_SHORTEST_NAP = 50e-6
_LONGEST_NAP = 50e-3
"""A freed slot sends no message (that is what makes it free): waiting is looking again.

As rarely as half of how long a wait takes: a look costs as much as a send, from the same cores that
the viewer needs to make room.
"""

_BURST_SHARE = 0.25
_BURST_SECONDS = 0.25
"""Who found no room waits until this much of the arena is free, or so long; then for any room.

The pipeline goes on at the viewer's pace either way. Taking each slot as it is freed is the dearest
way of it: every plane begins with a switch of processes and with cold caches, and costs two to
three times what it does in a row of planes (docs/performance.md).
"""


def default_budget() -> int:
    """Return how many bytes a stream may hold in flight: 1 GiB, or an eighth of free memory.

    Pages are taken only as planes pile up, so this is what a viewer that does
    not keep up may cost, not what a stream costs.
    """
    return min(_LARGEST_BUDGET, psutil.virtual_memory().available // 8)


def too_large(nbytes: int, budget: int) -> str:
    """Return why a plane of so many bytes never has room, and what to do."""
    enough = -(-nbytes >> 30)
    return (
        f"a plane of {format_binary_size(nbytes)} is larger than all that may be under way, "
        f'{format_binary_size(budget)}: connect(budget="{enough}GiB"), or send it in parts'
    )


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
        self._usual_wait = 0.0
        self._looked = 0.0
        self._loads = Loads(arena, lanes)
        self._still: dict[Lane, tuple[float, float]] = {}

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
        if self._piles_up(_WARM_BYTES):
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

    def behind(self, nbytes: int) -> Sequence[Lane]:
        """Return the lanes whose share of the arena is used up while another lane keeps up.

        The slots that they hold would be the others' to wait for: a viewer that is slower than
        another on its stream is sent what its share has room for, and no more.

        Parameters
        ----------
        nbytes : int
            What would be sent.
        """
        return self._loads.lagging(nbytes) if len(self._lanes) > 1 else ()

    def sent(self, lanes: Sequence[Lane], nbytes: int) -> None:
        """Note what these lanes have to copy from now on."""
        self._loads.add(lanes, nbytes)

    def _take_back_what_nobody_reads(self, now: float) -> None:
        """Have a viewer that stands still hold no more than its share, if another has read all.

        Both kept up a moment ago, so the one that stopped was sent more than its share: without
        this the other would get nothing until that one counts as frozen.
        """
        wanted = [lane for lane in self._lanes if lane.wants]
        if len(wanted) < 2:
            return
        loads = self._loads
        loads.count()
        someone_has_read_all = min(map(loads.of, wanted)) < 0.5 * loads.share
        for lane in wanted:
            load = loads.of(lane)
            before, since = self._still.get(lane, (load, now))
            self._still[lane] = (load, since if load == before else now)
            if someone_has_read_all and load > loads.share and now - since >= _STILL_SECONDS:
                loads.forget_light(lane)
                lane.take_back(loads.share)

    def _piles_up(self, warm: int, *, now: bool = False) -> bool:
        """Whether even the viewer that has the fewest bytes to copy has `warm` or more."""
        if self._arena.bytes_in_flight < warm or len(self._lanes) == 1:
            return self._arena.bytes_in_flight >= warm
        with self._lock:
            return self._loads.reach(warm, 0) if now else self._loads.reach(warm)

    def _keep_warm(self, nbytes: int) -> None:
        """Let a viewer that keeps up catch up, for about as long as a copy takes.

        Slots beyond the first few are out of the caches, and new ones cost page faults, which is
        several copies each. A viewer that does not free one in that time is not waited for again
        until it has caught up: what the budget is for.
        """
        warm = max(_WARM_BYTES, _WARM_PLANES * nbytes)
        until = time.monotonic() + _WARM_PATIENCE * nbytes
        while self._piles_up(warm, now=self._keeping_up):
            if not self._keeping_up:
                self._arena.collect()
                if self._piles_up(warm):
                    return
            elif time.monotonic() >= until:
                self._keeping_up = False
                return
            else:
                self._closed.wait(_SHORTEST_NAP)
                self._arena.collect()
        self._keeping_up = True

    def _wait(self, nbytes: int, deadline: float) -> Region | None:
        began = now = time.monotonic()
        while self._wanted() and not self._closed.is_set() and not interrupted():
            if self._full_since is None:
                self._full_since = now
            until = min(deadline, self._full_since + self._limit)
            if now >= min(until, began + _BURST_SECONDS) or self._has_room_for_a_burst():
                region = self._arena.reserve(nbytes)
                if region is not None:
                    self._full_since = None
                    self._usual_wait += (now - began - self._usual_wait) / 2
                    return region
            if now >= until:
                return None
            with self._lock:
                self._look(now)
            nap = max(self._usual_wait, now - began) / 2
            self._closed.wait(min(max(nap, _SHORTEST_NAP), _LONGEST_NAP))
            now = time.monotonic()
        return None

    def _has_room_for_a_burst(self) -> bool:
        self._arena.collect()
        return self._arena.occupancy <= 1 - _BURST_SHARE

    def _look(self, now: float) -> None:
        overdue = now - self._looked >= _LOOK_SECONDS
        for lane in self._lanes:
            if overdue or lane.busy:
                lane.look()
        if overdue:
            self._looked = now
            self._take_back_what_nobody_reads(now)

    def _wanted(self) -> bool:
        return any(lane.wants for lane in self._lanes)
