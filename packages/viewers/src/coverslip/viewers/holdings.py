"""What a stream owns, and the one way in which it is let go of, however the stream ends."""

from __future__ import annotations

import os
import threading
import time
import weakref
from functools import partial
from multiprocessing import util as multiprocessing_util
from typing import Any

from coverslip.payload import Arena
from coverslip.viewers.lane import Lane
from coverslip.viewers.turn import turn

__all__ = ["Holdings"]

_CLOSE_AT_EXIT = 2.0
"""Seconds that a process which ends without `close` waits for its last planes."""


class Holdings:
    """What a stream owns: let go of once, by whichever comes first of the ways in which it ends.

    By `let_go`, when the process ends, and when the stream is collected: that may happen in any
    thread and with any lock held, so it only leaves a note, for a courier to find.
    """

    def __init__(
        self, lanes: list[Lane], arena: Arena, lock: threading.RLock, closed: threading.Event
    ) -> None:
        self._lanes = lanes
        self._arena = arena
        self._lock = lock
        self._closed = closed
        self._pid = os.getpid()
        self._gone = False
        self._leaving = threading.RLock()
        self._stream: weakref.ref[Any] | None = None
        # Unlike atexit, this runs also in the children of multiprocessing.
        self._at_exit = multiprocessing_util.Finalize(
            None, self.let_go, args=(_CLOSE_AT_EXIT,), exitpriority=10
        )

    def watch(self, stream: object) -> None:
        """Let go when the stream is collected, as patiently as `Stream.close` would."""
        lanes = self._lanes[:1]

        def abandon(_: object) -> None:
            for lane in lanes:
                lane.abandon(self.let_go)

        self._stream = weakref.ref(stream, abandon)

    def let_go(self, linger: float = 5.0, *, drop: bool = False) -> None:
        """Wait up to `linger` seconds for what is under way, and close. Once; others wait.

        With `drop` the viewers drop what they have not shown then, so that their counts and the
        stream's agree. Without, which is for ends after which nobody reads the stream's, they
        show what they have. In the middle of another call of its thread it leaves a note, too.
        """
        if self._pid != os.getpid():
            return
        with turn() as first:
            if first:
                self._let_go(linger, drop=drop)
                return
        for lane in self._lanes[:1]:
            lane.abandon(partial(self.let_go, linger, drop=drop))

    def _let_go(self, linger: float, *, drop: bool) -> None:
        deadline = time.monotonic() + linger
        for lane in self._lanes:
            lane.flush(deadline)
        with self._leaving:
            if self._gone:
                return
            # Whatever breaks this off, as Ctrl-C may where it waits: the next call goes on with it.
            with self._lock:
                self._closed.set()
            for lane in self._lanes:
                lane.close(drop=drop)
            self._arena.close()
            self._at_exit.cancel()
            self._gone = True
