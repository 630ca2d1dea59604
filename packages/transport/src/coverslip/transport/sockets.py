"""Every ZeroMQ socket that transport opens, with its options and why: in one place.

Each socket gets CURVE keys, linger 0 and a bound on what one frame may weigh. What the sockets do
under load, loss and death was measured with libzmq 4.3.5.
"""

from __future__ import annotations

import math
import os
from typing import Final, TypeAlias

import zmq

from coverslip.transport.endpoint import Endpoint
from coverslip.transport.errors import TransportError
from coverslip.transport.keys import KeyPair
from coverslip.transport.messages import LARGEST_REQUEST

__all__ = [
    "HEARTBEAT_INTERVAL",
    "HEARTBEAT_TIMEOUT",
    "HIGH_WATER",
    "LARGEST_REPLY",
    "Context",
    "Socket",
    "open_context",
    "open_channel",
    "open_control",
    "open_data",
    "open_publisher",
    "open_request",
]

Socket: TypeAlias = zmq.Socket[bytes]
Context: TypeAlias = zmq.Context[Socket]

HIGH_WATER: Final = 1000
"""Messages that a data socket holds; bytes in flight are the stream's to bound."""

_UNREAD: Final = 8 * HIGH_WATER
"""Messages that a server's data socket holds for each sender.

When they are reached, libzmq stops reading that connection, heartbeats included, and both ends
take a slow peer for a frozen one: two seconds later the connection is cut. Senders that bound what
is unread (as the streams of coverslip.viewers do) never get there.
"""

HEARTBEAT_INTERVAL: Final = 400
HEARTBEAT_TIMEOUT: Final = 2000
"""Milliseconds. A frozen peer keeps its TCP connection: only a missed heartbeat tells.

A peer that is alive on a starved machine must not be cut off, since that costs it what is under
way: with a timeout of 600 ms one was, at 13 processes that wanted two cores.
"""

_CONNECT_TIMEOUT: Final = 3000
"""Milliseconds after which a connection is begun anew.

The system asks ever more seldom while nobody answers: a link that was silent for 45 s stayed
unused for another 24 s, and with this for one (measured).
"""

_HANDSHAKE_MARGIN: Final = 1.0
"""Seconds that a request's handshake has beyond the request itself."""

_LONGEST_HANDSHAKE: Final = 2**31 - 1
"""Milliseconds that libzmq's option holds."""

_UNREADABLE: Final = 4 * LARGEST_REQUEST
"""Bytes of a request's frame at which its connection is ended, unread.

libzmq does so without a word to either side, and its monitor tells of it as of any client that
leaves. So it is far above what is refused, which is answered and counted.
"""

LARGEST_REPLY: Final = 256 << 20
"""Bytes of one frame of an answer; a longer one ends the connection of who asked."""

_LARGEST_FRAME: Final = 2 << 30

_DESCRIPTORS: Final = 16
"""What a context and its sockets take, besides two for each of its threads."""

# The reply to Shutdown must still leave; a peer that reads nothing delays the end by this at most.
_CONTROL_LINGER: Final = 250


def open_context(io_threads: int = 1) -> Context:
    """Return a context of one's own: nobody else's ZAP, linger or fork reaches it.

    A connection belongs to one of its threads, which encrypts and decrypts what it carries.

    Raises
    ------
    TransportError
        When this process has no descriptors left for it.
    """
    _look_for_descriptors(_DESCRIPTORS + 2 * io_threads)
    context = zmq.Context(io_threads=io_threads)
    # IPv6 addresses too; IPv4 ones go on working.
    context.setsockopt(zmq.IPV6, 1)
    context.setsockopt(zmq.LINGER, 0)
    return context


def open_data(context: Context, keys: KeyPair) -> Socket:
    """Return a server's SUB, to bind: it takes in whatever streams send."""
    socket = _server(context.socket(zmq.SUB), keys)
    socket.rcvhwm = _UNREAD
    socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_FRAME)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT)
    socket.subscribe(b"")
    return socket


def open_control(context: Context, keys: KeyPair) -> Socket:
    """Return a server's ROUTER, to bind."""
    socket = _server(context.socket(zmq.ROUTER), keys)
    socket.setsockopt(zmq.MAXMSGSIZE, _UNREADABLE)
    # Else a reply to a client that left vanishes without an error to log.
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    # Clients that vanish with their machine are let go.
    socket.setsockopt(zmq.HEARTBEAT_IVL, 5 * HEARTBEAT_INTERVAL)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * HEARTBEAT_TIMEOUT)
    socket.linger = _CONTROL_LINGER
    return socket


def open_publisher(context: Context, endpoint: Endpoint, high_water: int = HIGH_WATER) -> Socket:
    """Return a stream's XPUB, connecting to a server's data socket.

    NODROP makes a full queue an error; without it 1965 of 2000 messages were lost silently.
    VERBOSE lets the subscription of a viewer that came back through, which is otherwise merged
    with the one before. IMMEDIATE ties subscription and queue to the connection: when that ends,
    an unsubscription is queued here in its right place (without it, none is), and what a dead
    viewer did not take is not delivered to the next.
    """
    socket = _client(context.socket(zmq.XPUB), endpoint)
    socket.sndhwm = high_water
    socket.setsockopt(zmq.XPUB_NODROP, 1)
    socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, _CONNECT_TIMEOUT)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT)
    # All that a subscriber ever sends is a subscription.
    socket.setsockopt(zmq.MAXMSGSIZE, 1 << 10)
    socket.connect(endpoint.data_address)
    return socket


def open_request(context: Context, endpoint: Endpoint, timeout: float) -> Socket:
    """Return a REQ for one request, not connected yet, so that it can be monitored first.

    Its handshake has longer than the `timeout` seconds of the request: a server that is frozen is
    then one that does not answer, and not one that turns the key away.
    """
    socket = _client(context.socket(zmq.REQ), endpoint)
    longer = math.ceil((timeout + _HANDSHAKE_MARGIN) * 1000)
    socket.setsockopt(zmq.HANDSHAKE_IVL, min(longer, _LONGEST_HANDSHAKE))
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_REPLY)
    return socket


def open_channel(context: Context, endpoint: Endpoint) -> Socket:
    """Return a DEALER for many requests, not connected yet, so that it can be monitored first."""
    socket = _client(context.socket(zmq.DEALER), endpoint)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_REPLY)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 5 * HEARTBEAT_INTERVAL)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * HEARTBEAT_TIMEOUT)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, _CONNECT_TIMEOUT)
    # Whoever has it begins anew, and knows that a request or an answer may have been lost.
    socket.setsockopt(zmq.RECONNECT_IVL, -1)
    return socket


def _look_for_descriptors(count: int) -> None:
    """Raise where a process cannot open so many files: libzmq would end it, by `abort`."""
    found: list[int] = []
    try:
        found.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(count))
    except OSError as error:
        raise TransportError(
            f"this process cannot open {count} more files, which a connection takes: {error}; "
            "close some, or allow it more (ulimit -n)"
        ) from None
    finally:
        for descriptor in found:
            os.close(descriptor)


def _server(socket: Socket, keys: KeyPair) -> Socket:
    socket.linger = 0
    socket.curve_secretkey = keys.secret.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_server = True
    return socket


def _client(socket: Socket, endpoint: Endpoint) -> Socket:
    socket.linger = 0
    socket.curve_serverkey = endpoint.server_key.encode()
    socket.curve_secretkey = endpoint.client_secret.encode()
    socket.curve_publickey = endpoint.client_public.encode()
    return socket
