"""What is known of all viewers: read from connection files and asked of each, on any thread."""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import NamedTuple

from coverslip.transport import (
    Connection,
    Endpoint,
    Pong,
    Report,
    Status,
    TransportError,
    list_connections,
    ping,
    request,
)

__all__ = ["Health", "Roster", "ViewerState"]

HISTORY = 60
"""Rates that are kept of each viewer, one a look."""

_AT_ONCE = 16


class Health(enum.Enum):
    """How a viewer is, in one word; what colour it has is the table's business."""

    READY = "ready"
    BUSY = "busy"
    STARTING = "starting"
    STOPPING = "stopping"
    SILENT = "not answering"


class ViewerState(NamedTuple):
    """One viewer at one moment.

    Attributes
    ----------
    key : str
        The same for as long as this very server lives.
    endpoint : Endpoint
        Where it is, with its key: not for showing.
    connection : Connection or None
        Its connection file; None for one on another machine.
    kind, title, host, port, health
        For showing.
    uptime : float
        Seconds.
    shown, waiting, dropped, failed : int
        Planes, over all its streams.
    rates : tuple of float
        Planes shown a second, oldest first, one for each look.
    memory, budget : int
        Bytes of planes it holds, and may hold; a budget of 0 is not known.
    last_error : str
        Empty when there was none.
    """

    key: str
    endpoint: Endpoint
    connection: Connection | None
    kind: str
    title: str
    host: str
    port: int
    health: Health
    uptime: float = 0.0
    shown: int = 0
    waiting: int = 0
    dropped: int = 0
    failed: int = 0
    rates: tuple[float, ...] = ()
    memory: int = 0
    budget: int = 0
    last_error: str = ""

    @property
    def name(self) -> str:
        """Return what a person knows it by."""
        return f"{self.title or self.kind} on port {self.port}"

    @property
    def rate(self) -> float:
        """Planes shown a second, now."""
        return self.rates[-1] if self.rates else 0.0


class _Seen(NamedTuple):
    """What was seen of a viewer, for its rate and for when it falls silent."""

    when: float
    shown: int
    rates: deque[float]
    state: ViewerState


class Roster:
    """The viewers of this user on this machine, and remote ones by their line.

    `look` may run in any one thread at a time; the rest from any.

    Parameters
    ----------
    patience : float, default 1.0
        Seconds after which a viewer that does not answer is called silent.
    """

    def __init__(self, patience: float = 1.0) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._remotes: dict[str, Endpoint] = {}
        self._seen: dict[str, _Seen] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="coverslip-roster")
        self._closed = False

    def add_remote(self, line: str) -> Endpoint:
        """Watch a viewer on another machine too, by the ``coverslip://`` line pasted from there.

        Kept in memory only, since it holds a key.

        Raises
        ------
        coverslip.transport.AddressError
            The text is no such line.
        """
        endpoint = Endpoint.from_url(line.strip())
        with self._lock:
            self._remotes[_remote_key(endpoint)] = endpoint
        return endpoint

    def forget_remote(self, key: str) -> None:
        """Watch it no longer."""
        with self._lock:
            self._remotes.pop(key, None)

    def look(self) -> list[ViewerState]:
        """Ask every viewer how it is, sixteen at a time; nobody is left once `close` was called.

        A viewer that does not answer takes the patience.
        """
        with self._lock:
            remotes = dict(self._remotes)
        asked: list[tuple[str, Endpoint, Connection | None]] = [
            (connection.instance, connection.endpoint, connection)
            for connection in list_connections()
        ]
        asked += [(key, endpoint, None) for key, endpoint in remotes.items()]
        with self._lock:
            if self._closed:
                return []
            questions = [self._pool.submit(self._ask, *each) for each in asked]
        try:
            states = [question.result() for question in questions]
        except CancelledError:  # by `close`
            return []
        self._forget_all_but(state.key for state in states)
        return states

    def close(self) -> None:
        """End the threads; waits for questions that are under way, twice the patience at most."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, key: str, endpoint: Endpoint, connection: Connection | None) -> ViewerState:
        try:
            pong = ping(endpoint, self._patience)
            report = request(endpoint, Status(), Report, timeout=self._patience)
        except TransportError as error:
            return self._silent(key, endpoint, connection, str(error))
        return self._answered(key, endpoint, connection, pong, report)

    def _silent(
        self, key: str, endpoint: Endpoint, connection: Connection | None, why: str
    ) -> ViewerState:
        seen = self._seen.get(key)
        if seen is not None:
            # What it had shown is still true; only that it answers is not.
            return seen.state._replace(health=Health.SILENT, last_error=why)
        return ViewerState(
            key=key,
            endpoint=endpoint,
            connection=connection,
            kind=endpoint.kind,
            title="" if connection is None else connection.title,
            host=endpoint.host,
            port=endpoint.port,
            health=Health.SILENT,
            last_error=why,
        )

    def _answered(
        self,
        key: str,
        endpoint: Endpoint,
        connection: Connection | None,
        pong: Pong,
        report: Report,
    ) -> ViewerState:
        streams = report.streams.values()
        shown = sum(counts.shown for counts in streams)
        now = time.monotonic()
        before = self._seen.get(key)
        rates = deque[float](maxlen=HISTORY) if before is None else before.rates
        if before is not None and now > before.when:
            # A viewer that made room by forgetting an old stream has shown less than before.
            rates.append(max(0, shown - before.shown) / (now - before.when))
        state = ViewerState(
            key=key,
            endpoint=endpoint,
            connection=connection,
            kind=pong.kind,
            title=pong.title,
            host=endpoint.host,
            port=pong.port,
            health=Health(pong.state),
            uptime=pong.uptime,
            shown=shown,
            waiting=sum(counts.pending for counts in streams),
            dropped=sum(counts.dropped for counts in streams),
            failed=sum(counts.failed for counts in streams),
            rates=tuple(rates),
            memory=pong.usage.memory,
            budget=pong.usage.budget,
            last_error=report.last_error or "",
        )
        self._seen[key] = _Seen(now, shown, rates, state)
        return state

    def _forget_all_but(self, keys: Iterable[str]) -> None:
        living = set(keys)
        for key in self._seen.keys() - living:
            del self._seen[key]


def _remote_key(endpoint: Endpoint) -> str:
    return f"{endpoint.kind}@{endpoint.host}:{endpoint.port}"
