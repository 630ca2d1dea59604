"""Which bytes of an arena are free: arithmetic on offsets, without memory and without a lock.

A region given back is taken again first, by the next request of the same size: its pages are
mapped and still in the cache. Else the best fit among merged regions, else fresh space at the end,
else everything free is merged with its neighbours and tried again.
"""

from __future__ import annotations

from bisect import bisect_left, insort

__all__ = ["ALIGNMENT", "Space"]

ALIGNMENT = 64
"""Regions start at a cache line, which is also enough for any SIMD load."""


class Space:
    """The free bytes among `limit`; of one thread at a time.

    Attributes
    ----------
    top : int
        Nothing at or above it is in use or was given back.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.top = 0
        self._recent: dict[int, list[int]] = {}
        self._extents: list[tuple[int, int]] = []
        self._mergeable = False

    @staticmethod
    def round(size: int) -> int:
        """Return the bytes that a region for `size` bytes takes."""
        return -(-size // ALIGNMENT) * ALIGNMENT

    def take(self, size: int) -> int | None:
        """Return the offset of a free region of `size` bytes (rounded), None if there is none."""
        recent = self._recent.get(size)
        if recent:
            offset = recent.pop()
            if not recent:
                del self._recent[size]
            return offset
        place = bisect_left(self._extents, (size, 0))
        if place == len(self._extents):
            return None
        found, offset = self._extents.pop(place)
        if found > size:
            insort(self._extents, (found - size, offset + size))
        return offset

    def extend(self, size: int) -> int | None:
        """Return the offset of `size` bytes of fresh space, or None when the limit is reached."""
        if self.top + size > self._limit:
            return None
        offset, self.top = self.top, self.top + size
        return offset

    def give(self, offset: int, size: int) -> None:
        """Give back a region that `take` or `extend` returned."""
        self._recent.setdefault(size, []).append(offset)
        self._mergeable = True

    def merge(self) -> bool:
        """Join free neighbours; return whether anything was given back since the last time."""
        if not self._mergeable:
            return False
        self._mergeable = False
        free = [(offset, size) for size, found in self._recent.items() for offset in found]
        free += [(offset, size) for size, offset in self._extents]
        free.sort()
        self._recent.clear()
        joined: list[list[int]] = []
        for offset, size in free:
            if joined and joined[-1][0] + joined[-1][1] == offset:
                joined[-1][1] += size
            else:
                joined.append([offset, size])
        if joined and sum(joined[-1]) == self.top:
            self.top = joined.pop()[0]
        self._extents = sorted((size, offset) for offset, size in joined)
        return True

    def free(self) -> list[tuple[int, int]]:
        """Return (offset, size) of every free region below the top, in order."""
        free = [(offset, size) for size, found in self._recent.items() for offset in found]
        return sorted(free + [(offset, size) for size, offset in self._extents])
