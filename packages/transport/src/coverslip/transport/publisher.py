"""The sending end of the data path: one XPUB socket to one viewer, shared within the process.

One socket a viewer, since a shared one lets the slowest viewer throttle the others (measured);
one viewer a process at a time, so that many streams to it cost one connection.
"""

from __future__ import annotations

import contextlib
import enum
import os
import threading
import weakref
from collections.abc import Sequence
from typing import TypeAlias

import zmq

from coverslip.transport.endpoint import Endpoint
from coverslip.transport.errors import NotListening, QueueFull
from coverslip.transport.sockets import HIGH_WATER, open_context, open_publisher

__all__ = ["Publisher", "PublisherState"]

Frame: TypeAlias = bytes | bytearray | memoryview


class PublisherState(enum.Enum):
    """Whether a viewer listens."""

    CONNECTING = "connecting"
    """None was there so far."""
    LISTENING = "listening"
    """A viewer is subscribed."""
    LOST = "lost"
    """The viewer was killed, froze, was cut off or closed; it may come back by itself."""


class Publisher:
    """Sends messages to one viewer: at most once, in order, never waiting, never silently lost.

    A message is taken only while a viewer is subscribed and the queue has room; `send` says when
    not. What was taken and not delivered when the viewer goes, goes with it: a change of
    `connections` tells that such a gap is possible.

    Thread-safe. After a fork the child's copy is inert (its state is LOST, closing it does
    nothing, the parent's goes on): acquire one in the child.

    Parameters
    ----------
    endpoint : Endpoint
        The viewer's server.
    high_water : int, default 1000
        Messages that may wait for the viewer.
    """

    _pool: dict[Endpoint, Publisher] = {}  # noqa: RUF012 - the process's, guarded by _pool_lock
    _pool_lock = threading.Lock()

    def __init__(self, endpoint: Endpoint, *, high_water: int = HIGH_WATER) -> None:
        self.endpoint = endpoint
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._state = PublisherState.CONNECTING
        self._connections = 0
        self._holders = 0
        self._closed = False
        self._context = open_context()
        self._socket = open_publisher(self._context, endpoint, high_water)
        _living.add(self)

    @classmethod
    def acquire(cls, endpoint: Endpoint) -> Publisher:
        """Return this process's publisher to an endpoint; `release` it once for each acquire."""
        with cls._pool_lock:
            publisher = cls._pool.get(endpoint)
            if publisher is None:
                publisher = cls._pool[endpoint] = cls(endpoint)
            publisher._holders += 1
            return publisher

    def release(self, linger: float = 0.0) -> None:
        """Give back what `acquire` gave; the last one closes, waiting up to `linger` seconds."""
        if self._pid != os.getpid():
            return
        with self._pool_lock:
            self._holders -= 1
            if self._holders > 0:
                return
            if self._pool.get(self.endpoint) is self:
                del self._pool[self.endpoint]
        self.close(linger)

    @property
    def connections(self) -> int:
        """Subscriptions received so far. A new value is a viewer that came (back): attach anew."""
        return self._connections

    def poll(self) -> PublisherState:
        """Read what the viewer's side told, without waiting, and return the state."""
        if self._pid != os.getpid():
            return PublisherState.LOST
        with self._lock:
            return self._poll()

    def send(
        self, frames: Sequence[Frame], *, copy: bool = True, track: bool = False
    ) -> zmq.MessageTracker | None:
        """Hand a message to the queue, or raise at once.

        Parameters
        ----------
        frames : sequence of bytes-like
            The message, header first. At least one frame.
        copy : bool, default True
            False sends large frames from their own memory, which must not change until then.
        track : bool, default False
            With ``copy=False``: return a tracker that is done when the memory is free again.

        Raises
        ------
        NotListening
            When no viewer is subscribed.
        QueueFull
            When the viewer does not keep up.
        """
        if self._pid != os.getpid():
            raise NotListening(
                f"this publisher belongs to process {self._pid}: acquire one after the fork"
            )
        with self._lock:
            if self._poll() is not PublisherState.LISTENING:
                raise NotListening(f"no viewer listens at {self.endpoint.data_address}")
            try:
                tracker = self._socket.send_multipart(frames, zmq.NOBLOCK, copy=copy, track=track)
            except zmq.Again:
                raise QueueFull(
                    f"the viewer at {self.endpoint.data_address} does not keep up: "
                    f"its queue of {self._socket.sndhwm} messages is full"
                ) from None
        return tracker

    def close(self, linger: float = 0.0) -> None:
        """Close the socket, waiting up to `linger` seconds for what is queued. Idempotent."""
        if self._pid != os.getpid():
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._state = PublisherState.LOST
            self._socket.close(linger=round(linger * 1000))
        # Waits for the queue, at most for the linger.
        self._context.term()

    def _poll(self) -> PublisherState:
        # One queue tells all: a subscription when a viewer comes, an unsubscription when its
        # connection ends, in the order in which these happened (IMMEDIATE, see sockets).
        if self._closed:
            return self._state
        # recv, not getsockopt(EVENTS): either may free what a dead viewer left queued, of which
        # pyzmq tells its collecting thread through a socket that can be full; recv lets go of the
        # GIL meanwhile, and getsockopt deadlocks there (seen with pyzmq 27.3).
        with contextlib.suppress(zmq.Again):
            while True:
                if self._socket.recv(zmq.NOBLOCK)[:1] == b"\x01":
                    self._state = PublisherState.LISTENING
                    self._connections += 1
                else:
                    self._state = PublisherState.LOST
        return self._state


# All that are not collected, and those that a fork left in a child.
_living: weakref.WeakSet[Publisher] = weakref.WeakSet()
_inherited: list[Publisher] = []


def _forget_parents_pool() -> None:
    # The child begins with none. The parent's stay referenced: pyzmq closes nothing that another
    # process opened, but would warn of each when it is collected.
    _inherited.extend(_living)
    Publisher._pool = {}
    Publisher._pool_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_pool)
