"""What a viewer subclasses: a server that answers the control protocol and keeps the accounts.

How its sockets are served is `loop`'s; what data mean, the subclass knows.
"""

from __future__ import annotations

import logging
import os
import platform
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from importlib.metadata import version
from typing import ClassVar, Final

import zmq

from coverslip.transport.bound import Bound
from coverslip.transport.connection import Connection
from coverslip.transport.delivery import Ledger
from coverslip.transport.dispatch import Answer
from coverslip.transport.endpoint import Endpoint
from coverslip.transport.errors import Refused, TransportError
from coverslip.transport.identity import Identity, identify
from coverslip.transport.loop import Loop
from coverslip.transport.messages import (
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
    Usage,
    readable,
)
from coverslip.transport.ports import candidates, is_loopback

__all__ = ["ZMQServer"]

logger = logging.getLogger(__name__)

_MOST_STREAMS: Final = 4096


class ZMQServer(Loop):
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
        By which its launcher knows it.
    log : path-like or None
        Its log file, for others to find.
    guest : bool, default False
        It serves in a program of its user's own: stopping it leaves that process alone.
    starting : bool, default False
        Begin in state "starting"; ``set_state("ready")`` when the server can show.

    Attributes
    ----------
    kind : str
        What the server is; names its connection file. Set by the subclass.
    default_port : int
        Where the search for a free pair begins. Set by the subclass.
    io_threads : int
        Threads that its connections are spread over; one does for a viewer. Set by the subclass.
    capabilities : tuple of str
        What it can do besides, in its own words, for `Pong`.
    ledgers : dict of str to Ledger
        The account of each stream that attached.
    stopped : threading.Event
        Set by the loop once a stop was asked for and the Shutdown's reply is out.
    """

    kind: ClassVar[str]
    default_port: ClassVar[int]
    io_threads: ClassVar[int] = 1
    capabilities: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        title: str | None = None,
        launch_id: str = "",
        log: str | os.PathLike[str] | None = None,
        guest: bool = False,
        starting: bool = False,
    ) -> None:
        super().__init__()
        self.title = readable(title or "")
        self.instance = uuid.uuid4().hex
        self.ledgers: dict[str, Ledger] = {}
        self._port = port
        self._host = host
        self._launch_id = launch_id
        self._log_file = None if log is None else readable(os.fspath(log))
        self._guest = guest
        self._state: State = "starting" if starting else "ready"
        self._detached: set[str] = set()

    # What a subclass gives. All of it is called by the loop's thread.

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
        ledger = self.ledgers.get(request.stream) or self._open_ledger(request.secret)
        ledger.check(request.secret)
        ledger.attach(request.epoch, request.sequence)
        self.ledgers[request.stream] = ledger
        self._detached.discard(request.stream)
        return Attached(
            instance=self.instance,
            transfer="inline",
            reason=f"this {self.kind} server reads no shared memory",
            counts=ledger.counts(),
        )

    def detach(self, request: Detach) -> None:
        """Let go of what a stream needed; its account stays."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that matter, for `Pong`."""
        return {
            "coverslip-transport": version("coverslip-transport"),
            "libzmq": zmq.zmq_version(),
            "python": platform.python_version(),
        }

    def usage(self) -> Usage:
        """Return what the planes that the server holds take, for `Pong` and `Report`."""
        return Usage()

    def report(self, stream: str | None) -> Report:
        """Return the counts of one stream, or of all. Raises `Refused` for an unknown one."""
        chosen = self.ledgers.copy() if stream is None else {stream: self.ledger(stream)}
        return self._report({name: ledger.counts() for name, ledger in chosen.items()})

    # What any thread may ask and tell.

    def ledger(self, stream: str) -> Ledger:
        """Return the account of a stream. Raises `Refused` when it never attached."""
        try:
            return self.ledgers[stream]
        except KeyError:
            raise Refused(f"stream {stream[:80]!r} is not attached here") from None

    @property
    def state(self) -> State:
        """``"starting"``, ``"ready"``, ``"busy"`` or ``"stopping"``."""
        return "stopping" if self._stop else self._state

    def set_state(self, state: State) -> None:
        """Say how the server is. One that was asked to stop stays "stopping"."""
        self._state = state

    # Requests.

    def _open(self) -> Bound:
        identity = identify()
        if identity is None:
            raise TransportError("the system does not tell when this process started")
        ports = candidates(self._port, self.default_port)
        bound = Bound(
            self.kind,
            self._host,
            ports,
            lambda found: self._announce(found, identity),
            io_threads=self.io_threads,
        )
        endpoint = bound.connection.endpoint
        where = f"{bound.address}, ports {endpoint.port} and {endpoint.control_port}"
        logger.info("%s serves on %s", bound.connection, where)
        if not is_loopback(bound.address):
            logger.warning(
                "other machines reach %s; who holds the key of its connection file may connect",
                where,
            )
        return bound

    def _announce(self, endpoint: Endpoint, identity: Identity) -> Connection:
        return Connection(
            endpoint=endpoint,
            pid=identity.pid,
            start_time=identity.start_time,
            title=self.title,
            instance=self.instance,
            launch_id=self._launch_id,
            log=self._log_file,
            guest=self._guest,
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
            usage=self.usage(),
        )

    def _status(self, request: Status) -> Report:
        return self.report(request.stream)

    def _attach(self, request: Attach) -> Attached:
        return self.attach(request)

    def _detach(self, request: Detach) -> Future[Reply]:
        ledger = self.ledger(request.stream)
        ledger.check(request.secret)
        answer: Future[Reply] = Future()
        if request.sequence is None:
            answer.set_result(Done())
        else:
            final = ledger.close(request.sequence)
            final.add_done_callback(lambda _: answer.set_result(Done()))
        self._detached.add(request.stream)
        self.detach(request)
        return answer

    def _flush(self, request: Flush) -> Future[Reply]:
        answer: Future[Reply] = Future()

        def settled(counts: Future[Counts]) -> None:
            answer.set_result(self._report({request.stream: counts.result()}))

        self.ledger(request.stream).when_settled(request.sequence).add_done_callback(settled)
        return answer

    def _shutdown(self, request: Shutdown) -> Done:
        return Done()

    def _report(self, streams: dict[str, Counts]) -> Report:
        return Report(
            streams=streams,
            refused=self.refused,
            last_error=self._last_error,
            usage=self.usage(),
        )

    def _open_ledger(self, secret: bytes) -> Ledger:
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
        return Ledger(secret)
