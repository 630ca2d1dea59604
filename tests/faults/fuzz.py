"""A fuzzer with the key: ``python -m tests.faults.fuzz [--messages N] [--seed S]``.

It changes real messages (`recordings`, `mutations`) and sends them to a viewer and to a relay, each
in a process of its own; then an honest stream shows planes there. What must hold is asserted here,
for the short run of the tests and for the long one alike.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil
import zmq

from coverslip.payload import Arena, Batch, Inline, Plane, Source, encode, encode_offer
from coverslip.transport import (
    AddressError,
    Attach,
    Attached,
    Clear,
    Delivery,
    Detach,
    Done,
    Endpoint,
    Flush,
    NotListening,
    Ping,
    Pong,
    ProtocolError,
    Publisher,
    PublisherState,
    Report,
    Request,
    Screenshot,
    Shutdown,
    Status,
    decode_request,
    request,
)
from coverslip.viewers import StreamVisualizer, View
from coverslip.viewers.messages import DescribeLayers, Follow, RaiseWindow, RunMacro, Unfollow
from coverslip.viewers.relay.messages import Fetch, ListAudience
from coverslip.viewers.relay.visualizer import RelayVisualizer
from tests.faults.case import picture
from tests.faults.mutations import mutated, mutated_frames
from tests.faults.recordings import LOOPBACK, record_data, record_requests
from tests.viewers.headless import HeadlessVisualizer
from tests.waiting import eventually

__all__ = ["RELAY_MEMORY", "Outcome", "fuzz_control", "fuzz_data", "honest", "honest_through"]

_STRIDE = 100_000
"""Between the sequence numbers of two messages: none is refused for the one before it."""

_OUTSTANDING = 64
"""Messages, or requests, that may be under way."""

_MARKERS = "markers"
_HONEST = "honest"

_MEMORY = 256 << 20
"""Bytes by which a viewer may grow: what was valid after all is kept, as it should be."""

RELAY_MEMORY = "64MiB"
"""A relay's budget: it keeps every plane that was valid after all, beyond this on disk."""

_REQUESTS: list[type[Request]] = [
    Ping,
    Status,
    Attach,
    Detach,
    Flush,
    Clear,
    Screenshot,
    Shutdown,
    DescribeLayers,
    RaiseWindow,
    RunMacro,
    Follow,
    Unfollow,
    Fetch,
    ListAudience,
]


@dataclass
class Outcome:
    """What became of the messages.

    Attributes
    ----------
    sent, refused : int
        Messages; those that were not refused were still, or once more, well formed.
    shown, dropped, failed : int
        Planes of them that were counted.
    answered, failures : int
        Replies, and those among them that were a typed failure.
    grown : int
        Bytes that the viewer's process grew by.
    """

    sent: int
    refused: int
    shown: int = 0
    dropped: int = 0
    failed: int = 0
    answered: int = 0
    failures: int = 0
    grown: int = 0


def fuzz_data(endpoint: Endpoint, pid: int, messages: int, seed: int) -> Outcome:
    """Send changed data messages, of a stream with shared memory and of one without."""
    rng = random.Random(seed)
    recorded = record_data()
    before = request(endpoint, Ping(), Pong, timeout=20).refused
    memory = psutil.Process(pid).memory_info().rss
    publisher = Publisher.acquire(endpoint)
    with Arena(1 << 20) as arena:
        eventually(lambda: publisher.poll() is PublisherState.LISTENING, "the viewer listens")
        streams = ["fuzzed", "fuzzed inline"]
        secret = secrets.token_bytes(8)
        markers = count(1)
        for stream in (*streams, _MARKERS):
            offer = encode_offer(arena.offer(0)) if stream == "fuzzed" else _no_offer()
            attach = Attach(stream=stream, epoch=1, sequence=0, offer=offer, secret=secret)
            request(endpoint, attach, Attached, timeout=20)
        for number in range(1, messages + 1):
            sequence = number * _STRIDE
            frames = mutated_frames(
                rng.choice(recorded),
                recorded,
                rng,
                stream=rng.choice(streams),
                epoch=1,
                sequence=sequence,
            )
            with contextlib.suppress(NotListening):  # cut off for a moment; `_catch_up` waits
                publisher.send([_in_turn(frames[0], sequence), *frames[1:]])
            if number % _OUTSTANDING == 0 or number == messages:
                _catch_up(publisher, endpoint, markers)
        shown = dropped = failed = 0
        for stream in streams:
            found = request(endpoint, Status(stream=stream), Report, timeout=60)
            flush = Flush(stream=stream, sequence=found.streams[stream].next)
            counts = request(endpoint, flush, Report, timeout=60).streams[stream]
            assert counts.pending == 0, counts
            shown += counts.shown
            dropped += counts.dropped
            failed += counts.failed
        refused = request(endpoint, Ping(), Pong, timeout=60).refused - before
        publisher.release()
    grown = psutil.Process(pid).memory_info().rss - memory
    assert grown < _MEMORY, f"the viewer grew by {grown >> 20} MiB"
    return Outcome(messages, refused, shown, dropped, failed, grown=grown)


def fuzz_control(endpoint: Endpoint, pid: int, messages: int, seed: int) -> Outcome:
    """Send changed requests; each is answered, most with a failure."""
    rng = random.Random(seed)
    recorded = record_requests()
    before = request(endpoint, Ping(), Pong, timeout=20).refused
    memory = psutil.Process(pid).memory_info().rss
    answered = failures = expected = sent = 0
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.linger = 0
        client.curve_serverkey = endpoint.server_key.encode()
        client.curve_secretkey = endpoint.client_secret.encode()
        client.curve_publickey = endpoint.client_public.encode()
        client.connect(endpoint.control_address)

        def hear(timeout: int) -> bool:
            nonlocal answered, failures
            if not client.poll(timeout):
                return False
            reply = client.recv_multipart()
            answered += 1
            # Behind an empty frame; what a relay fetches for a viewer comes after it.
            failures += b"Failure" in reply[reply.index(b"") + 1][:40]
            return True

        while sent < messages:
            body = mutated(rng.choice(recorded), recorded, rng)
            meant = _meant(body)
            if isinstance(meant, Shutdown | Clear):
                continue  # well formed, and obeyed: the key's holder may
            if isinstance(meant, Follow) and not _leads_nowhere(meant.line):
                continue  # nor is anybody else to be asked where such a host is
            sent += 1
            client.send_multipart(_wrapped(body, rng))
            # A flush that waits for planes that never come is answered when the server ends.
            expected += not isinstance(meant, Flush)
            while hear(0):
                pass
            while expected - answered > _OUTSTANDING:
                assert hear(30_000), f"{answered} of {expected} requests were answered"
        while answered < expected:
            assert hear(30_000), f"{answered} of {expected} requests were answered"
    refused = request(endpoint, Ping(), Pong, timeout=60).refused - before
    grown = psutil.Process(pid).memory_info().rss - memory
    assert grown < _MEMORY, f"the viewer grew by {grown >> 20} MiB"
    return Outcome(sent, refused, answered=answered, failures=failures, grown=grown)


def honest(view: View, planes: int) -> None:
    """Show planes as anybody does, and see that they lie in the viewer as they were sent."""
    assert _show(view, planes) == (planes, planes, 0, 0)
    assert _held(view) == _checksums(planes)


def honest_through(
    relay: StreamVisualizer, viewer: StreamVisualizer, view: View, planes: int
) -> None:
    """Do as `honest` with a relay, and see that a viewer that follows it has the planes, too."""
    assert _show(view, planes) == (planes, planes, 0, 0)
    request(viewer.endpoint, Follow(line=relay.endpoint.to_url()), Done, timeout=20)
    with View(viewer) as there:
        eventually(lambda: _held(there) == _checksums(planes), "the viewer has all", timeout=120)


def _show(view: View, planes: int) -> Delivery:
    for number in range(planes):
        view.show(picture(number), name=_HONEST, z_index=number)
    return view.flush(60)


def _held(view: View) -> dict[object, int | None]:
    """Return the checksums of the planes of an honest stream that a viewer holds."""
    layers = [layer for layer in view.layers(checksums=True) if layer.name == _HONEST]
    return {plane.components["z_index"]: plane.crc32 for layer in layers for plane in layer.planes}


def _checksums(planes: int) -> dict[object, int | None]:
    return {number: zlib.crc32(picture(number).tobytes()) for number in range(planes)}


def _no_offer() -> bytes:
    with Arena(1 << 16) as arena:
        return encode_offer(msgspec.structs.replace(arena.offer(0), address=None))


def _in_turn(header: bytes, sequence: int) -> bytes:
    """Return the header, but for a sequence far ahead: all after it would be refused for that."""
    try:
        raw = msgspec.msgpack.decode(header)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return header
    if not isinstance(raw, dict) or not isinstance(raw.get("sequence"), int):
        return header
    return msgspec.msgpack.encode(raw | {"sequence": min(raw["sequence"], sequence)})


def _catch_up(publisher: Publisher, endpoint: Endpoint, markers: Iterator[int]) -> None:
    """Wait until the viewer has read all: one whose queue is full counts as frozen, soon.

    A marker is sent again when the connection was cut under it, as on a machine under load.
    """
    plane, source = Plane((1, 1), "|u1", Inline(1)), Source(name=_MARKERS)
    number, connection = 1 << 60, 0

    def read() -> bool:
        nonlocal number, connection
        if publisher.poll() is PublisherState.LISTENING and publisher.connections != connection:
            number, connection = next(markers), publisher.connections
            publisher.send(encode(Batch(_MARKERS, 1, number, source, (plane,)), [b"x"]))
        status = Status(stream=_MARKERS)
        return request(endpoint, status, Report, timeout=60).streams[_MARKERS].next > number

    eventually(read, "the viewer read all", timeout=120)


def _meant(body: bytes) -> Request | None:
    try:
        return decode_request(body, _REQUESTS)
    except ProtocolError:
        return None


def _leads_nowhere(line: str) -> bool:
    try:
        return Endpoint.from_url(line).host == LOOPBACK
    except AddressError:
        return True


def _wrapped(body: bytes, rng: random.Random) -> list[bytes]:
    """Return a request as a REQ sends it, mostly."""
    way = rng.randrange(40)
    if way == 0:
        return [b"", body, b"one frame more"]
    if way == 1:
        return [body or b"x"]
    if way == 2:
        return [b"x"] * 30
    return [b"", body]


def main() -> int:
    """Fuzz each socket with as many messages as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="for each socket")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, to repeat it")
    options = parser.parse_args()
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with TemporaryDirectory(prefix="coverslip-fuzz-") as folder:
        Path(folder).chmod(0o700)
        os.environ["COVERSLIP_RUNTIME_DIR"] = folder
        viewer = HeadlessVisualizer(persistent=False)
        relay = RelayVisualizer(persistent=False, memory=RELAY_MEMORY)
        try:
            for target in (viewer, relay):
                target.start_viewer()
                for fuzz in (fuzz_data, fuzz_control):
                    pid = target.connection.pid
                    outcome = fuzz(target.endpoint, pid, options.messages, seed)
                    print(f"{target.kind}, {fuzz.__name__}: {outcome}", flush=True)
                with View(target) as view:
                    view.clear()  # of what was valid after all: a hundred layers are the most
                    if target is viewer:
                        honest(view, 100)
                    else:
                        honest_through(relay, viewer, view, 100)
        finally:
            relay.stop_viewer()
            viewer.stop_viewer()
    return 0


if __name__ == "__main__":
    sys.exit(main())
