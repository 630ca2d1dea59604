"""What serves: data on one socket, requests on another, driven by whichever thread suits.

The ABC receives, dispatches and keeps the accounts. What data mean, its subclass knows.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import Future
from importlib.metadata import version
from types import TracebackType
from typing import ClassVar, Final, Self

import zmq

from .bound import Bound
from .connection import Connection
from .delivery import Ledger
from .dispatch import Answer, Dispatch
from .endpoint import Endpoint
from .errors import Refused, TransportError
from .identity import Identity, identify
from .messages import (
    Attach,
    Attached,
    Counts,
    Detach,
    Done,
    Flush,
    Ping,
    Pong,
    Reply,
    Report,
    Request,
    Shutdown,
    State,
    Status,
)
from .ports import candidates, is_loopback
from .receive import receive_message

__all__ = ["ZMQServer"]

_log = logging.getLogger(__name__)

_MOST_STREAMS: Final = 4096
_LONGEST_ERROR: Final = 2000

# What is done in a row before the other sockets are looked at again.
_BURST_SECONDS: Final = 0.005
_BURST_REQUESTS: Final = 16

# Milliseconds. While data is held back, a lost wake-up must not hold it back for good.
_HELD_BACK: Final = 250
_JOIN_SECONDS: Final = 10.0
_QUIET_SECONDS: Final = 5.0


class ZMQServer(ABC):
    """Takes in data at most once and in each sender's order; answers every request.

    One thread, the loop's, receives, calls `handle_data` and the request handlers, and alone
    touches the sockets. Which thread that is, the user chooses: `start` (one of its own),
    `serve_forever` (the caller's), or `filenos` and `poll_once` (a foreign event loop's). When
    the server takes no more, ZeroMQ's queues fill up and senders get `QueueFull`.

    Parameters
    ----------
    port : int or None
        Data port; the control port is 1000 above. None: the first free pair from `default_port`.
    host : str, default "127.0.0.1"
        Address to bind. Anything but loopback lets other machines try their key.
    title : str or None
        What the user calls this server.
    launch_id : str
        What its launcher knows it by.
    log : path-like or None
        Its log file, for others to find.
    starting : bool, default False
        Begin in state "starting"; ``set_state("ready")`` when the server can show.

    Attributes
    ----------
    kind : str
        What the server is; names its connection file. Set by the subclass.
    default_port : int
        Where the search for a free pair begins. Set by the subclass.
    capabilities : tuple of str
        What it can do besides, in its own words, for `Pong`.
    ledgers : dict of str to Ledger
        The account of each stream that attached.
    stopped : threading.Event
        Set by the loop once a stop was asked for and the Shutdown's reply is out.
    """

    kind: ClassVar[str]
    default_port: ClassVar[int]
    capabilities: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        title: str | None = None,
        launch_id: str = "",
        log: str | os.PathLike[str] | None = None,
        starting: bool = False,
    ) -> None:
        self.title = title or ""
        self.instance = uuid.uuid4().hex
        self.ledgers: dict[str, Ledger] = {}
        self.stopped = threading.Event()
        self._port = port
        self._host = host
        self._launch_id = launch_id
        self._log_file = None if log is None else os.fspath(log)
        self._state: State = "starting" if starting else "ready"
        self._last_error: str | None = None
        self._refused = 0
        self._quiet_until = -math.inf
        self._detached: set[str] = set()
        self._stop = False
        self._born = time.monotonic()
        self._close_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._bound: Bound | None = None
        self._dispatch: Dispatch | None = None
        self._closed = False
        self._pid = os.getpid()

    # What a subclass gives. All of it is called by the loop's thread.

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

    def handlers(self) -> Mapping[type[Request], Answer]:
        """Return who answers which request; called once, at `bind`.

        A subclass adds its own: ``{**super().handlers(), Echo: self._echo}``. An answer that
        takes time is a future, which any thread may end. `Refused` becomes a `Failure` with its
        text, any other exception one with its name.
        """
        return {
            Ping: self._ping,
            Status: self._status,
            Attach: self._attach,
            Detach: self._detach,
            Flush: self._flush,
            Shutdown: self._shutdown,
        }

    def attach(self, request: Attach) -> Attached:
        """Open or continue a stream's account.

        A subclass that can read what is offered calls this and returns the reply with another
        `transfer`. Raises `Refused` when it cannot be.
        """
        ledger = self.ledgers.get(request.stream) or self._open_ledger()
        ledger.attach(request.epoch, request.sequence)
        self.ledgers[request.stream] = ledger
        self._detached.discard(request.stream)
        return Attached(
            instance=self.instance,
            transfer="inline",
            reason=f"this {self.kind} server reads no shared memory",
            counts=ledger.counts(),
        )

    def detach(self, request: Detach) -> None:  # noqa: B027 - a hook, empty by default
        """Let go of what a stream needed; its account stays."""

    def accepts_data(self) -> bool:
        """Say whether a data message could be taken now.

        While False, data stay with ZeroMQ and requests are served. Call `wake` when it may have
        changed.
        """
        return True

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that matter, for `Pong`."""
        return {
            "coverslip-transport": version("coverslip-transport"),
            "libzmq": zmq.zmq_version(),
            "python": platform.python_version(),
        }

    def report(self, stream: str | None) -> Report:
        """Return the counts of one stream, or of all. Raises `Refused` for an unknown one."""
        chosen = self.ledgers.copy() if stream is None else {stream: self.ledger(stream)}
        return Report(
            streams={name: ledger.counts() for name, ledger in chosen.items()},
            refused=self.refused,
            last_error=self._last_error,
        )

    # What any thread may ask and tell.

    def ledger(self, stream: str) -> Ledger:
        """Return the account of a stream. Raises `Refused` when it never attached."""
        try:
            return self.ledgers[stream]
        except KeyError:
            raise Refused(f"stream {stream[:80]!r} is not attached here") from None

    @property
    def connection(self) -> Connection:
        """What the connection file says. Raises `TransportError` before `bind`."""
        if self._bound is None:
            raise TransportError("this server is not bound yet: call bind(), start() or so first")
        return self._bound.connection

    @property
    def state(self) -> State:
        """``"starting"``, ``"ready"``, ``"busy"`` or ``"stopping"``."""
        return "stopping" if self._stop else self._state

    def set_state(self, state: State) -> None:
        """Say how the server is. One that was asked to stop stays "stopping"."""
        self._state = state

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
        self._last_error = text[:_LONGEST_ERROR]

    def wake(self) -> None:
        """Make the loop look again. Never blocks; safe in a signal's Python code."""
        if self._bound is not None:
            self._bound.wake()

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
        if self._bound is not None:
            return self._bound.connection
        identity = identify()
        if identity is None:
            raise TransportError("the system does not tell when this process started")
        ports = candidates(self._port, self.default_port)
        bound = Bound(self.kind, self._host, ports, lambda found: self._announce(found, identity))
        self._dispatch = Dispatch(bound.control, self.handlers(), bound.wake)
        self._bound = bound
        self._born = time.monotonic()
        where = f"{bound.address}, ports {bound.connection.endpoint.port} (data) and "
        where += str(bound.connection.endpoint.control_port)
        _log.info("%s serves on %s", bound.connection, where)
        if not is_loopback(bound.address):
            _log.warning(
                "other machines reach %s; who holds the key of its connection file may connect",
                where,
            )
        return bound.connection

    def start(self) -> Connection:
        """Bind, and serve from a thread of its own until `close`. Raises as `bind`."""
        connection = self.bind()
        if self._thread is None:
            name = f"coverslip-{self.kind}-{connection.endpoint.port}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()
        return connection

    def serve_forever(self) -> None:
        """Bind, and serve from the calling thread until a stop is asked for, then close."""
        self.bind()
        try:
            while not self.stopped.is_set():
                self._turn(-1)
        finally:
            self.close()

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
        """Stop, take the connection file away and close the sockets. Idempotent, from any thread.

        In the loop's thread (in a handler, say) it only asks for the stop, which follows.
        """
        if self._pid != os.getpid():
            # A forked child: the server is its parent's.
            return
        self.request_stop()
        thread = self._thread
        if thread is threading.current_thread():
            return
        if thread is not None:
            thread.join(_JOIN_SECONDS)
            if thread.is_alive():
                # Its sockets are not another thread's to close.
                _log.error("%s is still in handle_data or a handler: left behind", thread.name)
                return
        self._release()

    def __enter__(self) -> Self:
        """Bind; whoever enters chooses how to serve."""
        self.bind()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The loop.

    def _run(self) -> None:
        try:
            while not self.stopped.is_set():
                self._turn(-1)
        except Exception:
            _log.exception("the server's loop ends")
        finally:
            self._release()

    def _turn(self, timeout: int) -> int:
        """Wait up to `timeout` milliseconds, serve each socket for a while, requests first."""
        bound, dispatch = self._bound, self._dispatch
        assert bound is not None and dispatch is not None
        accepts = self.accepts_data()
        if not accepts and timeout < 0:
            timeout = _HELD_BACK
        ready = bound.wait(0 if self._stop else timeout, data=accepts)
        served = bound.authenticator.answer() if ready.peers else 0
        done = dispatch.answer_late()
        served += len(done)
        if ready.requests:
            count, answered = dispatch.answer(_BURST_REQUESTS)
            served += count
            done += answered
        if ready.data:
            served += self._take_data(bound)
        if any(isinstance(request, Shutdown) for request in done):
            self._stop = True
        if self._stop:
            self.stopped.set()
        return served

    def _take_data(self, bound: Bound) -> int:
        enough = time.monotonic() + _BURST_SECONDS
        count = 0
        while (frames := receive_message(bound.data)) is not None:
            count += 1
            try:
                self.handle_data(frames)
            except Refused as error:
                self._refuse(f"refused a data message: {error}")
            except Exception as error:
                self._refuse(f"a data message failed: {type(error).__name__}: {error}", error)
            if time.monotonic() > enough or not self.accepts_data():
                break
        return count

    def _refuse(self, text: str, error: Exception | None = None) -> None:
        self._refused += 1
        self.report_failure(text)
        # Once a burst: junk at full speed must not fill the disk.
        now = time.monotonic()
        level = logging.WARNING if now > self._quiet_until else logging.DEBUG
        _log.log(level, "%s (%d in all)", text[:_LONGEST_ERROR], self._refused, exc_info=error)
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

    # Requests.

    def _announce(self, endpoint: Endpoint, identity: Identity) -> Connection:
        return Connection(
            endpoint=endpoint,
            pid=identity.pid,
            start_time=identity.start_time,
            title=self.title,
            instance=self.instance,
            launch_id=self._launch_id,
            log=self._log_file,
        )

    def _ping(self, request: Ping) -> Pong:
        connection = self.connection
        return Pong(
            kind=self.kind,
            title=self.title,
            state=self.state,
            pid=connection.pid,
            start_time=connection.start_time,
            host=self._bound.address if self._bound else "",
            port=connection.endpoint.port,
            instance=self.instance,
            versions=self.versions(),
            capabilities=list(self.capabilities),
            uptime=time.monotonic() - self._born,
            refused=self.refused,
            last_error=self._last_error,
        )

    def _status(self, request: Status) -> Report:
        return self.report(request.stream)

    def _attach(self, request: Attach) -> Attached:
        return self.attach(request)

    def _detach(self, request: Detach) -> Done:
        self.ledger(request.stream)
        self._detached.add(request.stream)
        self.detach(request)
        return Done()

    def _flush(self, request: Flush) -> Future[Reply]:
        answer: Future[Reply] = Future()

        def settled(counts: Future[Counts]) -> None:
            answer.set_result(
                Report(
                    streams={request.stream: counts.result()},
                    refused=self.refused,
                    last_error=self._last_error,
                )
            )

        self.ledger(request.stream).when_settled(request.sequence).add_done_callback(settled)
        return answer

    def _shutdown(self, request: Shutdown) -> Done:
        return Done()

    def _open_ledger(self) -> Ledger:
        if len(self.ledgers) >= _MOST_STREAMS:
            settled = [name for name, each in self.ledgers.items() if not each.counts().pending]
            if not settled:
                raise Refused(f"{_MOST_STREAMS} streams are attached: detach some")
            # Those that said goodbye first, then those that were silent for longest.
            oldest = min(
                settled,
                key=lambda name: (name not in self._detached, self.ledgers[name].touched),
            )
            del self.ledgers[oldest]
            self._detached.discard(oldest)
        return Ledger()
