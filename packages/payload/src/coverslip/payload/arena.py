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
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coverslip.payload.backing import Backing
from coverslip.payload.errors import ArenaClosed, ArenaFull, PlaneTooLarge, StalePlane
from coverslip.payload.leases import Leases
from coverslip.payload.region import Region
from coverslip.payload.schema import ArenaAddress, Offer, Slot
from coverslip.payload.segment import Mechanism
from coverslip.payload.space import Space
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

    Attributes
    ----------
    budget : int
        As given.

    Raises
    ------
    ArenaFull
        The system refuses a segment of that size.
    """

    def __init__(
        self,
        budget: int,
        *,
        lanes: int = 8,
        slots: int = 4096,
        mechanism: Mechanism | None = None,
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
        backing = Backing(self._layout, mechanism)
        self._layout.write(backing.front)
        self._address = backing.address
        self._backing: Backing | None = backing
        self._leases: Leases | None = Leases(self._layout, backing.front)
        self._reserved: dict[int, Region] = {}  # by offset
        self._published: dict[int, Region] = {}  # by index
        self._abandoned: deque[Region] = deque()
        self._lanes: deque[int] = deque(range(lanes))
        self._bytes_reserved = 0
        self._bytes_in_flight = 0
        _arenas.add(self)

    @property
    def address(self) -> ArenaAddress:
        """Where another process of this machine finds the segment."""
        return self._address

    @property
    def nonce(self) -> bytes:
        """What only a process that reads the segment can know."""
        return self._layout.nonce

    @property
    def bytes_in_flight(self) -> int:
        """Bytes published and, as far as was last looked, not yet copied by every lane."""
        return self._bytes_in_flight

    @property
    def bytes_reserved(self) -> int:
        """Bytes handed out to be written and not yet published or discarded."""
        return self._bytes_reserved

    @property
    def bytes_backed(self) -> int:
        """Bytes of memory that the system has set aside for the data so far."""
        backing = self._backing
        return 0 if backing is None else backing.backed

    @property
    def closed(self) -> bool:
        """Whether this process can no longer use the arena."""
        return self._backing is None

    def offer(self, lane: int) -> Offer:
        """Return what the viewer on `lane` needs to open the arena and prove it."""
        self._check_lane(lane)
        return Offer(
            address=self.address,
            nonce=self.nonce,
            lane=lane,
            host=platform.node()[:256],
            pid=os.getpid(),
        )

    def reserve(self, nbytes: int) -> Region | None:
        """Return a region of `nbytes` bytes to write into, or None when there is no room now.

        Raises
        ------
        PlaneTooLarge
            The whole budget is less than `nbytes`.
        ArenaFull
            The system has no memory for it, and what the arena has is too small.
        ArenaClosed
            The arena was closed, or belongs to this process's parent.
        """
        if nbytes <= 0:
            raise ValueError(f"a region of {nbytes} bytes")
        if nbytes > self.budget:
            raise PlaneTooLarge(f"a plane of {nbytes} bytes; the arena has {self.budget} in all")
        size = Space.round(nbytes)
        with self._lock:
            backing, leases = self._parts()
            self._collect_oldest(backing, leases)
            offset = backing.take(size) if leases.available else None
            if offset is None:
                self._collect_rest(backing, leases)
                offset = backing.find(size) if leases.available else None
            if offset is None:
                return None
            index, generation = leases.take()
            region = Region(self._memory, index, generation, offset, nbytes)
            self._reserved[offset] = region
            self._bytes_reserved += nbytes
            return region

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any] | None:
        """Return an array that lies in a region of its own, or None when there is no room now.

        `claim` finds the region again. An array that is dropped without being claimed gives
        its region back by itself.

        Raises
        ------
        PlaneTooLarge, ArenaFull, ArenaClosed
            As `reserve`.
        """
        wanted = np.dtype(dtype)
        region = self.reserve(math.prod(shape) * wanted.itemsize)
        if region is None:
            return None
        array = region.array(shape, wanted)
        # Every view has this array as its base, so it goes last. It may go in any thread and with
        # the lock held, by garbage collection: the region is only noted.
        abandoned = self._abandoned
        region.owner = weakref.ref(array, lambda _: abandoned.append(region))
        return array

    def claim(self, array: NDArray[Any]) -> Region | None:
        """Take the region that an array from `allocate` fills, to publish or discard it.

        Whoever asks first has it; None from then on. None also for a part of a region, or bytes
        in another order than a message has them: those pixels must be copied. A part must,
        because publishing gives the whole slot away.
        """
        if not self._reserved or not array.flags.c_contiguous:
            return None
        with self._lock:
            if self._backing is None:
                return None
            region = self._reserved.get(self._backing.offset_of(array))
            if region is None or region.length != array.nbytes or region.owner is None:
                return None
            # An array that was published lies at the same place as whoever has the slot now.
            owner = region.owner()
            if owner is None or (array is not owner and array.base is not owner):
                return None
            if array.dtype != array.dtype.newbyteorder("<"):
                return None
            region.owner = None
            return region

    def holds(self, array: NDArray[Any]) -> bool:
        """Whether an array begins in this arena's memory, whoever owns that part of it now."""
        with self._lock:
            backing = self._backing
            return backing is not None and 0 <= backing.offset_of(array) < self._layout.data_size

    def publish(self, region: Region, lanes: Iterable[int]) -> Slot:
        """Give the region to the readers on `lanes`; from now on it is theirs.

        Raises
        ------
        ValueError
            The region is not reserved (any more), or a lane is none of this arena's.
        ArenaClosed
            The arena was closed, or belongs to this process's parent.
        """
        given = tuple(lanes)
        for lane in given:
            self._check_lane(lane)
        with self._lock:
            _, leases = self._parts()
            self._take_back(region)
            leases.grant(region.index, given)
            self._published[region.index] = region
            self._bytes_in_flight += region.length
        return Slot(region.index, region.offset, region.length, region.generation)

    def discard(self, region: Region) -> None:
        """Give back a reserved region that shall not be published.

        Raises
        ------
        ValueError
            The region is not reserved (any more).
        """
        with self._lock:
            if self._backing is not None and self._leases is not None:
                self._take_back(region)
                self._free(region, self._backing, self._leases)

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
            backing, _ = self._parts()
            region = self._published.get(slot.index)
            if region is None or region.generation != slot.generation:
                raise StalePlane(f"{slot} was given back by every lane")
            return backing.bytes(region.offset, region.length).toreadonly()

    def release(self, slot: Slot, lane: int) -> None:
        """End one lane's lease on a slot in its viewer's stead, if it still has it."""
        self._check_lane(lane)
        with self._lock:
            region = self._published.get(slot.index)
            if self._leases is not None and region and region.generation == slot.generation:
                self._leases.end(slot.index, lane)

    def add_lane(self) -> int:
        """Return a lane that nobody has, the one that has been free for the longest.

        Raises
        ------
        ArenaFull
            As many viewers as the arena has lanes are reading.
        """
        with self._lock:
            self._parts()
            if not self._lanes:
                raise ArenaFull(f"all {self._layout.lanes} lanes of the arena are taken")
            return self._lanes.popleft()

    def remove_lane(self, lane: int) -> None:
        """End the lane's leases and let another viewer have the lane."""
        self.clear_lane(lane)
        with self._lock:
            if lane not in self._lanes:
                self._lanes.append(lane)

    def clear_lane(self, lane: int) -> int:
        """End all leases of a lane whose viewer is gone; return how many there were.

        Slots that another lane still reads stay. Should the viewer come back with an old message,
        the slot's generation tells it that the pixels are gone.
        """
        self._check_lane(lane)
        with self._lock:
            if self._backing is None or self._leases is None:
                return 0
            ended = self._leases.count(lane)
            self._leases.clear(lane)
            self._collect_rest(self._backing, self._leases)
            return ended

    def leases(self, lane: int) -> int:
        """Return how many published slots the lane has not copied yet."""
        self._check_lane(lane)
        with self._lock:
            return 0 if self._leases is None else self._leases.count(lane)

    def collect(self) -> int:
        """Free every slot that all its lanes have copied; return how many."""
        with self._lock:
            if self._backing is None or self._leases is None:
                return 0
            before = len(self._published)
            self._collect_oldest(self._backing, self._leases)
            self._collect_rest(self._backing, self._leases)
            return before - len(self._published)

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

    def _memory(self) -> Backing:
        return self._parts()[0]

    def _parts(self) -> tuple[Backing, Leases]:
        if self._backing is None or self._leases is None:
            raise ArenaClosed(self._unusable)
        return self._backing, self._leases

    def _check_lane(self, lane: int) -> None:
        if not 0 <= lane < self._layout.lanes:
            raise ValueError(f"lane {lane} of an arena with {self._layout.lanes} lanes")

    def _take_back(self, region: Region) -> None:
        if self._reserved.get(region.offset) is not region:
            raise ValueError(f"{region!r} is not reserved: it was published or discarded before")
        del self._reserved[region.offset]
        region.owner = None
        self._bytes_reserved -= region.length

    def _free(self, region: Region, backing: Backing, leases: Leases) -> None:
        leases.free(region.index)
        backing.give(region.offset, Space.round(region.length))

    def _settle(self, index: int, backing: Backing, leases: Leases) -> None:
        region = self._published.pop(index)
        self._bytes_in_flight -= region.length
        self._free(region, backing, leases)

    def _collect_oldest(self, backing: Backing, leases: Leases) -> None:
        while self._abandoned:
            region = self._abandoned.popleft()
            if self._reserved.get(region.offset) is region:
                self._take_back(region)
                self._free(region, backing, leases)
        while (index := leases.oldest_settled()) is not None:
            self._settle(index, backing, leases)

    def _collect_rest(self, backing: Backing, leases: Leases) -> None:
        for index in leases.all_settled():
            self._settle(index, backing, leases)

    def _let_go(self, reason: str, *, owned: bool) -> None:
        backing, self._backing, self._leases = self._backing, None, None
        if backing is None:
            return
        self._unusable = reason
        backing.close(owned=owned)
        self._reserved.clear()
        self._published.clear()
        self._abandoned.clear()
        self._bytes_in_flight = self._bytes_reserved = 0


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
