"""Which planes are in memory and which on disk: least recently shown first, what is in view never.

States of a plane::

    in memory ──> in memory and on disk ──> on disk ──> lost (disk full)
        ^                  ^                   │
        └──────────────────┴───── shown ───────┘

A plane that came back has its copy on disk still: to evict it again costs nothing.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from numpy.typing import NDArray

from coverslip.transport import Usage
from coverslip.viewers.bursts import Burst
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.memory.budget import default_budget, resident_bytes
from coverslip.viewers.memory.plane import Entry, HeldPlane, entries_within
from coverslip.viewers.memory.scratch import Region, Scratch

__all__ = ["Memory"]

logger = logging.getLogger(__name__)
_QUARTER: Final = 4
"""Planes have at least a quarter of the budget, whatever the rest of the process takes; neighbours
of what is in view stay in memory within a quarter of what planes have."""

_HEADROOM_SHARE: Final = 8
_MOST_HEADROOM: Final = 128 << 20
"""Planes are written out before it is urgent: from an eighth below what they may take."""

_WEIGH_EVERY: Final = 32 << 20
"""Bytes of new planes between two looks at what the whole process takes."""


class Memory:
    """Keeps every plane it is handed, in memory within a budget and on disk beyond it.

    What its process takes besides planes counts too, so that the budget is the process's. When
    planes come faster than they can be written, `has_room` is False until there is some; nothing
    is refused. When the disk is full, the planes that were shown the longest ago are lost first,
    which is counted, logged once in a while, and told by `take_lost`.

    Safe from any thread. One thread writes and one reads ahead, once they are needed.

    Parameters
    ----------
    budget : int, optional
        Bytes; `default_budget` if None.
    scratch : Scratch, optional
        Where planes go that have no room; one in `scratch_folder` if None.
    room_again : callable, optional
        Called, from any thread, when `has_room` has become True.
    weigh : callable, optional
        Returns what the process takes.
    """

    def __init__(
        self,
        budget: int | None = None,
        *,
        scratch: Scratch | None = None,
        room_again: Callable[[], object] = lambda: None,
        weigh: Callable[[], int] = resident_bytes,
    ) -> None:
        self.budget = default_budget() if budget is None else budget
        self._scratch = Scratch() if scratch is None else scratch
        self._room_again = room_again
        self._weigh = weigh
        self._changed = threading.Condition()
        self._warm: OrderedDict[Entry, None] = OrderedDict()
        """Planes in memory, those shown the longest ago first."""
        self._cold: OrderedDict[Entry, None] = OrderedDict()
        """Planes on disk alone, those that went there the longest ago first."""
        self._disowned: deque[Entry] = deque()
        self._in_view: frozenset[Entry] = frozenset()
        self._near: frozenset[Entry] = frozenset()
        self._ahead: deque[Entry] = deque()
        self._resident = 0
        self._spilling = False
        self._lost: list[Entry] = []
        self._dropped = 0
        self._limit = self.budget
        self._unweighed = _WEIGH_EVERY
        self._waited_for = False
        self._closed = False
        self._spiller: threading.Thread | None = None
        self._reader: threading.Thread | None = None
        self._losses = Burst(logger, "plane(s) were dropped, which can be shown no more")

    # ---- planes in --------------------------------------------------------------------

    def hold(self, pixels: NDArray[Any], tag: Any = None) -> HeldPlane:
        """Take over a plane that nobody writes to any more.

        Parameters
        ----------
        pixels : ndarray
            In memory that goes back to the system with it, as from `coverslip.payload.kept`.
        tag : optional
            What its owner knows it by, see `take_lost`.
        """
        entry = Entry(pixels, tag)
        plane = HeldPlane(self, entry)
        with self._changed:
            self._bury()
            self._warm[entry] = None
            self._resident += entry.nbytes
            self._unweighed += entry.nbytes
            if self._unweighed >= _WEIGH_EVERY:
                self._weigh_process()
            self._spill_if_due()
        return plane

    @property
    def has_room(self) -> bool:
        """Whether more planes may come."""
        if self._resident < self._limit:
            return True
        with self._changed:
            self._bury()
            # What is in view may be more than all the room; it must not hold up the rest for good.
            movable = self._spilling or self._victim() is not None
            self._waited_for = self._resident >= self._limit and movable
            return not self._waited_for

    def weigh(self) -> None:
        """Look at what the whole process takes; to be called about once a second."""
        with self._changed:
            self._bury()
            self._weigh_process()
            self._spill_if_due()

    def disown(self, entry: Entry) -> None:
        """Note that nobody has a plane any more; takes no lock."""
        self._disowned.append(entry)

    # ---- planes in view ---------------------------------------------------------------

    @property
    def tight(self) -> bool:
        """Whether it matters what is in view: some planes are on disk, or soon will be."""
        return bool(self._cold) or 2 * self._resident > self._limit

    def look_at(self, in_view: Iterable[HeldPlane], near: Iterable[HeldPlane] = ()) -> None:
        """Say what is in view, which stays in memory, and what may be next, which is read ahead.

        Parameters
        ----------
        in_view : iterable of HeldPlane
            The planes that are drawn.
        near : iterable of HeldPlane
            Their neighbours, the likeliest first; so many as fit a quarter of the room.
        """
        shown = frozenset(plane.entry for plane in in_view)
        close = entries_within(near, self._limit // _QUARTER)
        with self._changed:
            self._in_view, self._near = shown, frozenset(close)
            for entry in (*reversed(close), *shown):
                self._touch(entry)
            self._ahead = deque(entry for entry in close if entry in self._cold)
            if self._ahead and self._reader is None and not self._closed:
                self._reader = _started(self._read_ahead, "reader")
            self._changed.notify_all()

    def read(self, entry: Entry, *, keep: bool) -> NDArray[Any] | None:
        """Return a plane's pixels, from disk if need be; None if they are lost.

        Parameters
        ----------
        entry : Entry
            The plane.
        keep : bool
            It is looked at: what is read stays in memory.
        """
        pixels = entry.pixels
        if pixels is not None and not (keep and self.tight):
            return pixels
        with self._changed:
            while entry.loading:
                self._changed.wait()
            if keep:
                self._touch(entry)
            if entry.pixels is not None or not entry.regions:
                return entry.pixels
            entry.busy += 1
            entry.loading = keep
            regions = entry.regions
        pixels, reason = None, ""
        try:
            pixels = self._scratch.read(regions, entry.shape, entry.dtype)
        except (OSError, RuntimeError, ValueError) as error:
            reason = f"the scratch file cannot be read: {error}"
        with self._changed:
            self._leave(entry)
            if keep:
                entry.loading = False
                self._changed.notify_all()
            if reason and entry in self._cold and not self._closed:
                self._lose(entry, reason)
            elif keep and entry in self._cold:
                del self._cold[entry]
                self._warm[entry] = None
                entry.pixels = pixels
                self._resident += entry.nbytes
                self._spill_if_due()
        return pixels

    def usage(self) -> Usage:
        """Return what is where."""
        with self._changed:
            self._bury()
            return Usage(
                budget=self.budget,
                memory=self._resident,
                disk=self._scratch.nbytes,
                in_memory=len(self._warm),
                on_disk=len(self._cold),
                dropped=self._dropped,
            )

    def drop(self, planes: int = 1) -> None:
        """Count planes that their owner lets go of by policy."""
        with self._changed:
            self._dropped += planes

    def take_lost(self) -> list[Entry]:
        """Return the planes that were lost since the last time; their tags say whose they were."""
        with self._changed:
            lost, self._lost = self._lost, []
        return lost

    def close(self) -> None:
        """End the threads and let go of the disk. Planes on disk are lost. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in (self._spiller, self._reader):
            if thread is not None:
                thread.join(10.0)
        self._scratch.close()

    # ---- the lock is held from here on ------------------------------------------------

    def _bury(self) -> None:
        """Take the planes that nobody has any more out of the books."""
        while self._disowned:
            entry = self._disowned.popleft()
            entry.unwanted, entry.pixels = True, None
            if entry in self._warm:
                del self._warm[entry]
                self._resident -= entry.nbytes
            self._cold.pop(entry, None)
            if not entry.busy:
                self._free(entry)

    def _free(self, entry: Entry) -> None:
        regions, entry.regions = entry.regions, ()
        self._scratch.free(regions)

    def _leave(self, entry: Entry) -> None:
        """End a use of a plane's place on disk."""
        self._bury()
        entry.busy -= 1
        if entry.unwanted and not entry.busy:
            self._free(entry)

    def _touch(self, entry: Entry) -> None:
        entry.touched += 1
        if entry in self._warm:
            self._warm.move_to_end(entry)

    def _victim(self) -> Entry | None:
        """Return the plane in memory that was shown the longest ago and is not in view."""
        return next((entry for entry in self._warm if self._out_of_view(entry)), None)

    def _out_of_view(self, entry: Entry) -> bool:
        return not entry.busy and entry not in self._in_view and entry not in self._near

    def _lose(self, entry: Entry, reason: str) -> None:
        entry.reason, entry.pixels = reason, None
        if entry in self._warm:
            del self._warm[entry]
            self._resident -= entry.nbytes
        self._cold.pop(entry, None)
        self._free(entry)
        self._lost.append(entry)
        self._dropped += 1
        self._losses.count(reason)

    def _evict(self, entry: Entry) -> None:
        del self._warm[entry]
        self._cold[entry] = None
        self._resident -= entry.nbytes
        entry.pixels = None

    def _weigh_process(self) -> None:
        self._unweighed = 0
        others = max(0, self._weigh() - self._resident)
        self._limit = max(self.budget // _QUARTER, self.budget - others)

    @property
    def _due(self) -> bool:
        return self._resident > self._limit - min(_MOST_HEADROOM, self._limit // _HEADROOM_SHARE)

    def _spill_if_due(self) -> None:
        if not self._due or self._closed:
            return
        if self._spiller is None:
            self._spiller = _started(self._spill, "spiller")
        self._changed.notify_all()

    # ---- threads of its own; the lock is not held -------------------------------------

    def _spill(self) -> None:
        """Write planes out, while there are too many; the spiller thread."""
        while (entry := self._next_victim()) is not None:
            self._move_out(entry)
            with self._changed:
                self._spilling = False
                told = self._waited_for and self._resident < self._limit
                self._waited_for = self._waited_for and not told
            if told:
                self._room_again()

    def _next_victim(self) -> Entry | None:
        """Wait until a plane is to go; None at the end."""
        with self._changed:
            while not self._closed:
                self._bury()
                entry = self._victim() if self._due else None
                if entry is not None:
                    self._spilling = True
                    return entry
                self._changed.wait()
            return None

    def _move_out(self, entry: Entry) -> None:
        with self._changed:
            pixels, touched = entry.pixels, entry.touched
            if pixels is None:  # nobody has it any more
                return
            if entry.regions:
                self._evict(entry)
                return
            entry.busy += 1
        regions: tuple[Region, ...] = ()
        reason = ""
        try:
            regions = self._scratch.write(pixels, self._drop_coldest)
        except NoRoom as error:
            reason = str(error)
        except Exception as error:
            # This plane's end, not the thread's: others may be written yet.
            logger.exception("writing a plane to disk")
            reason = f"it cannot be written to disk: {type(error).__name__}: {error}"
        with self._changed:
            entry.regions = regions
            self._leave(entry)
            if entry not in self._warm:
                return
            if reason:
                self._lose(entry, reason)
            elif entry.touched == touched:
                self._evict(entry)

    def _drop_coldest(self, reason: str) -> bool:
        """Lose the plane that has been on disk alone for the longest; False if there is none."""
        with self._changed:
            self._bury()
            entry = next((entry for entry in self._cold if self._out_of_view(entry)), None)
            if entry is not None:
                self._lose(entry, reason)
            return entry is not None

    def _read_ahead(self) -> None:
        """Read what may be shown next; the reader thread."""
        while True:
            with self._changed:
                while not self._ahead and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                entry = self._ahead.popleft()
            self.read(entry, keep=True)


def _started(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=f"coverslip-{name}", daemon=True)
    thread.start()
    return thread
