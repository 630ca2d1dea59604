"""Slots and leases, the stream's side: memory that is written again and again.

What costs is not the copy but the page faults of fresh memory (facts 7 and 14), so one segment is
kept for the life of a stream and its regions are reused. A slot goes reserve -> write -> publish
-> (every lane copies and clears its byte) -> free; no message and no lock gives memory back.
"""

from __future__ import annotations

import math
import os
import platform
import secrets
import threading
import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coverslip.payload.errors import ArenaClosed, PlaneTooLarge
from coverslip.payload.leases import Leases
from coverslip.payload.region import Region
from coverslip.payload.regions import Regions
from coverslip.payload.schema import ArenaAddress, Offer, Slot
from coverslip.payload.segment import Mechanism
from coverslip.payload.space import Space
from coverslip.payload.supply import Supply
from coverslip.payload.table import MAX_LANES, MAX_SLOTS, NONCE_SIZE, Layout

__all__ = ["Arena"]

_arenas: weakref.WeakSet[Arena] = weakref.WeakSet()


class Arena:
    """A stream's shared memory: reserve and publish never wait, from any thread.

    A published slot stays as it is until each of its lanes has copied it or was cleared; when
    there is no room, `reserve` says so at once and nothing is lost. The memory is gone when
    the owner and all readers are, however they end. A forked child has no part in it.

    Parameters
    ----------
    budget : int
        Bytes of pixels that it may hold at once. They are set aside as they are first needed.
    lanes : int
        Viewers that can read at once, at most 64.
    slots : int
        Planes that can be in flight at once.
    mechanism : {"memfd", "posix", "windows"}, optional
        What the segment is made of; the platform's own by default.
    spill : bool, default False
        Take private memory, within the budget, for as long as the system has no shared memory:
        for who sends the bytes of such a region (`Region.shared` says which) with its message.

    Attributes
    ----------
    budget : int
        As given.

    Raises
    ------
    ArenaFull
        The system refuses a segment of that size, and `spill` is off.
    """

    def __init__(
        self,
        budget: int,
        *,
        lanes: int = 8,
        slots: int = 4096,
        mechanism: Mechanism | None = None,
        spill: bool = False,
    ) -> None:
        if budget <= 0 or not 0 < lanes <= MAX_LANES or not 0 < slots <= MAX_SLOTS:
            raise ValueError(
                f"an arena of {budget} bytes, {lanes} lanes, {slots} slots: at least one of each, "
                f"at most {MAX_LANES} lanes and {MAX_SLOTS} slots"
            )
        self.budget = budget
        self._layout = Layout(
            lanes=lanes,
            slots=slots,
            data_size=Space.round(budget),
            nonce=secrets.token_bytes(NONCE_SIZE),
        )
        self._lock = threading.Lock()
        self._unusable = ""
        self._regions = Regions()
        self._supply = Supply(self._layout, mechanism, spill=spill)
        leases = Leases(self._layout, self._supply.front)
        self._leases: Leases | None = leases
        self._supply.moved = partial(leases.move, self._layout)
        _arenas.add(self)

    @property
    def address(self) -> ArenaAddress | None:
        """Where another process of this machine finds the segment; None while there is none."""
        return self._supply.segment

    @property
    def nonce(self) -> bytes:
        """What only a process that reads the segment can know."""
        return self._layout.nonce

    @property
    def refused(self) -> str:
        """Why the system had no shared memory when it was last asked; empty when it had."""
        return self._supply.refused

    @property
    def bytes_in_flight(self) -> int:
        """Bytes published and, as far as was last looked, not yet copied by every lane."""
        return self._regions.in_flight

    @property
    def bytes_reserved(self) -> int:
        """Bytes handed out to be written and not yet published or discarded."""
        return self._regions.reserved

    @property
    def occupancy(self) -> float:
        """How much of what is not reserved is in flight, as `bytes_in_flight`: bytes or slots."""
        nbytes = max(1, self.budget - self._regions.reserved)
        slots = max(1, self._layout.slots - self._regions.written)
        return max(self._regions.in_flight / nbytes, self._regions.published / slots)

    @property
    def bytes_backed(self) -> int:
        """Bytes of shared memory that the system has set aside for the data so far."""
        return self._supply.backed

    @property
    def closed(self) -> bool:
        """Whether this process can no longer use the arena."""
        return self._leases is None

    def offer(self, lane: int, start_time: float = 0.0) -> Offer:
        """Return what the viewer on `lane` needs to open the arena and prove it.

        Parameters
        ----------
        lane : int
            The viewer's place.
        start_time : float, default 0.0
            This process's, as `Offer` has it.
        """
        self._check_lane(lane)
        return Offer(
            address=self.address,
            nonce=self.nonce,
            lane=lane,
            host=platform.node()[:256],
            pid=os.getpid(),
            start_time=start_time,
        )

    def reserve(self, nbytes: int) -> Region | None:
        """Return a region of `nbytes` bytes to write into, or None when there is no room now.

        Raises
        ------
        PlaneTooLarge
            The whole budget is less than `nbytes`.
        ArenaFull
            The system has no memory for it, what the arena has is too small, and `spill` is off.
        ArenaClosed
            The arena was closed, or belongs to this process's parent.
        """
        if nbytes <= 0:
            raise ValueError(f"a region of {nbytes} bytes")
        if nbytes > self.budget:
            raise PlaneTooLarge(f"a plane of {nbytes} bytes; the arena has {self.budget} in all")
        with self._lock:
            leases = self._open()
            self._collect_oldest(leases)
            place = self._supply.take(nbytes) if leases.available else None
            if place is None:
                self._collect_rest(leases)
                used = self._regions.reserved + self._regions.in_flight
                place = self._supply.find(nbytes, used) if leases.available else None
            if place is None:
                return None
            index, generation = leases.take()
            region = Region(self._memory, index, generation, place, nbytes)
            self._regions.reserve(region)
            return region

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any] | None:
        """Return an array that lies in a region of its own, or None when there is no room now.

        `claim` finds the region again. An array that is dropped without being claimed gives
        its region back by itself.

        Raises
        ------
        ValueError, PlaneTooLarge, ArenaFull, ArenaClosed
            As `reserve`, the first for a shape without elements.
        """
        if min(shape, default=0) < 1:
            raise ValueError(f"an array of shape {shape}: it needs axes, and each an element")
        wanted = np.dtype(dtype)
        region = self.reserve(math.prod(shape) * wanted.itemsize)
        if region is None:
            return None
        array = region.array(shape, wanted)
        self._regions.lend(region, array)
        return array

    def claim(self, array: NDArray[Any]) -> Region | None:
        """Take the region that an array from `allocate` fills, to publish or discard it.

        Whoever asks first has it; None from then on. None also for a part of a region, or bytes
        in another order than a message has them: those must be copied, as publishing gives all.
        """
        with self._lock:
            return self._regions.claim(array)

    def holds(self, array: NDArray[Any]) -> bool:
        """Whether an array begins in this arena's segment, whoever owns that part of it now."""
        with self._lock:
            return self._supply.holds(array)

    def publish(self, region: Region, lanes: Iterable[int]) -> Slot:
        """Give the region to the readers on `lanes`; from now on it is theirs.

        Raises
        ------
        ValueError
            The region is not reserved (any more), or a lane is not this arena's.
        ArenaClosed
            The arena was closed, or belongs to this process's parent.
        """
        given = tuple(lanes)
        for lane in given:
            self._check_lane(lane)
        with self._lock:
            leases = self._open()
            self._regions.take_back(region)
            leases.grant(region.index, given, region.length)
            self._regions.publish(region)
        return Slot(region.index, region.offset, region.length, region.generation)

    def discard(self, region: Region) -> None:
        """Give back a reserved region that shall not be published.

        Raises
        ------
        ValueError
            The region is not reserved (any more).
        """
        with self._lock:
            if self._leases is not None:
                self._regions.take_back(region)
                self._free(region.index, region, self._leases)

    def view(self, slot: Slot) -> memoryview:
        """Return the bytes of a published slot, read-only, to send them inline.

        Raises
        ------
        StalePlane
            Every lane has given the slot back.
        ArenaClosed
            The arena was closed, or belongs to this process's parent.
        """
        with self._lock:
            self._open()
            region = self._regions.expect(slot)
            return self._supply.bytes(region.place, region.length).toreadonly()

    def release(self, slot: Slot, lane: int) -> None:
        """End one lane's lease on a slot in its viewer's stead, if it still has it."""
        self._check_lane(lane)
        with self._lock:
            if self._leases is not None and self._regions.find(slot) is not None:
                self._leases.end(slot.index, lane)

    def clear_lane(self, lane: int) -> int:
        """End all leases of a lane whose viewer is gone; return how many there were.

        Slots that another lane still reads stay. Should the viewer come back with an old message,
        the slot's generation tells it that the pixels are gone.
        """
        self._check_lane(lane)
        with self._lock:
            if self._leases is None:
                return 0
            ended = self._leases.clear(lane)
            self._collect_rest(self._leases)
            return ended

    def trim_lane(self, lane: int, share: float) -> int:
        """End a lane's newest leases until it has at most `share` of the arena; return how many.

        Its viewer, should it read on, finds what it has left as it was, and is told by their slots'
        generations which pixels are gone.
        """
        self._check_lane(lane)
        with self._lock:
            if self._leases is None:
                return 0
            ended = self._leases.trim(lane, share * self._layout.slots, share * self.budget)
            self._collect_rest(self._leases)
            return ended

    def leases(self, lane: int) -> int:
        """Return how many published slots the lane has not copied yet."""
        self._check_lane(lane)
        with self._lock:
            return 0 if self._leases is None else self._leases.count(lane)

    def loads(self) -> list[float]:
        """Return how much of the arena each lane has still to copy, from 0 to 1: bytes or slots."""
        with self._lock:
            if self._leases is None:
                return [0.0] * self._layout.lanes
            slots, nbytes = self._leases.held()
        shares = np.maximum(slots / self._layout.slots, nbytes / self.budget)
        return [float(share) for share in shares[: self._layout.lanes]]

    def collect(self) -> int:
        """Free every slot that all its lanes have copied; return how many."""
        with self._lock:
            if self._leases is None:
                return 0
            before = self._regions.published
            self._collect_oldest(self._leases)
            self._collect_rest(self._leases)
            return before - self._regions.published

    def close(self) -> None:
        """Let go of the memory; may be called again.

        Readers keep what they have mapped, and an array that lies in the arena stays valid until
        it is dropped; nobody new can open the segment.
        """
        with self._lock:
            self._let_go("the arena is closed", owned=True)

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _memory(self) -> Supply:
        self._open()
        return self._supply

    def _open(self) -> Leases:
        if self._leases is None:
            raise ArenaClosed(self._unusable)
        return self._leases

    def _check_lane(self, lane: int) -> None:
        if not 0 <= lane < self._layout.lanes:
            raise ValueError(f"lane {lane} of an arena with {self._layout.lanes} lanes")

    def _free(self, index: int, region: Region | None, leases: Leases) -> None:
        leases.free(index)
        if region is not None:
            self._supply.give(region.place, region.length)

    def _collect_oldest(self, leases: Leases) -> None:
        while (region := self._regions.abandoned()) is not None:
            self._free(region.index, region, leases)
        while (index := leases.oldest_settled()) is not None:
            self._free(index, self._regions.settle(index), leases)

    def _collect_rest(self, leases: Leases) -> None:
        for index in leases.all_settled():
            self._free(index, self._regions.settle(index), leases)

    def _let_go(self, reason: str, *, owned: bool) -> None:
        if self._leases is None:
            return
        self._leases = None
        self._unusable = reason
        self._supply.close(owned=owned)
        self._regions.clear()


def _let_go_after_fork() -> None:
    # a child that kept the mapping would keep the memory when its owner is gone
    for arena in list(_arenas):
        arena._lock = threading.Lock()
        arena._let_go(
            "the arena belongs to the process that this one was forked from: open a stream of your "
            "own in the child",
            owned=False,
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_after_fork)
