"""Many requests over one connection, several under way at once: for who asks again and again."""

from __future__ import annotations

import math
import time
from itertools import count
from typing import Final, NamedTuple, Self

import zmq

from coverslip.transport.client import BAD_HANDSHAKE, ended
from coverslip.transport.endpoint import Endpoint
from coverslip.transport.errors import NotListening, ProtocolError, RequestRefused
from coverslip.transport.messages import Failure, Reply, Request, decode_reply, encode
from coverslip.transport.receive import receive_message
from coverslip.transport.sockets import open_channel, open_context

__all__ = ["Answered", "Channel"]

_ENVELOPE: Final = 2
"""Frames before the answer: its ticket, and an empty one."""

_ENDS: Final = zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED | BAD_HANDSHAKE
"""What a monitor is to tell of: see `ended`."""


class Answered(NamedTuple):
    """One answer."""

    ticket: int
    """What `Channel.ask` returned."""
    reply: Reply
    frames: list[memoryview]
    """What came behind it, read-only, see `Enclosed`."""


class Channel:
    """Asks one server, at most once each; answers come as the server gives them.

    For one thread. It never reconnects by itself: once the connection has ended, what was asked
    may have been answered or not, and its owner opens another.

    Parameters
    ----------
    endpoint : Endpoint
        The server.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._tickets = count(1)
        self._context = open_context()
        try:
            self._socket = open_channel(self._context, endpoint)
            self._monitor = self._socket.get_monitor_socket(_ENDS)
            self._monitor.linger = 0
            self._socket.connect(endpoint.control_address)
            self._poller = zmq.Poller()
            self._poller.register(self._socket, zmq.POLLIN)
            self._poller.register(self._monitor, zmq.POLLIN)
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def ask(self, message: Request) -> int:
        """Send a request without waiting.

        Parameters
        ----------
        message : Request
            What to ask.

        Returns
        -------
        int
            The number that its answer will have.

        Raises
        ------
        NotListening
            When a thousand requests wait to be sent.
        """
        ticket = next(self._tickets)
        try:
            self._socket.send_multipart(
                [ticket.to_bytes(8, "big"), b"", encode(message)], zmq.NOBLOCK
            )
        except zmq.Again:
            raise NotListening(f"nothing leaves for {self.endpoint.control_address}") from None
        return ticket

    def receive(self, *types: type[Reply], timeout: float) -> Answered | None:
        """Return the next answer, None when none came in time.

        Parameters
        ----------
        *types : type of Reply
            What may be answered.
        timeout : float
            Seconds.

        Raises
        ------
        NoServer
            When nobody listens at that address.
        NotListening
            When the connection has ended, or the server does not answer a heartbeat.
        RequestRefused
            When the answer is a `Failure`.
        ProtocolError
            When the server does not admit this key, or answers something else.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            ready = dict(self._poller.poll(math.ceil(left * 1000)))
            # What came before the connection ended was sent before, too.
            if self._socket in ready and (frames := receive_message(self._socket)) is not None:
                return self._answered(frames, types)
            if self._monitor in ready:
                raise ended(self._monitor, self.endpoint)
            if left <= 0:
                return None

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answered(self, frames: list[memoryview], types: tuple[type[Reply], ...]) -> Answered:
        if len(frames) <= _ENVELOPE or frames[1].nbytes:
            raise ProtocolError(f"an answer of {len(frames)} frames without an envelope")
        reply = decode_reply(frames[_ENVELOPE], types)
        if isinstance(reply, Failure):
            raise RequestRefused(reply)
        ticket = int.from_bytes(frames[0][:8], "big")
        return Answered(ticket, reply, frames[_ENVELOPE + 1 :])
