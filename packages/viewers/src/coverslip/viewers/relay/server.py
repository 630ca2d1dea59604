"""`RelayServer`: to pipelines a viewer that takes planes in, to viewers what they fetch them from.

Two threads: the server's receives and answers, the *carrier* puts together what viewers asked for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

import msgspec

from coverslip.payload import CODEC, Batch, Inline, InvalidMessage, decode, decode_offer
from coverslip.transport import (
    LARGEST_REPLY,
    Answer,
    Attach,
    Attached,
    Clear,
    Done,
    Enclosed,
    Refused,
    Request,
    Usage,
    ZMQServer,
)
from coverslip.viewers.bursts import say_rest
from coverslip.viewers.relay.cursor import Cursor
from coverslip.viewers.relay.history import History
from coverslip.viewers.relay.messages import Audience, Fetch, ListAudience

__all__ = ["RelayServer"]

logger = logging.getLogger(__name__)

_PATIENCE: Final = 1.0
"""Seconds after which a viewer is told that nothing came, so that it knows the relay is there."""

_HERE: Final = 5.0
"""Seconds without a question after which a viewer counts as gone."""

_MOST_VIEWERS: Final = 256
_MOST_QUESTIONS: Final = 8
_LOOK: Final = 0.25
_JOIN_SECONDS: Final = 10.0


class _Asked(NamedTuple):
    """A question that was not answered yet."""

    request: Fetch
    answer: Future[Enclosed]
    when: float


class _Seat:
    """A viewer, and what it asked."""

    def __init__(self, cursor: Cursor, session: str) -> None:
        self.cursor = cursor
        self.session = session
        self.questions: deque[_Asked] = deque()
        self.heard = time.monotonic()

    @property
    def here(self) -> bool:
        """Whether it asks; else its laptop has gone, and may be back."""
        return time.monotonic() - self.heard < _HERE

    def knows(self, request: Fetch) -> bool:
        """Whether it is the viewer that it was; else one that knows nothing of what it was sent."""
        if request.account == self.cursor.account:
            self.session = request.session
        return request.session == self.session


class RelayServer(ZMQServer):
    """Takes in planes in each stream's order; passes them on as they came, each once to a viewer.

    A plane counts as shown once the relay has it. When neither memory nor disk has room for what
    comes, the oldest are dropped. A viewer that is slow, frozen or gone is not waited for: it is
    sent what it asks for, and no more.

    Parameters
    ----------
    memory : int
        Bytes that planes may take in memory.
    disk : int, optional
        Bytes that they may take on disk; None for as many as leave some to others.
    **options
        `ZMQServer`'s.
    """

    kind = "relay"
    default_port = 5570
    # What comes is decrypted beside what goes being encrypted.
    io_threads = 4
    capabilities = ("relay",)

    def __init__(self, *, memory: int, disk: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.history = History(memory, disk=disk, room_again=self.wake)
        self._seats: dict[str, _Seat] = {}
        self._closing = False
        self._carrier = threading.Thread(
            target=self._carry, name="coverslip-relay-carrier", daemon=True
        )

    def handlers(self) -> Mapping[type[Request], Answer]:
        """Return what a relay answers."""
        own: dict[type[Request], Answer] = {
            Fetch: self._fetch,
            ListAudience: self._list,
            Clear: self._clear,
        }
        return {**super().handlers(), **own}

    def bind(self) -> Any:
        """Bind both ports, and begin to pass on. Raises as `ZMQServer.bind`."""
        connection = super().bind()
        if not self._carrier.ident:
            self._carrier.start()
        return connection

    def attach(self, request: Attach) -> Attached:
        """Open a stream's account; its pixels are to come in the messages, compressed or not."""
        try:
            decode_offer(request.offer)
        except InvalidMessage as error:
            raise Refused(f"stream {request.stream}: {error}") from None
        attached = super().attach(request)
        reason = "a relay passes on what comes in messages, as it is"
        return msgspec.structs.replace(attached, reason=reason, codecs=[CODEC], keeps=True)

    def accepts_data(self) -> bool:
        """Whether there is room, or will be once something is on disk."""
        return self.history.has_room

    def handle_data(self, frames: list[memoryview]) -> None:
        """Hold one message."""
        try:
            batch = decode(frames)
        except InvalidMessage as error:
            raise Refused(str(error)) from None
        ledger = self.ledgers.get(batch.stream)
        if ledger is None:
            raise Refused(f"stream {batch.stream!r} has not attached")
        if not ledger.receive(batch.epoch, batch.sequence, len(batch.planes)):
            return
        numbers = range(batch.sequence, batch.sequence + len(batch.planes))
        reason = _unfit(batch, frames)
        if reason:
            for number in numbers:
                ledger.failed(number, reason)
            return
        self.history.add(batch, frames[1:])
        for number in numbers:
            ledger.shown(number)

    def housekeeping(self) -> None:
        """Log what bursts have left."""
        say_rest()

    def usage(self) -> Usage:
        """Return what the planes take."""
        return self.history.usage()

    def close(self) -> None:
        """Stop, and let go of every plane. Idempotent."""
        super().close()
        with self.history.changed:
            self._closing = True
            self.history.changed.notify_all()
        if self._carrier.ident:
            self._carrier.join(_JOIN_SECONDS)
        self.history.close()

    # ---- requests; the server's thread ------------------------------------------------

    def _fetch(self, request: Fetch) -> Future[Enclosed]:
        answer: Future[Enclosed] = Future()
        with self.history.changed:
            seat = self._seats.get(request.viewer)
            if seat is None or not seat.knows(request):
                seat = self._seat(request)
            if len(seat.questions) >= _MOST_QUESTIONS:
                raise Refused(f"{_MOST_QUESTIONS} questions of that viewer are open already")
            seat.heard = time.monotonic()
            seat.questions.append(_Asked(request, answer, seat.heard))
            self.history.changed.notify_all()
        return answer

    def _seat(self, request: Fetch) -> _Seat:
        self._unseat(request.viewer, "another connection of that viewer has come")
        if len(self._seats) >= _MOST_VIEWERS:
            longest = min(self._seats.values(), key=lambda seat: seat.heard)
            if longest.here:
                raise Refused(f"{_MOST_VIEWERS} viewers are served already")
            self._unseat(longest.cursor.viewer, "it was away, and others have come")
        cursor = Cursor(self.history, request.viewer, newest=request.newest)
        seat = self._seats[request.viewer] = _Seat(cursor, request.session)
        logger.info("viewer %r %r comes", request.viewer, request.title)
        return seat

    def _unseat(self, viewer: str, why: str) -> None:
        seat = self._seats.pop(viewer, None)
        for asked in () if seat is None else seat.questions:
            asked.answer.set_exception(Refused(why))

    def _list(self, request: ListAudience) -> Audience:
        with self.history.changed:
            return Audience(
                viewers=tuple(seat.cursor.reader(here=seat.here) for seat in self._seats.values())
            )

    def _clear(self, request: Clear) -> Done:
        self.history.clear()
        return Done()

    # ---- the carrier ------------------------------------------------------------------

    def _carry(self) -> None:
        while True:
            with self.history.changed:
                while not self._closing and (due := self._due()) is None:
                    self.history.changed.wait(_LOOK)
                if self._closing or due is None:
                    return
                asked = due.questions.popleft()
            try:
                asked.answer.set_result(due.cursor.answer(asked.request))
            except Refused as error:
                asked.answer.set_exception(error)
            except Exception as error:
                logger.exception("a viewer's question cannot be answered")
                asked.answer.set_exception(error)

    def _due(self) -> _Seat | None:
        """Return a viewer that is to be answered now, each in its turn; the lock is held."""
        now = time.monotonic()
        waiting = [seat for seat in self._seats.values() if seat.questions]
        for seat in sorted(waiting, key=lambda seat: seat.questions[0].when):
            if seat.cursor.has_more or now - seat.questions[0].when > _PATIENCE:
                return seat
        return None


def _unfit(batch: Batch, frames: Sequence[memoryview]) -> str:
    """Return why a message cannot be passed on; empty where it can."""
    if not all(isinstance(plane.pixels, Inline) for plane in batch.planes):
        return "its message lies in shared memory, which a relay reads not"
    longest = max(map(len, frames))
    if longest > LARGEST_REPLY:
        # Every viewer that follows would be cut off by it, again and again.
        return f"a frame of {longest} bytes: a relay passes on {LARGEST_REPLY} at most, cut it"
    return ""
