"""One request to a server, with one deadline."""

from __future__ import annotations

import math
import time
from typing import Final, TypeVar

import zmq
from zmq.utils.monitor import recv_monitor_message

from coverslip.transport.endpoint import Endpoint
from coverslip.transport.errors import (
    NoServer,
    NotListening,
    ProtocolError,
    RequestRefused,
    RequestTimeout,
    TransportError,
)
from coverslip.transport.messages import Failure, Ping, Pong, Reply, Request, decode_reply, encode
from coverslip.transport.sockets import Socket, open_context, open_request

__all__ = ["BAD_HANDSHAKE", "ended", "ping", "request"]

R = TypeVar("R", bound=Reply)

BAD_HANDSHAKE: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
"""What a monitor is to tell of a server that does not let this key in."""


def request(endpoint: Endpoint, message: Request, reply_type: type[R], *, timeout: float) -> R:
    """Ask a server and return its reply. From any thread or process, at most once.

    Each call has a context and a socket of its own: after a timeout a REQ socket is stuck, and
    nothing is left that a thread or a forked child could share. That costs under two
    milliseconds, most of them the handshake.

    Parameters
    ----------
    endpoint : Endpoint
        The server.
    message : Request
        What to ask.
    reply_type : type of Reply
        The reply that this request has.
    timeout : float
        Seconds until `RequestTimeout`.

    Raises
    ------
    NoServer
        When nobody listens at that address.
    RequestTimeout
        When no reply came in time; the server may still do what was asked.
    RequestRefused
        When the server answered a `Failure`.
    ProtocolError
        When it speaks another protocol, does not admit this key, or answers something else.
    """
    deadline = time.monotonic() + timeout
    context = open_context()
    try:
        socket = open_request(context, endpoint, timeout)
        # CONNECT_RETRIED: the connection was refused, and ZeroMQ would try until the deadline.
        monitor = socket.get_monitor_socket(zmq.EVENT_CONNECT_RETRIED | BAD_HANDSHAKE)
        monitor.linger = 0
        socket.connect(endpoint.control_address)
        socket.send(encode(message))
        data = _receive(socket, monitor, endpoint, message, deadline, timeout)
    finally:
        context.destroy(linger=0)
    reply = decode_reply(data, (reply_type,))
    if isinstance(reply, reply_type):
        return reply
    if isinstance(reply, Failure):
        raise RequestRefused(reply)
    raise ProtocolError(f"{type(reply).__name__} is no answer to {type(message).__name__}")


def ping(endpoint: Endpoint, timeout: float = 1.0) -> Pong:
    """Ask a server who it is and how it is. Raises as `request`."""
    return request(endpoint, Ping(), Pong, timeout=timeout)


def ended(monitor: Socket, endpoint: Endpoint) -> TransportError:
    """Return what the event that a connection's monitor has tells of its end."""
    where = f"{endpoint.kind} at {endpoint.control_address}"
    event = recv_monitor_message(monitor)["event"]
    # Closed: one that is not to be retried; what was connected is disconnected instead.
    if event in (zmq.EVENT_CONNECT_RETRIED, zmq.EVENT_CLOSED):
        return NoServer(f"nobody listens: tried {where}; it has ended, or starts on another port")
    if event & BAD_HANDSHAKE:
        return ProtocolError(
            f"{where} refused the handshake: the key is not its client's, or another program "
            "has the port; read the connection file or the coverslip:// line again",
            code="protocol",
        )
    return NotListening(f"the connection to {where} has ended: it was closed, froze or was cut off")


def _receive(
    socket: Socket,
    monitor: Socket,
    endpoint: Endpoint,
    message: Request,
    deadline: float,
    timeout: float,
) -> bytes:
    where = f"{endpoint.kind} at {endpoint.control_address}"
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(monitor, zmq.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        ready = dict(poller.poll(math.ceil(left * 1000)))
        if socket in ready:
            frames = socket.recv_multipart(zmq.NOBLOCK)
            if len(frames) != 1:
                raise ProtocolError(f"{where} answered {len(frames)} frames, expected one")
            return frames[0]
        if monitor in ready:
            raise ended(monitor, endpoint)
    raise RequestTimeout(
        f"no answer to {type(message).__name__} from {where} within {timeout:g} s: "
        "it is frozen, busy, out of reach, or holds other keys"
    )
