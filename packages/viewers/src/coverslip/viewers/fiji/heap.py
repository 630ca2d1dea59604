"""Room for planes in the Java heap. No Java.

ImageJ draws what lies in the heap and nothing else, so that a plane has room there or is dropped:
an `OutOfMemoryError` would take whatever its user does in ImageJ with it.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from typing import NoReturn

from coverslip.transport import Usage
from coverslip.viewers.bursts import Burst
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.words import format_size

__all__ = ["Heap"]

logger = logging.getLogger(__name__)

_SHARE = 0.75
"""Of the heap's old generation; the rest is what ImageJ and its user's own images live in."""


class Heap:
    """Counts the planes in the Java heap, and says when there is no room. From any thread.

    Parameters
    ----------
    budget : int
        Bytes that the heap may grow to.
    planes : int
        Bytes of it in which planes can lie.
    """

    def __init__(self, budget: int, planes: int) -> None:
        self._budget = budget
        self._limit = int(planes * _SHARE)
        self._lock = threading.Lock()
        self._gone: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._planes = 0
        self._dropped = 0
        self._losses = Burst(logger, "plane(s) were dropped")

    def admit(self, nbytes: int) -> None:
        """Raise `NoRoom` unless a plane of this size has room."""
        with self._lock:
            self._settle()
            held = self._bytes
        if held + nbytes > self._limit:
            self.refuse(
                f"{format_size(held)} of planes fill the Java heap: start the viewer with "
                "more memory (--memory), or keep fewer planes"
            )

    def refuse(self, reason: str) -> NoReturn:
        """Count a plane that has no room, and raise `NoRoom`."""
        with self._lock:
            self._dropped += 1
        self._losses.count(reason)
        raise NoRoom(reason)

    def hold(self, held: object, nbytes: int, planes: int = 1) -> None:
        """Count a plane, or a table that is none, until nobody has it any more."""
        with self._lock:
            self._bytes += nbytes
            self._planes += planes
        # Python's collector calls it in any thread, maybe one that has the lock: it takes none.
        # At the end of the process there is nobody left to tell.
        weakref.finalize(held, self._gone.append, (nbytes, planes)).atexit = False

    def _settle(self) -> None:
        """Take off what nobody has any more; the lock is held."""
        while self._gone:
            nbytes, planes = self._gone.popleft()
            self._bytes -= nbytes
            self._planes -= planes

    def usage(self, dropped: int) -> Usage:
        """Return what is where; `dropped` planes left their windows by policy."""
        with self._lock:
            self._settle()
            return Usage(
                budget=self._budget,
                memory=self._bytes,
                in_memory=self._planes,
                dropped=self._dropped + dropped,
            )
