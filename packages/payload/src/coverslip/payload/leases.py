"""Which slots are in use and who still reads them: the owner's side of the table.

What an honest reader may change, a lease's byte, is read from the table; all else is kept here,
so that a reader that writes elsewhere harms nobody's memory but its own picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from coverslip.payload.table import HEADER_SIZE, Layout, Table

__all__ = ["Leases"]


class Leases:
    """The slots of an arena, by index; of one thread at a time.

    A slot is taken, granted to lanes, and settled when none of them has a lease on it any more.
    """

    def __init__(self, layout: Layout, front: memoryview) -> None:
        self._table = Table(layout, front)
        # the lowest index first, so that what must be looked through stays short
        self._free = list(range(layout.slots - 1, -1, -1))
        self._highest = 0
        self._generations = [0] * layout.slots
        self._granted = np.zeros(layout.slots, np.bool_)
        self._granted_count = 0
        self._lengths = np.zeros(layout.slots, np.int64)
        self._order: deque[tuple[int, int]] = deque()

    @property
    def available(self) -> bool:
        """Whether a slot is free."""
        return bool(self._free)

    def take(self) -> tuple[int, int]:
        """Return the index and the generation of a slot that was free."""
        index = self._free.pop()
        if index >= self._highest:
            self._highest = index + 1
        return index, self._advance(index)

    def move(self, layout: Layout, front: memoryview) -> None:
        """Go on in another segment, of the same layout, as if it had been this one."""
        front[HEADER_SIZE : layout.table_end] = self._table.whole
        self._table = Table(layout, front)

    def grant(self, index: int, lanes: Iterable[int], length: int) -> None:
        """Give each of the lanes its lease on a slot that was taken, of `length` bytes."""
        for lane in lanes:
            self._table.grant(index, lane)
        self._lengths[index] = length
        self._granted[index] = True
        self._granted_count += 1
        self._order.append((index, self._generations[index]))

    def end(self, index: int, lane: int) -> None:
        """End one lease."""
        self._table.end(index, lane)

    def free(self, index: int) -> None:
        """Give a slot back, granted or not."""
        if self._granted[index]:
            self._granted[index] = False
            self._granted_count -= 1
        # an even generation: whoever still reads finds out, before the bytes are written again
        self._advance(index)
        self._free.append(index)

    def count(self, lane: int) -> int:
        """Return how many slots the lane has a lease on."""
        column = self._table.column(lane, self._highest)
        return int(np.count_nonzero(column[self._granted[: self._highest]]))

    def held(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many slots each lane has a lease on, and how many bytes."""
        leased = self._table.columns(self._highest) != 0
        leased &= self._granted[: self._highest, np.newaxis]
        return np.count_nonzero(leased, axis=0), self._lengths[: self._highest] @ leased

    def clear(self, lane: int) -> int:
        """End all leases of the lane; return how many there were."""
        ended = self.count(lane)
        self._table.column(lane, self._highest)[:] = 0
        return ended

    def trim(self, lane: int, slots: float, nbytes: float) -> int:
        """End the lane's leases, the last granted first, until it has so many slots and bytes.

        Returns how many were ended.
        """
        column = self._table.column(lane, self._highest)
        before = held = self.count(lane)
        held_bytes = int(self.held()[1][lane])
        for index, generation in reversed(self._order):
            if held <= slots and held_bytes <= nbytes:
                break
            if column[index] and self._is_current(index, generation):
                self.end(index, lane)
                held -= 1
                held_bytes -= int(self._lengths[index])
        return before - held

    def oldest_settled(self) -> int | None:
        """Return the slot that was granted first, if it is settled: the usual case, and cheap.

        The caller frees it before it asks again.
        """
        while self._order:
            index, generation = self._order[0]
            if self._generations[index] == generation:
                if self._table.leased(index):
                    return None
                self._order.popleft()
                return index
            self._order.popleft()
        return None

    def all_settled(self) -> list[int]:
        """Return every slot that is settled, without a loop in Python over those that are not."""
        if not self._granted_count:
            return []
        if len(self._order) > 2 * self._granted_count + 64:
            self._order = deque(slot for slot in self._order if self._is_current(*slot))
        leased = self._table.words[: self._highest].any(axis=1)
        settled: list[int] = np.flatnonzero(self._granted[: self._highest] & ~leased).tolist()
        return settled

    def _is_current(self, index: int, generation: int) -> bool:
        return self._generations[index] == generation

    def _advance(self, index: int) -> int:
        generation = self._generations[index] + 1
        self._generations[index] = generation
        self._table.generations[index] = generation
        return generation
