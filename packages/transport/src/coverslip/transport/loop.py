"""The loop that serves a server's sockets, driven by whichever thread suits.

Requests come first, data in bursts, so that a server answers however much arrives. What messages
and requests mean is the subclass's business, `server.ZMQServer`.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Self

from coverslip.transport.bound import Bound
from coverslip.transport.connection import Connection
from coverslip.transport.dispatch import Answer, Dispatch
from coverslip.transport.errors import Refused, TransportError
from coverslip.transport.messages import Request, Shutdown, readable
from coverslip.transport.receive import receive_message

__all__ = ["Loop"]

logger = logging.getLogger(__name__)

_LONGEST_ERROR: Final = 2000

# What is done in a row before the other sockets are looked at again.
_BURST_SECONDS: Final = 0.005
_BURST_REQUESTS: Final = 16

# Milliseconds. While data is held back, a lost wake-up must not hold it back for good.
_HELD_BACK: Final = 250
_HOUSEKEEPING: Final = 1000
_JOIN_SECONDS: Final = 10.0
_QUIET_SECONDS: Final = 5.0


class Loop(ABC):
    """Receives at most once, in each sender's order; one thread, the loop's, does it all.

    That thread alone touches the sockets, and calls all that a subclass gives: `start` makes one,
    `serve_forever` takes the caller's, `filenos` and `poll_once` a foreign event loop's.

    Attributes
    ----------
    stopped : threading.Event
        Set by the loop once a stop was asked for and the Shutdown's reply is out.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._stop = False
        self._closed = False
        self._refused = 0
        self._last_error: str | None = None
        self._quiet_until = -math.inf
        self._born = time.monotonic()
        self._house_due = -math.inf
        self._pid = os.getpid()
        self._close_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._serving: threading.Thread | None = None
        self._gone = threading.Event()
        self._bound: Bound | None = None
        self._dispatch: Dispatch | None = None
        self._handed: deque[Callable[[], None]] = deque()

    # What a subclass gives.

    @abstractmethod
    def handle_data(self, frames: list[memoryview]) -> None:
        """Take in one data message.

        Parameters
        ----------
        frames : list of memoryview
            Read-only, header first. A kept one keeps its own memory alive and no other's.

        Raises
        ------
        Refused
            For a message that is no good: it is counted and logged, and the server goes on. After
            any other exception it goes on too, with the traceback logged.
        """

    @abstractmethod
    def handlers(self) -> Mapping[type[Request], Answer]:
        """Return who answers which request; called once, at `bind`."""

    @abstractmethod
    def _open(self) -> Bound:
        """Bind the sockets and write the connection file."""

    def accepts_data(self) -> bool:
        """Say whether a data message could be taken now.

        While False, data stay with ZeroMQ and requests are served. Call `wake` when it may have
        changed.
        """
        return True

    def housekeeping(self) -> None:  # noqa: B027 - a hook, empty by default
        """Look after what nobody sends a message about; called about once a second.

        A foreign loop calls it as often as it calls `poll_once`, once a second at most.
        """

    # What any thread may ask and tell.

    @property
    def connection(self) -> Connection:
        """What the connection file says. Raises `TransportError` before `bind`."""
        if self._bound is None:
            raise TransportError("this server is not bound yet: call bind(), start() or so first")
        return self._bound.connection

    @property
    def refused(self) -> int:
        """What was turned away so far: data, requests, and peers without the client's key."""
        if self._bound is None or self._dispatch is None:
            return self._refused
        return self._refused + self._dispatch.refused + self._bound.authenticator.refused

    @property
    def last_error(self) -> str | None:
        """What went wrong last."""
        return self._last_error

    def report_failure(self, text: str) -> None:
        """Tell clients what went wrong last: they see it in `Pong` and `Report`."""
        self._last_error = readable(text[:_LONGEST_ERROR])

    def wake(self) -> None:
        """Make the loop look again. Never blocks; safe in a signal's Python code."""
        if self._bound is not None:
            self._bound.wake()

    def hand_in(self, take: Callable[[], None]) -> None:
        """Have the loop's thread call `take` as it would `handle_data`, once data may be taken.

        For data that come another way than by the data socket. Never blocks; from any thread.
        """
        self._handed.append(take)
        self.wake()

    def request_stop(self) -> None:
        """Ask the loop to end. Never blocks; safe in a signal's Python code."""
        # A plain flag: to set the event takes a lock that the interrupted code may hold, so the
        # loop does it.
        self._stop = True
        self.wake()

    # Life.

    def bind(self) -> Connection:
        """Bind both ports, then write the connection file. Later calls return the same.

        Raises
        ------
        PortTaken
            When the port that was asked for is held (names by whom), or no pair is free.
        AddressError
            When the port or the host cannot be.
        TransportError
            When the connection file cannot be written, or the server was closed.
        """
        if self._closed:
            raise TransportError("this server was closed: make another")
        if self._bound is None:
            bound = self._open()
            self._dispatch = Dispatch(bound.control, self.handlers(), bound.wake)
            self._born = time.monotonic()
            self._bound = bound
        return self._bound.connection

    def start(self) -> Connection:
        """Bind, and serve from a thread of its own until `close`. Raises as `bind`."""
        connection = self.bind()
        if self._thread is None:
            name = f"coverslip-{connection.endpoint.kind}-{connection.endpoint.port}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._serving = self._thread
            self._thread.start()
        return connection

    def serve_forever(self) -> None:
        """Bind, and serve from the calling thread until a stop is asked for, then close."""
        self.bind()
        self._serving = threading.current_thread()
        self._serve()

    def filenos(self) -> tuple[int, ...]:
        """Return what a foreign loop watches for reading, to call `poll_once` then. Binds."""
        self.bind()
        assert self._bound is not None
        return self._bound.filenos()

    def poll_once(self, timeout: float = 0.0) -> int:
        """Serve whatever is there, for a foreign loop: always from one thread.

        ZeroMQ's descriptors tell of changes, not of what is left, so this goes on until nothing
        is; or for some milliseconds, and then wakes the loop to be called again.

        Parameters
        ----------
        timeout : float, default 0.0
            Seconds to wait for the first.

        Returns
        -------
        int
            How many messages and requests were served. 0 once stopped.
        """
        self.bind()
        total = 0
        wait = math.ceil(timeout * 1000)
        enough = time.monotonic() + timeout + _BURST_SECONDS
        while not self.stopped.is_set() and (served := self._turn(wait)):
            total += served
            wait = 0
            if time.monotonic() > enough:
                self.wake()
                break
        return total

    def close(self) -> None:
        """Stop, take the connection file away and close the sockets. Idempotent.

        From any thread; with a foreign loop, from that loop's. In an answer or in `handle_data` it
        only asks for the stop, which follows. Waits for a loop that is busy, for ten seconds.
        """
        if self._pid != os.getpid():
            # A forked child: the server is its parent's.
            return
        self.request_stop()
        if self._serving is threading.current_thread():
            return
        if self._serving is not None and not self._gone.wait(_JOIN_SECONDS):
            # Its sockets are not another thread's to close.
            logger.error("a server is still in handle_data or an answer: left behind")
            return
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        self._release()

    def __enter__(self) -> Self:
        """Bind; whoever enters chooses how to serve."""
        self.bind()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The loop.

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:
            logger.exception("the server's loop ends")

    def _serve(self) -> None:
        try:
            while not self.stopped.is_set():
                self._turn(-1)
        finally:
            self._release()
            self._gone.set()

    def _turn(self, timeout: int) -> int:
        """Wait up to `timeout` milliseconds, serve each socket for a while, requests first."""
        bound, dispatch = self._bound, self._dispatch
        assert bound is not None
        assert dispatch is not None
        self._keep_house()
        accepts = self.accepts_data()
        if timeout < 0:
            timeout = _HOUSEKEEPING if accepts else _HELD_BACK
        at_once = self._stop or (accepts and self._handed)
        ready = bound.wait(0 if at_once else timeout, data=accepts)
        served = bound.authenticator.answer() if ready.peers else 0
        done = dispatch.answer_late()
        served += len(done)
        if ready.requests:
            count, answered = dispatch.answer(_BURST_REQUESTS)
            served += count
            done += answered
        if ready.data:
            served += self._take_data(bound)
        enough = time.monotonic() + _BURST_SECONDS
        while self._handed and self.accepts_data() and time.monotonic() < enough:
            served += 1
            self._guard(self._handed.popleft())
        if any(isinstance(request, Shutdown) for request in done):
            self._stop = True
        if self._stop:
            self.stopped.set()
        return served

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now < self._house_due:
            return
        self._house_due = now + _HOUSEKEEPING / 1000
        try:
            self.housekeeping()
        except Exception:
            logger.exception("housekeeping failed; the server goes on")

    def _take_data(self, bound: Bound) -> int:
        enough = time.monotonic() + _BURST_SECONDS
        count = 0
        while (frames := receive_message(bound.data)) is not None:
            count += 1
            self._guard(partial(self.handle_data, frames))
            if time.monotonic() > enough or not self.accepts_data():
                break
        return count

    def _guard(self, take: Callable[[], None]) -> None:
        try:
            take()
        except Refused as error:
            self._count_refused(f"refused a data message: {error}")
        except Exception as error:
            logger.debug("a data message failed", exc_info=True)
            self._count_refused(f"a data message failed: {type(error).__name__}: {error}", error)

    def _count_refused(self, text: str, error: Exception | None = None) -> None:
        self._refused += 1
        self.report_failure(text)
        # Once a burst: junk at full speed must not fill the disk.
        now = time.monotonic()
        level = logging.WARNING if now > self._quiet_until else logging.DEBUG
        logger.log(level, "%s (%d in all)", text[:_LONGEST_ERROR], self._refused, exc_info=error)
        self._quiet_until = now + _QUIET_SECONDS

    def _release(self) -> None:
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
            self.stopped.set()
            if self._bound is not None and self._dispatch is not None:
                self._dispatch.abandon()
                self._bound.close()
