"""A viewer with a third party's bugs, and clients: one with manners, one without."""

from __future__ import annotations

from concurrent.futures import Future

import zmq

from coverslip.transport import (
    Done,
    QueueFull,
    Refused,
    Request,
    request,
)
from tests.transport.echo_viewer import EchoViewer
from tests.waiting import DEADLINE


class Odd(Request, frozen=True, kw_only=True):
    what: str


class OddViewer(EchoViewer):
    """Does what a third party's viewer may do wrong."""

    open = True

    def __init__(self, **words):
        super().__init__(**words)
        self.late: Future[Done] = Future()

    def accepts_data(self):
        return self.open

    def handle_data(self, frames):
        if bytes(frames[0]) == b"raise":
            raise RuntimeError("a bug")
        super().handle_data(frames)

    def handlers(self):
        return {**super().handlers(), Odd: self._odd}

    def _odd(self, odd):
        match odd.what:
            case "raise":
                raise RuntimeError("a bug")
            case "refuse":
                raise Refused("not today")
            case "unreadable":
                raise RuntimeError("no such file: \udcff.tif")
            case "nonsense":
                return 3
            case "late":
                return self.late
            case "failed":
                future: Future[Done] = Future()
                future.set_exception(RuntimeError("late bug"))
                return future
            case "close":
                self.close()
                return Done()
        return Done()


def ask(server, message, kind, timeout=DEADLINE):
    return request(server.connection.endpoint, message, kind, timeout=timeout)


class Raw:
    """A client with the key, and no manners."""

    def __init__(self, endpoint, kind, *, control=True):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.linger = 0
        self.socket.rcvtimeo = int(DEADLINE * 1000)
        self.socket.curve_serverkey = endpoint.server_key.encode()
        self.socket.curve_secretkey = endpoint.client_secret.encode()
        self.socket.curve_publickey = endpoint.client_public.encode()
        self.socket.connect(endpoint.control_address if control else endpoint.data_address)

    def __enter__(self):
        return self.socket

    def __exit__(self, *_):
        self.context.destroy(linger=0)


def taken(publisher, header):
    """Send a message, large enough to fill queues soon; False when they are."""
    try:
        publisher.send([header, bytes(10_000)])
    except QueueFull:
        return False
    return True
