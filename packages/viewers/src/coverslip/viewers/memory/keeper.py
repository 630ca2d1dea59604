"""Planes in memory within a budget, and on disk beyond it: least recently shown first.

What is where stands in the `Books`; here are its lock, its two threads and its limits.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from numpy.typing import NDArray

from coverslip.transport import Usage
from coverslip.viewers.bursts import Burst
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.memory.books import Books
from coverslip.viewers.memory.budget import default_budget, resident_bytes
from coverslip.viewers.memory.nameless import Region
from coverslip.viewers.memory.plane import Entry, HeldPlane, entries_within
from coverslip.viewers.memory.scratch import Scratch
from coverslip.viewers.words import format_size

__all__ = ["Memory"]

logger = logging.getLogger(__name__)

_LEAST: Final = 8
"""Planes have at least an eighth of the budget, whatever the rest of the process takes."""

_QUARTER: Final = 4
"""Annotations leave a quarter of the budget; neighbours of what is in view stay in memory within a
quarter of what planes have."""

_HEADROOM_SHARE: Final = 8
_MOST_HEADROOM: Final = 128 << 20
"""Planes are written out before it is urgent: from an eighth below what they may take."""

_WEIGH_EVERY: Final = 32 << 20
"""Bytes of new planes between two looks at what the whole process takes."""

_PATIENCE: Final = 1.0
"""Seconds to wait for another thread that reads the same plane, before it is read here as well."""


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
        self._books = Books(self._scratch)
        self._ahead: deque[Entry] = deque()
        self._spilling = False
        self._limit = self.budget
        self._unweighed = _WEIGH_EVERY
        self._waited_for = False
        self._closed = False
        self._spiller: threading.Thread | None = None
        self._reader: threading.Thread | None = None
        self._losses = Burst(logger, "plane(s) were dropped, which can be shown no more")
        self._failures = Burst(logger, "use(s) of the scratch file failed")

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
            self._books.bury()
            self._books.add(entry)
            self._grow(entry.nbytes)
        return plane

    def hold_table(self, table: NDArray[Any]) -> None:
        """Count a table of annotations, which stays in memory, until nobody has it any more.

        Raises
        ------
        NoRoom
            Tables would take more than three quarters of the budget.
        """
        with self._changed:
            self._books.bury()
            if self._books.tables + table.nbytes <= self.budget - self.budget // _QUARTER:
                self._books.tables += table.nbytes
                # At the end of the process there is nobody left to tell.
                gone = self._books.tables_gone.append
                weakref.finalize(table, gone, table.nbytes).atexit = False
                self._grow(table.nbytes)
                return
        self._refuse_table()

    def _refuse_table(self) -> NoReturn:
        reason = (
            f"{format_size(self._books.tables)} of annotations are held, and a quarter of the "
            "memory is for planes: start the viewer with more memory (--memory)"
        )
        self.drop()
        self._losses.count(reason)
        raise NoRoom(reason)

    @property
    def has_room(self) -> bool:
        """Whether more planes may come."""
        if self._books.resident < self._limit:
            return True
        with self._changed:
            self._books.bury()
            # What is in view may be more than all the room; it must not hold up the rest for good.
            movable = self._spilling or self._books.victim() is not None
            self._waited_for = self._books.resident >= self._limit and movable
            return not self._waited_for

    def weigh(self) -> None:
        """Look at what the whole process takes; to be called about once a second."""
        with self._changed:
            self._books.bury()
            self._weigh_process()
            self._spill_if_due()

    def disown(self, entry: Entry) -> None:
        """Note that nobody has a plane any more; takes no lock."""
        self._books.disowned.append(entry)

    # ---- planes in view ---------------------------------------------------------------

    @property
    def tight(self) -> bool:
        """Whether it matters what is in view: some planes are on disk, or soon will be."""
        return bool(self._books.cold) or 2 * self._books.resident > self._limit

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
            self._books.in_view, self._books.near = shown, frozenset(close)
            for entry in (*reversed(close), *shown):
                self._books.touch(entry)
            self._ahead = deque(entry for entry in close if entry in self._books.cold)
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
            # Not for ever: a disk may hold up that thread, and this one may be the GUI's.
            self._changed.wait_for(lambda: not entry.loading, _PATIENCE)
            if keep:
                self._books.touch(entry)
            if entry.pixels is not None or not entry.regions:
                return entry.pixels
            entry.busy += 1
            entry.loading = entry.loading or keep
            regions = entry.regions
        pixels, reason = None, ""
        try:
            pixels = self._scratch.read(regions, entry.shape, entry.dtype)
        except (OSError, RuntimeError, ValueError) as error:
            reason = f"the scratch file cannot be read: {error}"
        finally:
            # Whatever else went wrong, as no memory: it is on disk still, for the next who asks.
            with self._changed:
                self._end_read(entry, pixels, reason, keep=keep)
        return pixels

    def usage(self) -> Usage:
        """Return what is where."""
        with self._changed:
            self._books.bury()
            return Usage(
                budget=self.budget,
                memory=self._books.resident + self._books.tables,
                disk=self._scratch.nbytes,
                in_memory=len(self._books.warm),
                on_disk=len(self._books.cold),
                dropped=self._books.dropped,
            )

    def drop(self, planes: int = 1) -> None:
        """Count planes that their owner lets go of by policy."""
        with self._changed:
            self._books.dropped += planes

    def take_lost(self) -> list[Entry]:
        """Return the planes that were lost since the last time; their tags say whose they were."""
        with self._changed:
            lost, self._books.lost = self._books.lost, []
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

    def _grow(self, nbytes: int) -> None:
        """See to it that so many bytes more have room."""
        self._unweighed += nbytes
        if self._unweighed >= _WEIGH_EVERY:
            self._weigh_process()
        self._spill_if_due()

    def _lose(self, entry: Entry, reason: str) -> None:
        self._books.lose(entry, reason)
        self._losses.count(reason)

    def _end_read(
        self, entry: Entry, pixels: NDArray[Any] | None, reason: str, *, keep: bool
    ) -> None:
        self._books.leave(entry)
        if keep:
            entry.loading = False
            self._changed.notify_all()
        if entry not in self._books.cold:
            return
        if reason and not self._closed:
            self._lose(entry, reason)
        elif keep and pixels is not None:
            self._books.restore(entry, pixels)
            self._spill_if_due()

    def _weigh_process(self) -> None:
        self._unweighed = 0
        others = max(0, self._weigh() - self._books.resident)
        self._limit = max(self.budget // _LEAST, self.budget - others)

    @property
    def _due(self) -> bool:
        return self._books.resident > self._limit - min(
            _MOST_HEADROOM, self._limit // _HEADROOM_SHARE
        )

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
                told = self._waited_for and self._books.resident < self._limit
                self._waited_for = self._waited_for and not told
            if told:
                self._room_again()

    def _next_victim(self) -> Entry | None:
        """Wait until a plane is to go; None at the end."""
        with self._changed:
            while not self._closed:
                self._books.bury()
                entry = self._books.victim() if self._due else None
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
                self._books.evict(entry)
                return
            entry.busy += 1
        regions: tuple[Region, ...] = ()
        reason = ""
        try:
            regions = self._scratch.write(pixels, self._drop_coldest)
        except NoRoom as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  # the burst logs it
            # This plane's end, not the thread's: others may be written yet.
            reason = f"it cannot be written to disk: {type(error).__name__}: {error}"
            self._failures.count(reason, exc_info=True)
        with self._changed:
            entry.regions = regions
            self._books.leave(entry)
            if entry not in self._books.warm:
                return
            if reason:
                self._lose(entry, reason)
            elif entry.touched == touched:
                self._books.evict(entry)

    def _drop_coldest(self, reason: str) -> bool:
        """Lose the plane that has been on disk alone for the longest; False if there is none."""
        with self._changed:
            self._books.bury()
            entry = self._books.coldest()
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
            try:
                self.read(entry, keep=True)
            except Exception as error:  # noqa: BLE001  # the burst logs it
                # Of this plane, which is read again when it is shown; the others are read ahead.
                reason = f"a plane cannot be read ahead: {type(error).__name__}: {error}"
                self._failures.count(reason, exc_info=True)


def _started(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=f"coverslip-{name}", daemon=True)
    thread.start()
    return thread
