"""The sockets of one running server: opened, bound, announced, watched and closed together."""

from __future__ import annotations

import os
import socket as system_socket
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, cast

import zmq

from coverslip.transport.connection import Connection, remove, write
from coverslip.transport.endpoint import Endpoint
from coverslip.transport.errors import PortTaken
from coverslip.transport.keys import Authenticator, KeyPair
from coverslip.transport.ports import bind_pair, port_taken, resolve
from coverslip.transport.sockets import Socket, open_context, open_control, open_data

__all__ = ["Bound", "Ready"]

_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Ready(NamedTuple):
    """Which sockets have something to read."""

    peers: bool
    requests: bool
    data: bool


class Bound:
    """A server's bound sockets and its connection file, in a context of its own.

    `wake` may be called from any thread and in a signal's Python code. All else belongs to the
    thread that runs the loop.

    Parameters
    ----------
    kind : str
        The server's kind.
    host : str
        Name or address to bind.
    ports : sequence of int
        Data ports to try, the first free pair is taken. With one only, a taken one is an error
        that names its holder.
    announce : callable
        Makes the connection file's content for the endpoint that was bound.
    io_threads : int, default 1
        Threads that its connections are spread over.

    Raises
    ------
    PortTaken
        When no pair is free.
    AddressError
        When the host is no address of this machine.
    """

    def __init__(
        self,
        kind: str,
        host: str,
        ports: Sequence[int],
        announce: Callable[[Endpoint], Connection],
        *,
        io_threads: int = 1,
    ) -> None:
        self.address = resolve(host)
        self._keys, self._client = KeyPair.new(), KeyPair.new()
        self._context = open_context(io_threads)
        # Reentrant: a signal's Python code may wake the loop while the same thread does.
        self._wake_lock = threading.RLock()
        self._wake_receiver, self._wake_sender = system_socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        try:
            # Before any port is bound: the first peer that comes finds the door watched.
            self.authenticator = Authenticator(self._context, self._client.public)
            self.connection = self._bind(kind, ports, announce)
        except BaseException:
            self._close_sockets()
            raise
        # A process that ends without close still takes its file along, unless it is killed.
        self._remove = weakref.finalize(self, _remove_own, self.connection, os.getpid())
        self._watches_data = True
        self._data_fileno = cast("int", self.data.getsockopt(zmq.FD))
        self._poller = zmq.Poller()
        for socket in (self.authenticator.socket, self.control, self.data):
            self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._wake_receiver.fileno(), zmq.POLLIN)

    def wait(self, timeout: int, *, data: bool) -> Ready:
        """Wait until something can be read or `wake` is called.

        Parameters
        ----------
        timeout : int
            Milliseconds; 0 only looks, -1 waits for as long as it takes.
        data : bool
            Whether the data socket is of interest now.
        """
        if data is not self._watches_data:
            # Held back, the socket itself must still be turned: a peer that comes is only
            # subscribed to when it is, so its descriptor is watched instead.
            self._poller.modify(self.data, zmq.POLLIN if data else 0)
            self._poller.modify(self._data_fileno, 0 if data else zmq.POLLIN)
            self._watches_data = data
        ready = {socket for socket, _ in self._poller.poll(timeout)}
        if not data:
            self.data.getsockopt(zmq.EVENTS)
        if self._wake_receiver.fileno() in ready:
            self._drain()
        return Ready(self.authenticator.socket in ready, self.control in ready, self.data in ready)

    def wake(self) -> None:
        """End a `wait`, now or the next. Never blocks."""
        with self._wake_lock:
            try:
                self._wake_sender.send(b"\0")
            except OSError:
                # Full, so a wake-up is waiting already; or closed, so nobody waits.
                return

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors that a foreign loop watches for reading."""
        sockets = (self.authenticator.socket, self.control, self.data)
        numbers = [cast("int", socket.getsockopt(zmq.FD)) for socket in sockets]
        return (*numbers, self._wake_receiver.fileno())

    def close(self) -> None:
        """Take the connection file away and close all; waits 0.25 s at most for a last reply."""
        # The file first: nobody is sent to a port that is about to be another's.
        self._remove()
        self._close_sockets()

    def _bind(
        self, kind: str, ports: Sequence[int], announce: Callable[[Endpoint], Connection]
    ) -> Connection:
        for port in ports:
            self.data: Socket = open_data(self._context, self._keys)
            self.control: Socket = open_control(self._context, self._keys)
            taken = bind_pair(self.data, self.control, self.address, port)
            if taken is None:
                endpoint = Endpoint(
                    kind=kind,
                    host=_REACHED_AT.get(self.address, self.address),
                    port=port,
                    server_key=self._keys.public,
                    client_secret=self._client.secret,
                )
                connection = announce(endpoint)
                try:
                    write(connection)
                except PortTaken:
                    if len(ports) == 1:
                        raise
                else:
                    return connection
            elif len(ports) == 1:
                raise port_taken(taken, port, self.address)
            self.data.close(0)
            self.control.close(0)
        raise PortTaken(
            f"no free pair of ports on {self.address}: tried {ports[0]} to {ports[-1]}; "
            "stop some servers",
            port=ports[0],
        )

    def _drain(self) -> None:
        try:
            while self._wake_receiver.recv(4096):
                pass
        except BlockingIOError:
            return

    def _close_sockets(self) -> None:
        with self._wake_lock:
            self._wake_sender.close()
        self._wake_receiver.close()
        # Each with its own linger: 0, but for the control socket's last reply.
        self._context.destroy()


def _remove_own(connection: Connection, pid: int) -> None:
    # A forked child that ends has its parent's objects, but not its server.
    if os.getpid() == pid:
        remove(connection)
