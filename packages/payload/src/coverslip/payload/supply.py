"""Where the bytes of an arena's regions come from: the segment, or private memory meanwhile.

The system may have no shared memory to give: none to make a segment of, or none to let one grow.
Planes that find none may lie in private memory until there is some, within the same budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload.backing import GROWTH_PAUSE, Backing
from coverslip.payload.errors import ArenaFull
from coverslip.payload.schema import ArenaAddress
from coverslip.payload.segment import Mechanism
from coverslip.payload.space import Space
from coverslip.payload.table import Layout

__all__ = ["Place", "Supply", "address_of"]


def address_of(array: NDArray[Any]) -> int:
    """Return where an array begins in this process's memory."""
    address: int = array.__array_interface__["data"][0]
    return address


class Place(NamedTuple):
    """Where a region lies.

    Attributes
    ----------
    offset : int
        Bytes from the start of the segment's data; 0 for a private one.
    address : int
        In this process.
    private : bytearray or None
        Memory of its own, outside the segment.
    """

    offset: int
    address: int
    private: bytearray | None


class Supply:
    """The memory of one arena; of one thread at a time.

    Parameters
    ----------
    layout : Layout
        How the segment is divided.
    mechanism : Mechanism or None
        What it is made of.
    spill : bool
        Whether private memory will do, for as long as the system has no other.

    Attributes
    ----------
    moved : callable or None
        Told of the header and the table of a segment that could not be made at first.

    Raises
    ------
    ArenaFull
        The system refuses a segment, and private memory will not do.
    """

    def __init__(self, layout: Layout, mechanism: Mechanism | None, *, spill: bool) -> None:
        self.moved: Callable[[memoryview], None] | None = None
        self._layout = layout
        self._mechanism = mechanism
        self._spill = spill
        self._backing: Backing | None = None
        self._refused = ""
        self._ask_again = 0.0
        try:
            self._backing = self._back()
        except ArenaFull as error:
            if not spill:
                raise
            self._refuse(error)

    @property
    def front(self) -> memoryview:
        """The header and the table, writable; without a segment fresh memory of this size."""
        if self._backing is None:
            return memoryview(bytearray(self._layout.table_end))
        return self._backing.front

    @property
    def segment(self) -> ArenaAddress | None:
        """Where other processes find the segment; None while there is none."""
        backing = self._backing
        return None if backing is None else backing.segment

    @property
    def refused(self) -> str:
        """Why the system had no shared memory when it was last asked; empty when it had."""
        backing = self._backing
        return self._refused if backing is None else backing.refused

    @property
    def backed(self) -> int:
        """Bytes of shared memory that the system has set aside for the data."""
        backing = self._backing
        return 0 if backing is None else backing.backed

    def take(self, nbytes: int) -> Place | None:
        """Return what was just given back, or fits among the free; None when nothing does."""
        return None if self._backing is None else self._place(self._backing.take, nbytes)

    def find(self, nbytes: int, used: int) -> Place | None:
        """Return room for `nbytes`, growing or merging if need be; None when there is none now.

        Parameters
        ----------
        nbytes : int
            As many as the budget at most.
        used : int
            Bytes of it that are in use, shared and private.

        Raises
        ------
        ArenaFull
            The system has no shared memory, what it gave is too small, and private memory will
            not do.
        """
        try:
            return self._place(self._segment_at_last().find, nbytes)
        except ArenaFull:
            if self._spill:
                return self._private(nbytes) if used + nbytes <= self._layout.data_size else None
            if nbytes > self.backed:
                raise
            return None

    def give(self, place: Place, nbytes: int) -> None:
        """Give back what `take` or `find` gave."""
        if place.private is None and self._backing is not None:
            self._backing.give(place.offset, Space.round(nbytes))

    def bytes(self, place: Place, nbytes: int) -> memoryview:
        """Return the memory of a place, writable."""
        if place.private is None and self._backing is not None:
            return self._backing.bytes(place.offset, nbytes)
        return memoryview(place.private or b"")

    def array(self, place: Place, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array over a place; it keeps the memory alive."""
        if place.private is None and self._backing is not None:
            return self._backing.array(place.offset, shape, dtype)
        return np.ndarray(shape, dtype, buffer=place.private)

    def holds(self, array: NDArray[Any]) -> bool:
        """Whether an array begins in the segment's data."""
        return self._backing is not None and self._backing.holds(address_of(array))

    def close(self, *, owned: bool) -> None:
        """Let go of the segment; its memory goes with the last array that lies in it."""
        backing, self._backing, self.moved = self._backing, None, None
        if backing is not None:
            if owned:
                self._layout.leave(backing.front)
            backing.close(owned=owned)

    def _back(self) -> Backing:
        backing = Backing(self._layout, self._mechanism)
        self._layout.write(backing.front)
        return backing

    def _segment_at_last(self) -> Backing:
        if self._backing is None:
            if time.monotonic() < self._ask_again:
                raise ArenaFull(self._refused)
            try:
                backing = self._back()
            except ArenaFull as error:
                self._refuse(error)
                raise
            if self.moved is not None:
                self.moved(backing.front)
            self._backing = backing
        return self._backing

    def _refuse(self, error: ArenaFull) -> None:
        self._refused = error.strerror or str(error)
        self._ask_again = time.monotonic() + GROWTH_PAUSE

    def _place(self, find: Callable[[int], int | None], nbytes: int) -> Place | None:
        offset = find(Space.round(nbytes))
        if offset is None or self._backing is None:
            return None
        return Place(offset, self._backing.address(offset), None)

    def _private(self, nbytes: int) -> Place:
        try:
            memory = bytearray(nbytes)
        except MemoryError:
            raise ArenaFull(f"the system has no {nbytes} bytes of any memory") from None
        return Place(0, address_of(np.frombuffer(memory, np.uint8)), memory)
