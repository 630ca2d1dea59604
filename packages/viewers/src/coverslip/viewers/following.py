"""A viewer's way to a relay: it fetches, over a connection of its own, what the relay holds.

So one port of the relay's machine has to be open, and none of the viewer's. What is fetched goes
the way of all planes from there on, see `coverslip.viewers.receiving`.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import uuid
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from coverslip.payload import InvalidMessage, decode
from coverslip.transport import Attach, Channel, Endpoint, NotListening, Refused, TransportError
from coverslip.viewers.relay.messages import LARGEST_FETCH, Fetch, Fetched, Passed

if TYPE_CHECKING:
    from coverslip.viewers.server import ViewerServer

__all__ = ["Follower"]

logger = logging.getLogger(__name__)

_UNDER_WAY: Final = 2
"""Questions that are open at once: the relay makes the next answer while this one travels."""

_SLICE: Final = 0.25
_RETRY: Final = 1.0
_JOIN_SECONDS: Final = 5.0

_LEAST_FETCH: Final = 256 << 10
_AIM: Final = 0.25
"""Seconds that an answer shall take on its way: what is new waits behind it."""


class Follower:
    """Takes in what a relay has, each plane once as long as both live, in the order it is sent.

    A thread of its own fetches; the server's takes in what was fetched, once there is room. When
    the connection ends it is tried again, every second, until `end`.

    Parameters
    ----------
    server : ViewerServer
        The viewer.
    endpoint : Endpoint
        The relay.
    newest : bool
        Of what the relay has already, the newest first.
    """

    def __init__(self, server: ViewerServer, endpoint: Endpoint, *, newest: bool) -> None:
        self.endpoint = endpoint
        self._server = server
        self._newest = newest
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._closed = False
        self._runs = False
        """The thread goes on, or has yet to see that it is to end."""
        self._thread: threading.Thread | None = None
        self._account = ""
        self._stream = ""
        self._received = 0
        self._epoch = 0
        self._secret = secrets.token_bytes(16)
        self._taken = threading.Event()
        self._taken.set()
        self._limit = _LEAST_FETCH
        self.begin()

    def begin(self) -> None:
        """Fetch, from where it was; does nothing while it does so. Never waits."""
        with self._lock:
            if self._closed:
                return
            # A thread that was to end and has not seen it yet goes on.
            self._closing.clear()
            if self._runs:
                return
            self._runs = True
            name = f"coverslip-follower-{self.endpoint.port}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Fetch no more, as soon as may be; never waits. What was fetched is shown."""
        self._closing.set()

    def close(self) -> None:
        """Fetch no more, for good; waits for the thread. Idempotent."""
        with self._lock:
            self._closed = True
            self._closing.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    # ---- its own thread ---------------------------------------------------------------

    def _run(self) -> None:
        said = ""
        while not self._has_ended():
            try:
                self._fetch()
            except TransportError as error:
                # Once for each reason: a laptop may be away for a weekend.
                if str(error) != said:
                    said = str(error)
                    logger.warning("the relay is tried again every second: %s", error)
                    self._server.report_failure(f"the relay: {error}")
            except Exception:
                logger.exception("following %r goes on", self.endpoint)
            self._closing.wait(_RETRY)

    def _has_ended(self) -> bool:
        """Whether the thread is to end; then whoever begins anew starts another."""
        with self._lock:
            self._runs = not self._closing.is_set()
            return not self._runs

    def _fetch(self) -> None:
        """Fetch until the connection ends."""
        session = uuid.uuid4().hex
        with Channel(self.endpoint) as channel:
            for _ in range(_UNDER_WAY):
                channel.ask(self._question(session))
            asked = time.monotonic()
            while not self._closing.is_set():
                answered = channel.receive(Fetched, timeout=_SLICE)
                if answered is None:
                    continue
                assert isinstance(answered.reply, Fetched)
                took, asked = time.monotonic() - asked, time.monotonic()
                self._adapt(sum(map(len, answered.frames)), took)
                if not self._take(answered.reply, answered.frames):
                    return
                channel.ask(self._question(session))

    def _question(self, session: str) -> Fetch:
        server = self._server
        ledger = server.ledgers.get(self._stream)
        return Fetch(
            viewer=server.instance,
            session=session,
            account=self._account,
            received=self._received,
            newest=self._newest,
            limit=self._limit,
            title=f"{server.kind} {server.title}".strip()[:256],
            counts=None if ledger is None else ledger.counts(),
        )

    def _adapt(self, nbytes: int, took: float) -> None:
        """Ask for as much as a slow link carries in a moment, and a fast one at once."""
        if nbytes >= self._limit:
            wanted = round(nbytes / max(took, 1e-3) * _AIM)
            self._limit = max(_LEAST_FETCH, min(wanted, 2 * self._limit, LARGEST_FETCH))

    def _take(self, fetched: Fetched, frames: list[memoryview]) -> bool:
        """Hand in what was fetched, once what came before was taken; False when it ends first."""
        while not self._taken.wait(_SLICE):
            if self._closing.is_set():
                return False
        if fetched.account != self._account:
            self._account, self._received = fetched.account, 0
            self._stream = f"relay-{fetched.account}"
            self._epoch = 1 + secrets.randbelow(1 << 32)
        if fetched.sequence != self._received:
            # A question of an earlier connection was answered between two of this one.
            raise NotListening(f"the relay sent plane {fetched.sequence} out of its turn")
        if fetched.cleared and not self._clear():
            return False  # nothing of it was taken: the relay tells of it again
        hand_in = self._server.hand_in
        sequence, at = fetched.sequence, 0
        for one in fetched.messages:
            end = at + one.frames
            hand_in(partial(self._deliver, sequence, one, frames[at:end]))
            sequence, at = sequence + one.planes, end
        self._received = sequence
        if fetched.messages:
            self._taken.clear()
            hand_in(self._taken.set)
        return True

    def _clear(self) -> bool:
        """Empty the viewer once it shows what was sent before; False when it ends first."""
        server = self._server
        ledger = server.ledgers.get(self._stream)
        if ledger is not None and not self._wait_for(ledger.when_settled(self._received)):
            return False
        return self._wait_for(server.on_gui(server.clear_own))

    def _wait_for(self, future: Future[Any]) -> bool:
        while not wait([future], _SLICE).done:
            if self._closing.is_set():
                return False
        return True

    # ---- the server's thread ----------------------------------------------------------

    def _deliver(self, sequence: int, one: Passed, frames: list[memoryview]) -> None:
        server = self._server
        ledger = server.ledgers.get(self._stream)
        if ledger is None:
            attach = Attach(
                stream=self._stream,
                epoch=self._epoch,
                sequence=sequence,
                producer=f"relay on {self.endpoint.host}, port {self.endpoint.port}",
                secret=self._secret,
            )
            ledger = server.open_account(attach)
        if not frames:
            ledger.receive(self._epoch, sequence, one.planes)
            for number in range(sequence, sequence + one.planes):
                ledger.dropped(number, "the relay had no room for it any more")
            return
        try:
            batch = decode(frames)
        except InvalidMessage as error:
            raise Refused(f"from the relay: {error}") from None
        own = msgspec.structs.replace(
            batch, stream=self._stream, epoch=self._epoch, sequence=sequence
        )
        server.take_in(own, frames, late=one.late)
