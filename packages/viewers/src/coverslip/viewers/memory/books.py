"""The books of a `Memory`: which plane is in memory, which on disk, which nobody has any more.

States of a plane::

    in memory ──> in memory and on disk ──> on disk ──> lost (disk full)
        ^                  ^                   │
        └──────────────────┴───── shown ───────┘

A plane that came back has its copy on disk still: to evict it again costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from numpy.typing import NDArray

from coverslip.viewers.memory.plane import Entry
from coverslip.viewers.memory.scratch import Scratch

__all__ = ["Books"]


class Books:
    """Says where each plane is. Whoever owns it holds one lock around all of it.

    Only `disowned` and `tables_gone` may be appended to without the lock: what Python's collector
    calls does that, in any thread, maybe in one that has the lock.

    Parameters
    ----------
    scratch : Scratch
        Where planes on disk lie.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self.warm: OrderedDict[Entry, None] = OrderedDict()
        """Planes in memory, those shown the longest ago first."""
        self.cold: OrderedDict[Entry, None] = OrderedDict()
        """Planes on disk alone, those that went there the longest ago first."""
        self.resident = 0
        """Bytes of the planes in memory."""
        self.tables = 0
        """Bytes of annotations, which stay in memory."""
        self.dropped = 0
        """Planes and tables that can be shown no more, by policy or for want of room."""
        self.lost: list[Entry] = []
        """Of those, the planes whose owner has not been told yet."""
        self.in_view: frozenset[Entry] = frozenset()
        self.near: frozenset[Entry] = frozenset()
        self.disowned: deque[Entry] = deque()
        """Planes that nobody has any more, to be taken out by `bury`."""
        self.tables_gone: deque[int] = deque()
        """Bytes of the tables that nobody has any more."""

    def add(self, entry: Entry) -> None:
        """Enter a new plane, which is in memory."""
        self.warm[entry] = None
        self.resident += entry.nbytes

    def bury(self) -> None:
        """Take out what nobody has any more."""
        while self.tables_gone:
            self.tables -= self.tables_gone.popleft()
        while self.disowned:
            entry = self.disowned.popleft()
            entry.unwanted, entry.pixels = True, None
            self._take_out(entry)
            if not entry.busy:
                self._free(entry)

    def leave(self, entry: Entry) -> None:
        """End a use of a plane's place on disk."""
        self.bury()
        entry.busy -= 1
        if entry.unwanted and not entry.busy:
            self._free(entry)

    def touch(self, entry: Entry) -> None:
        """Note that a plane was looked at."""
        entry.touched += 1
        if entry in self.warm:
            self.warm.move_to_end(entry)

    def victim(self) -> Entry | None:
        """Return the plane in memory that was shown the longest ago and is not in view."""
        return next((entry for entry in self.warm if self._out_of_view(entry)), None)

    def coldest(self) -> Entry | None:
        """Return the plane that has been on disk alone for the longest and is not in view."""
        return next((entry for entry in self.cold if self._out_of_view(entry)), None)

    def evict(self, entry: Entry) -> None:
        """Let go of the pixels of a plane that is on disk, too."""
        del self.warm[entry]
        self.cold[entry] = None
        self.resident -= entry.nbytes
        entry.pixels = None

    def restore(self, entry: Entry, pixels: NDArray[Any]) -> None:
        """Enter the pixels of a plane that was on disk alone."""
        del self.cold[entry]
        entry.pixels = pixels
        self.add(entry)

    def lose(self, entry: Entry, reason: str) -> None:
        """Let go of a plane wherever it is."""
        entry.reason, entry.pixels = reason, None
        self._take_out(entry)
        self._free(entry)
        self.lost.append(entry)
        self.dropped += 1

    def _take_out(self, entry: Entry) -> None:
        if entry in self.warm:
            del self.warm[entry]
            self.resident -= entry.nbytes
        self.cold.pop(entry, None)

    def _free(self, entry: Entry) -> None:
        regions, entry.regions = entry.regions, ()
        self._scratch.free(regions)

    def _out_of_view(self, entry: Entry) -> bool:
        return not entry.busy and entry not in self.in_view and entry not in self.near
