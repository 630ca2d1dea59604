"""Peers that knock on a viewer's ports and do not hold its key."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import msgspec
import zmq

from coverslip.transport import Endpoint, KeyPair

__all__ = ["HOW", "intruding"]

HOW = ("no key", "a wrong key", "the server's public key alone", "HTTP")
"""What they come with."""


@contextlib.contextmanager
def intruding(endpoint: Endpoint, how: str, peers: int) -> Iterator[None]:
    """Have peers knock on both ports of a viewer all the time within the block."""
    done = threading.Event()
    knock = _http if how == "HTTP" else _curve
    threads = [threading.Thread(target=knock, args=(endpoint, how, done)) for _ in range(peers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _http(endpoint: Endpoint, how: str, done: threading.Event) -> None:
    while not done.wait(0.01):
        for port in (endpoint.port, endpoint.control_port):
            with (
                contextlib.suppress(OSError),
                socket.create_connection((endpoint.host, port), timeout=1) as plain,
            ):
                plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                plain.settimeout(0.05)
                plain.recv(100)


def _curve(endpoint: Endpoint, how: str, done: threading.Event) -> None:
    with zmq.Context() as context:
        while not done.is_set():
            for kind, address in (
                (zmq.XPUB, endpoint.data_address),
                (zmq.DEALER, endpoint.control_address),
            ):
                with context.socket(kind) as peer:
                    peer.linger = 0
                    pair = KeyPair.new()
                    if how != "no key":
                        wrong = how == "a wrong key"
                        server = KeyPair.new().public if wrong else endpoint.server_key
                        peer.curve_serverkey = server.encode()
                        peer.curve_secretkey = pair.secret.encode()
                        peer.curve_publickey = pair.public.encode()
                    peer.connect(address)
                    if kind == zmq.DEALER:
                        # A refused one has nobody to send to any more, and would wait for ever.
                        with contextlib.suppress(zmq.Again):
                            request = msgspec.msgpack.encode({"type": "Status"})
                            peer.send_multipart([b"", request], zmq.NOBLOCK)
                    assert not peer.poll(100), "it was let in"
