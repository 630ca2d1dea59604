"""Real messages, as real streams and clients sent them: what the fuzzer begins from."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import numpy as np

from coverslip.payload import Arena, Source, encode_offer
from coverslip.transport import (
    Attach,
    Counts,
    Detach,
    Endpoint,
    Flush,
    KeyPair,
    Ping,
    Request,
    Screenshot,
    Status,
    encode,
)
from coverslip.viewers.messages import DescribeLayers, Follow, RaiseWindow, RunMacro, Unfollow
from coverslip.viewers.relay.messages import Fetch, ListAudience
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.faults.case import picture
from tests.viewers.headless import HeadlessServer

__all__ = ["LOOPBACK", "record_data", "record_requests"]

LOOPBACK = "127.0.0.1"


class Recorder(HeadlessServer):
    """Keeps every data message as it came; of a stream whose pixels it shares or does not."""

    def __init__(self, *, shares: bool) -> None:
        super().__init__()
        self.messages: list[list[bytes]] = []
        self._shares = shares

    def attach(self, request: Attach) -> Any:
        if not self._shares:
            request = msgspec.structs.replace(request, offer=encode_offer(_NOWHERE))
        return super().attach(request)

    def handle_data(self, frames: list[memoryview]) -> None:
        self.messages.append([bytes(frame) for frame in frames])
        super().handle_data(frames)


def record_data() -> list[list[bytes]]:
    """Return the messages of two streams, one that shares memory and one that does not."""
    messages: list[list[bytes]] = []
    for shares in (True, False):
        with Recorder(shares=shares) as server:
            server.start()
            done = threading.Event()

            def tick(server: Recorder = server, done: threading.Event = done) -> None:
                while not done.wait(0.002):
                    server.tick()

            ticker = threading.Thread(target=tick)
            ticker.start()
            stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=16 << 20)
            _send(stream)
            stream.close(30)
            done.set()
            ticker.join()
            messages += server.messages
    assert any(len(message) > 1 for message in messages)
    return messages


def _send(stream: Stream) -> None:
    source = Source(step_name="raw", step_index=0, modes={"channel": "slice"})
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    points = np.arange(12, dtype=np.float64).reshape(6, 2)
    for number in range(3):
        stream.send([Image({"well": "A01", "z_index": number}, picture(number))], source)
    batch = [Image({"time": 0.5 * z, "channel": "DAPI"}, picture(z, 32)) for z in range(5)]
    stream.send(batch, source)
    stream.send([Image({"well": "B02"}, rgb, rgb=True, origin="/data/a.tif")], Source(name="rgb"))
    stream.send([Image({"well": "B02"}, points, kind="points")], Source(name="spots"))
    stream.send([Image({}, picture(9, 32).astype(np.float32))], Source())


def record_requests() -> list[bytes]:
    """Return every request there is, as a client writes it, but for those that end or empty.

    The relay that is to be followed is none: nobody listens at its port.
    """
    with Arena(1 << 20) as arena:
        offer = encode_offer(arena.offer(0))
    relay = Endpoint(
        kind="relay",
        host=LOOPBACK,
        port=1,
        server_key=KeyPair.new().public,
        client_secret=KeyPair.new().secret,
    ).to_url()
    counts = Counts(first=0, next=5, shown=3, dropped=1, reasons={"no room": 1})
    requests: list[Request] = [
        Ping(),
        Status(),
        Status(stream="a stream"),
        Attach(stream="fuzzed", epoch=1, sequence=0, producer="a fuzzer", offer=offer),
        Attach(stream="fuzzed", epoch=2, sequence=10, offer=encode_offer(_NOWHERE), secret=b"x"),
        Detach(stream="fuzzed", sequence=11),
        Flush(stream="fuzzed", sequence=0),
        Screenshot(),
        DescribeLayers(checksums=True),
        RaiseWindow(),
        RunMacro(text='print("no code");', argument="of anybody's"),
        Follow(line=relay, newest=True),
        Unfollow(line=relay),
        Fetch(viewer="a viewer", session="one", title="headless", limit=1 << 16, counts=counts),
        Fetch(viewer="a viewer", session="one", account="an account", received=3, newest=True),
        ListAudience(),
    ]
    return [encode(request) for request in requests]


def _nowhere() -> Any:
    with Arena(1 << 16) as arena:
        return msgspec.structs.replace(arena.offer(0), address=None)


_NOWHERE = _nowhere()
