"""Requests to replies: one ROUTER, many clients, answers now or later.

Whatever arrives is answered: with its handler's reply, or with a `Failure`. No request, however
odd, stops the ones after it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from itertools import count as counter
from typing import Any, Final, NamedTuple, TypeAlias

import zmq

from .errors import ProtocolError, Refused
from .messages import Failure, Reply, Request, decode_request, encode
from .sockets import Socket

__all__ = ["Answer", "Dispatch"]

_log = logging.getLogger(__name__)

_MOST_ENVELOPE: Final = 16

Answer: TypeAlias = "Callable[[Any], Reply | Future[Reply]]"
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
        self._ended: deque[tuple[int, Future[Reply]]] = deque()

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
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
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
            envelope, request = self._open.pop(ticket)
            if self._reply(envelope, request, future.result):
                done.append(request)
        return done

    def abandon(self) -> None:
        """Answer all that is open with a failure: the server stops."""
        self.answer_late()
        while self._open:
            envelope, request = self._open.popitem()[1]
            name = type(request).__name__
            self._send(envelope, Failure(code="stopping", message=f"the server stops: {name}"))

    def _answer(self, frames: list[bytes]) -> Request | None:
        # A REQ sends [identity, b"", body], with REQ_CORRELATE [identity, id, b"", body]: all up
        # to the first empty frame goes back as it came.
        gap = frames.index(b"", 1) if b"" in frames[1:_MOST_ENVELOPE] else 0
        envelope, body = [*frames[: gap or 1], b""], frames[gap + 1 :]
        try:
            if not gap or len(body) != 1:
                raise ProtocolError("a request is one frame after an empty one, as a REQ sends it")
            request = decode_request(body[0], self._answers)
        except ProtocolError as error:
            self.refused += 1
            _log.debug("refused a request: %s", error)
            self._send(envelope, Failure(code=error.code, message=str(error)))
            return None
        answer = self._answers[type(request)]
        if self._reply(envelope, request, lambda: answer(request)):
            return request
        return None

    def _reply(
        self,
        envelope: list[bytes],
        request: Request,
        result: Callable[[], Reply | Future[Reply]],
    ) -> bool:
        """Send what `result` returns, or a Failure; True for a reply that is no Failure."""
        name = type(request).__name__
        try:
            reply = result()
            if isinstance(reply, Future):
                self._await(envelope, request, reply)
                return False
            if not isinstance(reply, Reply):
                raise TypeError(f"its answer is no Reply but {type(reply).__name__}")
            data = encode(reply)
        except Refused as error:
            self.refused += 1
            _log.info("refused %s: %s", name, error)
            self._send(envelope, Failure(code="refused", message=str(error)))
            return False
        except Exception as error:
            _log.exception("%s failed", name)
            text = f"{name}: {type(error).__name__}: {error}"
            self._send(envelope, Failure(code="error", message=text))
            return False
        self._send(envelope, data)
        return not isinstance(reply, Failure)

    def _await(self, envelope: list[bytes], request: Request, future: Future[Reply]) -> None:
        ticket = next(self._ticket)
        self._open[ticket] = _Open(envelope, request)

        def ended(future: Future[Reply]) -> None:
            self._ended.append((ticket, future))
            self._wake()

        future.add_done_callback(ended)

    def _send(self, envelope: list[bytes], reply: Reply | bytes) -> None:
        data = reply if isinstance(reply, bytes) else encode(reply)
        try:
            self.socket.send_multipart([*envelope, data], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            _log.debug("a client left before its answer: %s", error)
