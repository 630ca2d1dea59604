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
import time
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coverslip.payload import segment as segments
from coverslip.payload.errors import ArenaClosed, ArenaFull, PlaneTooLarge, StalePlane
from coverslip.payload.schema import ArenaAddress, Offer, Slot
from coverslip.payload.segment import Mechanism
from coverslip.payload.space import Space
from coverslip.payload.table import MAX_LANES, MAX_SLOTS, NONCE_SIZE, Layout, Table

__all__ = ["Arena", "Region"]

_GROWTH = 2 * 2**20
_GROWTH_PAUSE = 1.0  # seconds before a system that had no memory is asked again

_arenas: weakref.WeakSet[Arena] = weakref.WeakSet()


class Region:
    """A reserved part of an arena, writable until it is published or discarded."""

    __slots__ = (
        "__weakref__",
        "_arena",
        "_size",
        "_watch",
        "generation",
        "index",
        "length",
        "offset",
    )

    def __init__(
        self, arena: Arena, index: int, offset: int, length: int, size: int, generation: int
    ) -> None:
        self._arena = arena
        self._size = size
        self._watch: weakref.ref[NDArray[Any]] | None = None
        self.index = index
        self.offset = offset
        self.length = length
        self.generation = generation

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array that lies in the region, from its start; its values are undefined.

        Raises
        ------
        ValueError
            The region is too small for it.
        """
        return self._arena._view(self, shape, np.dtype(dtype))

    def __repr__(self) -> str:
        return f"Region(index={self.index}, offset={self.offset}, length={self.length})"


class Arena:
    """A stream's shared memory: reserve and publish never wait, from any thread.

    A published slot stays as it is until each of its lanes has copied it or was cleared; when
    there is no room, :meth:`reserve` says so at once and nothing is lost. The memory is gone when
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
        self._lock = threading.Lock()
        self._layout = Layout(
            lanes=lanes,
            slots=slots,
            data_size=Space.round(budget),
            nonce=secrets.token_bytes(NONCE_SIZE),
        )
        self._closed = ""
        self._segment = segments.create(self._layout.size, mechanism)
        try:
            self._segment.ensure(0, self._layout.data_start)
            mapping = self._segment.map(0, self._layout.size, write=True)
        except BaseException:
            self._segment.close()
            raise
        self._data: Any = mapping
        front = memoryview(mapping)[: self._layout.data_start]
        self._layout.write(front)
        self._table = Table(self._layout, front)
        self._start = np.frombuffer(mapping, np.uint8).ctypes.data + self._layout.data_start
        self._space = Space(self._layout.data_size)
        self._backed = 0
        self._grow_again = 0.0
        self._indices = list(range(slots - 1, -1, -1))
        self._highest = 0
        self._generations = [0] * slots
        self._regions: dict[int, Region] = {}  # reserved ones, by offset
        self._slots: dict[int, Region] = {}  # published ones, by index
        self._published = np.zeros(slots, np.bool_)
        self._order: deque[tuple[int, int]] = deque()
        self._abandoned: deque[Region] = deque()
        self._lanes: deque[int] = deque(range(lanes))
        self._in_flight = 0
        self._reserved = 0
        _arenas.add(self)

    @property
    def address(self) -> ArenaAddress:
        """Where another process of this machine finds the segment."""
        return self._segment.address

    @property
    def nonce(self) -> bytes:
        """What only a process that reads the segment can know."""
        return self._layout.nonce

    @property
    def bytes_in_flight(self) -> int:
        """Bytes published and, as far as was last looked, not yet copied by every lane."""
        return self._in_flight

    @property
    def bytes_reserved(self) -> int:
        """Bytes handed out to be written and not yet published or discarded."""
        return self._reserved

    @property
    def bytes_backed(self) -> int:
        """Bytes of memory that the system has set aside for the data so far."""
        return self._backed

    @property
    def closed(self) -> bool:
        """Whether the arena can no longer be used by this process."""
        return bool(self._closed)

    def offer(self, lane: int) -> Offer:
        """Return what the viewer on `lane` needs to open the arena and prove it."""
        self._check_lane(lane)
        return Offer(address=self.address, nonce=self.nonce, lane=lane, host=platform.node()[:256])

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
        with self._lock:
            self._check_open()
            self._collect_oldest()
            size = Space.round(nbytes)
            offset = self._space.take(size) if self._indices else None
            if offset is None:
                self._collect_all()
                offset = self._find(size) if self._indices else None
            if offset is None:
                return None
            index = self._indices.pop()
            if index >= self._highest:
                self._highest = index + 1
            generation = self._generations[index] + 1
            self._generations[index] = generation
            self._table.generations[index] = generation
            region = Region(self, index, offset, nbytes, size, generation)
            self._regions[offset] = region
            self._reserved += nbytes
            return region

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any] | None:
        """Return an array that lies in a region of its own, or None when there is no room now.

        :meth:`locate` finds the region again. An array that is dropped without being published
        gives its region back by itself.

        Raises
        ------
        PlaneTooLarge, ArenaFull, ArenaClosed
            As :meth:`reserve`.
        """
        wanted = np.dtype(dtype)
        region = self.reserve(math.prod(shape) * wanted.itemsize)
        if region is None:
            return None
        array = region.array(shape, wanted)
        # this array is the base of every view of it, so it goes last; collection may run in any
        # thread, this lock held, so the region is only noted here
        region._watch = weakref.ref(array, lambda _: self._abandoned.append(region))
        return array

    def locate(self, array: NDArray[Any]) -> Region | None:
        """Return the reserved region that `array` fills, or None.

        None also for a part of a region, or bytes in another order than a message has them: those
        pixels must be copied. A part must, because publishing gives the whole slot away.
        """
        if not self._regions or not array.flags.c_contiguous:
            return None
        offset = array.__array_interface__["data"][0] - self._start
        with self._lock:
            region = self._regions.get(offset)
        if region is None or region.length != array.nbytes:
            return None
        return region if array.dtype == array.dtype.newbyteorder("<") else None

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
            self._check_open()
            self._take_back(region)
            index = region.index
            for lane in given:
                self._table.grant(index, lane)
            self._slots[index] = region
            self._published[index] = True
            self._order.append((index, region.generation))
            self._in_flight += region.length
            return Slot(index, region.offset, region.length, region.generation)

    def discard(self, region: Region) -> None:
        """Give back a reserved region that shall not be published.

        Raises
        ------
        ValueError
            The region is not reserved (any more).
        """
        with self._lock:
            if not self._closed:
                self._take_back(region)
                self._free(region)

    def view(self, slot: Slot) -> memoryview:
        """Return the bytes of a published slot, read-only, to send them inline.

        Raises
        ------
        StalePlane
            Every lane has given the slot back.
        """
        with self._lock:
            self._check_open()
            region = self._slots.get(slot.index)
            if region is None or region.generation != slot.generation:
                raise StalePlane(f"{slot} was given back by every lane")
            start = self._layout.data_start + region.offset
            return memoryview(self._data)[start : start + region.length].toreadonly()

    def release(self, slot: Slot, lane: int) -> None:
        """End one lane's lease on a slot in its viewer's stead, if it still has it."""
        self._check_lane(lane)
        with self._lock:
            region = self._slots.get(slot.index)
            if region is not None and region.generation == slot.generation:
                self._table.end(slot.index, lane)

    def add_lane(self) -> int:
        """Return a lane that nobody has, the one that has been free for the longest.

        Raises
        ------
        ArenaFull
            As many viewers as the arena has lanes are reading.
        """
        with self._lock:
            self._check_open()
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
            if self._closed:
                return 0
            column = self._table.column(lane, self._highest)
            ended = int(np.count_nonzero(column[self._published[: self._highest]]))
            column[:] = 0
            self._collect_all()
            return ended

    def leases(self, lane: int) -> int:
        """Return how many published slots the lane has not copied yet."""
        self._check_lane(lane)
        with self._lock:
            if self._closed:
                return 0
            column = self._table.column(lane, self._highest)
            return int(np.count_nonzero(column[self._published[: self._highest]]))

    def collect(self) -> int:
        """Free every slot that all its lanes have copied; return how many."""
        with self._lock:
            if self._closed:
                return 0
            before = len(self._slots)
            self._collect_oldest()
            self._collect_all()
            return before - len(self._slots)

    def close(self) -> None:
        """Let go of the memory; may be called again.

        Readers keep what they have mapped, and an array that lies in the arena stays valid until
        it is dropped; nobody new can open the segment.
        """
        with self._lock:
            self._forget("the arena is closed", owned=True)

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _view(self, region: Region, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        if math.prod(shape) * dtype.itemsize > region.length:
            raise ValueError(f"{shape} of {dtype} in a region of {region.length} bytes")
        data = self._data
        if data is None:
            raise ArenaClosed(self._closed)
        start = self._layout.data_start + region.offset
        return np.ndarray(shape, dtype, buffer=data, offset=start)

    def _find(self, size: int) -> int | None:
        """Find room for `size` bytes that were not just given back, growing if need be."""
        refused: ArenaFull | None = None
        merged = False
        while True:
            offset = self._space.take(size)
            if offset is None:
                try:
                    offset = self._grow(size)
                except ArenaFull as error:
                    refused = error
            if offset is not None or merged:
                break
            merged = True
            if not self._space.merge():
                break
        if offset is None and refused is not None and size > self._backed:
            raise refused
        return offset

    def _grow(self, size: int) -> int | None:
        end = self._space.top + size
        if end > self._layout.data_size:
            return None
        if end > self._backed:
            if time.monotonic() < self._grow_again:
                raise ArenaFull(f"the system had no {size} bytes of shared memory a moment ago")
            generous = min(-(-end // _GROWTH) * _GROWTH, self._layout.data_size)
            try:
                self._back(generous)
            except ArenaFull:
                try:
                    self._back(end)
                except ArenaFull:
                    self._grow_again = time.monotonic() + _GROWTH_PAUSE
                    raise
        return self._space.extend(size)

    def _back(self, end: int) -> None:
        self._segment.ensure(self._layout.data_start + self._backed, end - self._backed)
        self._backed = end

    def _take_back(self, region: Region) -> None:
        if self._regions.get(region.offset) is not region:
            raise ValueError(f"{region!r} is not reserved: it was published or discarded before")
        del self._regions[region.offset]
        region._watch = None
        self._reserved -= region.length

    def _free(self, region: Region) -> None:
        index = region.index
        # an even generation: whoever still reads finds out, before the bytes are written again
        self._generations[index] += 1
        self._table.generations[index] = self._generations[index]
        self._indices.append(index)
        self._space.give(region.offset, region._size)

    def _release(self, index: int) -> None:
        region = self._slots.pop(index)
        self._published[index] = False
        self._in_flight -= region.length
        self._free(region)

    def _collect_oldest(self) -> None:
        while self._abandoned:
            region = self._abandoned.popleft()
            if self._regions.get(region.offset) is region:
                self._take_back(region)
                self._free(region)
        order = self._order
        while order:
            index, generation = order[0]
            if self._generations[index] == generation:
                if self._table.leased(index):
                    break
                self._release(index)
            order.popleft()

    def _collect_all(self) -> None:
        if not self._slots:
            return
        leased = self._table.words[: self._highest].any(axis=1)
        for index in np.flatnonzero(self._published[: self._highest] & ~leased).tolist():
            self._release(index)
        if len(self._order) > 2 * len(self._slots) + 64:
            kept = (item for item in self._order if self._generations[item[0]] == item[1])
            self._order = deque(kept)

    def _check_lane(self, lane: int) -> None:
        if not 0 <= lane < self._layout.lanes:
            raise ValueError(f"lane {lane} of an arena with {self._layout.lanes} lanes")

    def _check_open(self) -> None:
        if self._closed:
            raise ArenaClosed(self._closed)

    def _forget(self, reason: str, *, owned: bool) -> None:
        if self._closed:
            return
        self._closed = reason
        self._segment.close(owned=owned)
        # the mapping goes with the last array that lies in it
        del self._table
        self._data = None
        self._regions.clear()
        self._slots.clear()
        self._order.clear()
        self._abandoned.clear()
        self._in_flight = self._reserved = 0


def _forget_after_fork() -> None:
    # a child that kept the mapping would keep the memory when the owner is gone
    for arena in list(_arenas):
        arena._lock = threading.Lock()
        arena._forget(
            "the arena belongs to the process that this one was forked from: open a stream of your "
            "own in the child",
            owned=False,
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
