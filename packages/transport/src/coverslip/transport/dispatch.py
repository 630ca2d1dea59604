"""Requests to replies: one ROUTER, many clients, answers now or later.

Whatever arrives is answered: with its handler's reply, or with a `Failure`. No request, however
odd, stops the ones after it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from itertools import count as counter
from typing import Any, Final, NamedTuple, TypeAlias

import zmq

from coverslip.transport.errors import ProtocolError, Refused
from coverslip.transport.messages import (
    Enclosed,
    Failure,
    Reply,
    Request,
    decode_request,
    encode,
    readable,
)
from coverslip.transport.receive import receive_message
from coverslip.transport.sockets import Socket

__all__ = ["Answer", "Dispatch"]

logger = logging.getLogger(__name__)

_MOST_ENVELOPE: Final = 16
_LARGEST_ENVELOPE: Final = 1 << 12
"""Frames and bytes of what a request comes in: names of proxies, of 255 bytes each. It is kept
until the answer."""

_MOST_OPEN: Final = 4096

Answer: TypeAlias = "Callable[[Any], Reply | Enclosed | Future[Any]]"
"""What answers one type of request: with a reply, or with a future of one."""


class _Open(NamedTuple):
    envelope: list[bytes]
    request: Request


class Dispatch:
    """Answers every request on a ROUTER exactly once, unless its client has left.

    Belongs to the thread that runs the server's loop. Futures may end in any thread.

    Parameters
    ----------
    socket : zmq.Socket
        A bound ROUTER.
    answers : mapping of request type to callable
        Who answers what.
    wake : callable
        Called, from any thread, when a future has ended: `answer_late` has work then.
    """

    def __init__(
        self,
        socket: Socket,
        answers: Mapping[type[Request], Answer],
        wake: Callable[[], None],
    ) -> None:
        self.socket = socket
        self.refused = 0
        self._answers = dict(answers)
        self._wake = wake
        self._ticket = counter()
        self._open: dict[int, _Open] = {}
        self._ended: deque[tuple[int, Future[Any]]] = deque()

    def answer(self, most: int) -> tuple[int, list[Request]]:
        """Take in up to `most` requests without waiting; answer each, now or later.

        Returns
        -------
        count : int
            How many there were.
        done : list of Request
            Those that were answered, and not with a failure.
        """
        done: list[Request] = []
        for count in range(most):
            # One more than is ever answered, so that those that have more are refused.
            frames = receive_message(self.socket, _MOST_ENVELOPE + 2)
            if frames is None:
                return count, done
            request = self._answer(frames)
            if request is not None:
                done.append(request)
        return most, done

    def answer_late(self) -> list[Request]:
        """Send the answers that became ready; return the requests that did not fail."""
        done: list[Request] = []
        while self._ended:
            ticket, future = self._ended.popleft()
            late = self._open.pop(ticket, None)
            if late is not None and self._reply(late.envelope, late.request, future.result):
                done.append(late.request)
        return done

    def abandon(self) -> None:
        """Answer all that is open with a failure: the server stops."""
        self.answer_late()
        while self._open:
            self._fail_oldest("stopping", "the server stops")

    def _answer(self, frames: list[memoryview]) -> Request | None:
        # A REQ sends [identity, b"", body], with REQ_CORRELATE [identity, id, b"", body]: all up
        # to the first empty frame goes back as it came.
        gaps = (at for at, frame in enumerate(frames[:_MOST_ENVELOPE]) if at and not frame)
        gap = next(gaps, 0)
        if sum(map(len, frames[:gap])) > _LARGEST_ENVELOPE:
            gap = 0
        envelope, body = [*map(bytes, frames[: gap or 1]), b""], frames[gap + 1 :]
        try:
            request = self._decode(body if gap else [])
        except ProtocolError as error:
            self.refused += 1
            logger.debug("refused a request: %s", error)
            self._fail(envelope, error.code, str(error))
            return None
        answer = self._answers[type(request)]
        if self._reply(envelope, request, lambda: answer(request)):
            return request
        return None

    def _decode(self, body: list[memoryview]) -> Request:
        if len(body) != 1:
            raise ProtocolError("a request is one frame after an empty one, as a REQ sends it")
        return decode_request(body[0], self._answers)

    def _reply(
        self,
        envelope: list[bytes],
        request: Request,
        result: Callable[[], Reply | Enclosed | Future[Any]],
    ) -> bool:
        """Send what `result` returns, or a Failure; True for a reply that is no Failure."""
        name = type(request).__name__
        try:
            reply = result()
            frames: Sequence[bytes | memoryview] = ()
            if isinstance(reply, Future):
                self._await(envelope, request, reply)
                return False
            if isinstance(reply, Enclosed):
                reply, frames = reply
            data = encode(_checked(reply))
        except Refused as error:
            self.refused += 1
            # Who asked is told; here, junk at full speed would fill the disk.
            logger.debug("refused %s: %s", name, error)
            self._fail(envelope, "refused", str(error))
            return False
        except Exception as error:
            logger.exception("%s failed", name)
            self._fail(envelope, "error", f"{name}: {type(error).__name__}: {error}")
            return False
        self._send(envelope, data, frames)
        return not isinstance(reply, Failure)

    def _await(self, envelope: list[bytes], request: Request, future: Future[Any]) -> None:
        ticket = next(self._ticket)
        self._open[ticket] = _Open(envelope, request)
        if len(self._open) > _MOST_OPEN:
            # Whoever asked first has most likely given up: a client's deadline is not known here.
            self._fail_oldest("too-many", f"{_MOST_OPEN} later requests wait")

        def ended(future: Future[Any]) -> None:
            self._ended.append((ticket, future))
            self._wake()

        future.add_done_callback(ended)

    def _fail_oldest(self, code: str, why: str) -> None:
        envelope, request = self._open.pop(next(iter(self._open)))
        self._fail(envelope, code, f"{type(request).__name__}: {why}")

    def _fail(self, envelope: list[bytes], code: str, text: str) -> None:
        # Any exception's words may hold a file's odd name; none may end the server.
        self._send(envelope, encode(Failure(code=code, message=readable(text))))

    def _send(
        self,
        envelope: list[bytes],
        data: bytes,
        frames: Sequence[bytes | memoryview] = (),
    ) -> None:
        try:
            self.socket.send_multipart([*envelope, data, *frames], zmq.NOBLOCK, copy=not frames)
        except zmq.ZMQError as error:
            logger.debug("a client left before its answer: %s", error)


def _checked(reply: object) -> Reply:
    # A third party's answer need not keep to its annotation.
    if not isinstance(reply, Reply):
        raise TypeError(f"the answer is no Reply but {type(reply).__name__}")
    return reply
