"""Bad input: refused with a typed failure and counted, and nobody else suffers."""

from __future__ import annotations

import contextlib
import logging
import random
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coverslip.payload import (
    Arena,
    ArenaReader,
    Batch,
    Inline,
    InvalidMessage,
    PayloadError,
    Plane,
    Slot,
    Source,
    decode,
    decode_offer,
    encode,
    encode_offer,
)
from coverslip.transport import (
    Attach,
    Attached,
    Counts,
    Endpoint,
    KeyPair,
    Ping,
    Pong,
    ProtocolError,
    Publisher,
    PublisherState,
    Refused,
    Report,
    Request,
    RequestRefused,
    Status,
    decode_request,
    request,
)
from coverslip.transport.delivery import Ledger
from coverslip.viewers import View
from tests.faults.case import Case, picture, settled_at
from tests.faults.fuzz import fuzz_control, fuzz_data, honest
from tests.faults.mutations import EVIL, mutated, mutated_frames
from tests.faults.recordings import record_data, record_requests
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving
from tests.waiting import eventually

MESSAGES = 2_000
"""On each socket; `hatch run fuzz` sends a hundred thousand."""

PIXELS = picture(0, 4).astype("<u2")
PLANE = {
    "shape": [4, 4],
    "dtype": "<u2",
    "pixels": {"type": "inline", "frame": 1},
    "components": {"well": "A01"},
}


class Hostile:
    """A peer that holds the key, with a stream of its own at a viewer."""

    def __init__(self, server: HeadlessServer, arena: Arena) -> None:
        self.server = server
        self.arena = arena
        self.endpoint = server.connection.endpoint
        self.secret = secrets.token_bytes(8)
        self._sequence = 0
        self._publisher = Publisher.acquire(self.endpoint)
        eventually(lambda: self._publisher.poll() is PublisherState.LISTENING, "it listens")
        self.attach(encode_offer(arena.offer(0)))

    def attach(self, offer: bytes, stream: str = "hostile") -> Attached:
        """Attach with an offer."""
        attach = Attach(stream=stream, epoch=1, sequence=0, offer=offer, secret=self.secret)
        return request(self.endpoint, attach, Attached, timeout=20)

    def send(self, header: dict[str, Any], *frames: bytes) -> None:
        """Send a message whose header says what it says, as the next of its stream."""
        raw = {
            "type": "batch/1",
            "stream": "hostile",
            "epoch": 1,
            "sequence": self._sequence,
            "source": {},
            "planes": [PLANE],
        }
        self._sequence += 1
        self._publisher.send([msgspec.msgpack.encode(raw | header), *frames])

    def raw(self, *frames: bytes) -> None:
        """Send frames as they are."""
        self._publisher.send(frames)

    def counts(self) -> Counts:
        """Return the account of its stream once the viewer has read all."""
        before = self.server.refused
        self.raw(b"the last")
        eventually(lambda: self.server.refused > before, "the viewer read all")
        return settled_at(self.endpoint, "hostile")

    def close(self) -> None:
        """Let go."""
        self._publisher.release()


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessServer]:
    with serving(port=free_port()) as running:
        yield running


@pytest.fixture
def hostile(server: HeadlessServer, caplog: pytest.LogCaptureFixture) -> Iterator[Hostile]:
    # A traceback that pytest keeps would keep the arena.
    caplog.set_level(logging.CRITICAL, "coverslip")
    with Arena(1 << 20) as arena:
        made = Hostile(server, arena)
        yield made
        made.close()


def slot(**changes: int) -> dict[str, Any]:
    """Return a plane that lies in the arena, or says so."""
    where = {"type": "slot", "index": 0, "offset": 0, "length": 32, "generation": 1, **changes}
    return {**PLANE, "pixels": where}


REFUSED: dict[str, tuple[dict[str, Any], tuple[bytes, ...]]] = {
    "another tag": ({"type": "batch/9"}, (PIXELS.tobytes(),)),
    "no planes": ({"planes": []}, ()),
    "a negative sequence": ({"sequence": -1}, (PIXELS.tobytes(),)),
    "a sequence far ahead": ({"sequence": 2**63 - 1}, (PIXELS.tobytes(),)),
    "an epoch that never was": ({"epoch": 2}, (PIXELS.tobytes(),)),
    "another stream": ({"stream": "nobody's"}, (PIXELS.tobytes(),)),
    "a name of 1 MB": ({"source": {"name": "x" * 1_000_000}}, (PIXELS.tobytes(),)),
    "a component's name of 1 MB": (
        {"planes": [{**PLANE, "components": {"x" * 1_000_000: 1}}]},
        (PIXELS.tobytes(),),
    ),
    "33 components": (
        {"planes": [{**PLANE, "components": {f"c{n}": n for n in range(33)}}]},
        (PIXELS.tobytes(),),
    ),
    "a component that is not finite": (
        {"planes": [{**PLANE, "components": {"time": float("nan")}}]},
        (PIXELS.tobytes(),),
    ),
    "limits that are not numbers": (
        {"source": {"display": {"contrast_limits": [float("nan"), 1.0]}}},
        (PIXELS.tobytes(),),
    ),
    "limits the wrong way round": (
        {"source": {"display": {"contrast_limits": [2.0, 1.0]}}},
        (PIXELS.tobytes(),),
    ),
    "a shape that overflows": ({"planes": [{**PLANE, "shape": [2**31 - 1] * 2}]}, (b"x" * 32,)),
    "a huge dimension": ({"planes": [{**PLANE, "shape": [2**62, 4]}]}, (PIXELS.tobytes(),)),
    "a negative dimension": ({"planes": [{**PLANE, "shape": [-4, -4]}]}, (PIXELS.tobytes(),)),
    "one dimension": ({"planes": [{**PLANE, "shape": [16]}]}, (PIXELS.tobytes(),)),
    "four dimensions": ({"planes": [{**PLANE, "shape": [1, 1, 4, 4]}]}, (PIXELS.tobytes(),)),
    "colour without rgb": ({"planes": [{**PLANE, "shape": [4, 4, 3]}]}, (b"x" * 96,)),
    "objects": ({"planes": [{**PLANE, "dtype": "|O8"}]}, (b"x" * 128,)),
    "fewer pixels than the shape has": ({}, (PIXELS.tobytes()[:-1],)),
    "more pixels than the shape has": ({}, (PIXELS.tobytes() + b"x",)),
    "no frame": ({}, ()),
    "a frame that nobody names": ({}, (PIXELS.tobytes(), b"x")),
    "a frame for two planes": ({"planes": [PLANE, PLANE]}, (PIXELS.tobytes(),)),
    "a slot for two planes": ({"planes": [slot(), slot()]}, ()),
    "a slot of another length": ({"planes": [slot(length=31)]}, ()),
    "a negative offset": ({"planes": [slot(offset=-32)]}, ()),
    "damaged compression": (
        {"planes": [{**PLANE, "pixels": {"type": "inline", "frame": 1, "codec": "zip"}}]},
        (PIXELS.tobytes(),),
    ),
    "65,537 planes": ({"planes": [slot(index=n) for n in range(65_537)]}, ()),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_message_is_refused_and_counted(hostile: Hostile, what: str) -> None:
    header, frames = REFUSED[what]
    before = hostile.server.refused
    hostile.send(header, *frames)
    eventually(lambda: hostile.server.refused == before + 1, "it is refused")
    hostile.send({"sequence": 5}, PIXELS.tobytes())
    counts = hostile.counts()
    assert (counts.next, counts.shown, counts.failed, counts.pending) == (6, 1, 0, 0)


@pytest.mark.parametrize(
    "frames",
    [(b"",), (b"\xc1",), (b"\x80",), (bytes(17 << 20),), (b"x" * 10_000_000, b"y"), (b"",) * 100],
    ids=["empty", "no MessagePack", "no fields", "17 MB", "10 MB of junk", "100 empty frames"],
)
def test_what_is_no_message_is_refused_and_counted(
    hostile: Hostile, frames: tuple[bytes, ...]
) -> None:
    before = hostile.server.refused
    hostile.raw(*frames)
    eventually(lambda: hostile.server.refused == before + 1, "it is refused")


OUTSIDE = {
    "an offset outside": {"offset": 2**62},
    "a length that reaches outside": {"offset": (1 << 20) - 16},
    "an offset that overflows": {"offset": 2**63 - 32},
    "a slot that is none": {"index": 2**31 - 1},
    "a slot beyond the last": {"index": 4096},
    "a generation that is over": {"generation": 0},
    "a generation to come": {"generation": 2**63 - 1},
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_nothing_is_read_outside_the_segment(hostile: Hostile, what: str) -> None:
    hostile.send({"planes": [slot(**OUTSIDE[what])]})
    counts = hostile.counts()
    assert (counts.next, counts.shown, counts.dropped + counts.failed) == (1, 0, 1)
    hostile.send({}, PIXELS.tobytes())
    assert hostile.counts().shown == 1


def test_no_more_layers_than_a_window_can_have(hostile: Hostile) -> None:
    most = HeadlessServer.most_layers
    body = PIXELS.tobytes()
    for name in range(most + 100):
        hostile.send({"source": {"name": f"layer {name}"}}, body)
    counts = hostile.counts()
    assert (counts.shown, counts.failed) == (most, 100)
    assert "layers" in next(iter(counts.reasons))
    hostile.send({"source": {"name": "layer 0"}}, body)
    assert hostile.counts().shown == most + 1, "those that are there go on"


OFFERS: dict[str, Any] = {
    "truncated": b"\x81",
    "noise": bytes(range(256)),
    "5 kB": bytes(5000),
    "a path": {"address": {"type": "posix", "name": "/../../etc/passwd"}},
    "another's name": {"address": {"type": "posix", "name": "/psm_12345678"}},
    "a lane that cannot be": {"lane": 256},
    "a negative pid": {"address": {"type": "memfd", "pid": -1, "fd": 3}},
    "a nonce of 65 bytes": {"nonce": b"x" * 65},
}


@pytest.mark.parametrize("what", OFFERS)
def test_an_offer_that_is_none_is_refused(hostile: Hostile, what: str) -> None:
    offer = OFFERS[what]
    if isinstance(offer, dict):
        raw = msgspec.msgpack.decode(encode_offer(hostile.arena.offer(0)))
        offer = msgspec.msgpack.encode(raw | offer)
    with pytest.raises(RequestRefused, match="offer"):
        hostile.attach(offer, "another")
    assert "another" not in hostile.server.ledgers


UNREACHABLE: dict[str, dict[str, Any]] = {
    "the first process's files": {"address": {"type": "memfd", "pid": 1, "fd": 0}},
    "a name that nobody has": {"address": {"type": "posix", "name": "/coverslip-" + "0" * 16}},
    "another stream's nonce": {"nonce": b"x" * 16},
    "a lane that the arena has not": {"lane": 200},
}


@pytest.mark.parametrize("what", UNREACHABLE)
def test_an_offer_that_proves_nothing_means_inline(hostile: Hostile, what: str) -> None:
    raw = msgspec.msgpack.decode(encode_offer(hostile.arena.offer(0)))
    attached = hostile.attach(msgspec.msgpack.encode(raw | UNREACHABLE[what]), "another")
    assert attached.transfer == "inline"
    assert attached.reason


class TestFuzz:
    @pytest.mark.fault(
        "bad input", f"{MESSAGES:,} changed data messages, by a key's holder", holds=(2, 4)
    )
    def test_the_data_socket(self, viewer: HeadlessVisualizer, case: Case) -> None:
        seed = secrets.randbits(32)
        outcome = fuzz_data(viewer.endpoint, viewer.connection.pid, MESSAGES, seed)
        assert outcome.refused > MESSAGES // 4, f"{outcome}, seed {seed}"
        case.notes = [f"{outcome.refused:,} of {outcome.sent:,} refused"]
        self._honest(viewer, case)

    @pytest.mark.fault("bad input", f"{MESSAGES:,} changed requests, by a key's holder", holds=(4,))
    def test_the_control_socket(self, viewer: HeadlessVisualizer, case: Case) -> None:
        seed = secrets.randbits(32)
        outcome = fuzz_control(viewer.endpoint, viewer.connection.pid, MESSAGES, seed)
        assert outcome.failures > MESSAGES // 2, f"{outcome}, seed {seed}"
        case.notes = [f"{outcome.failures:,} of {outcome.sent:,} answered with a failure"]
        self._honest(viewer, case)

    def _honest(self, viewer: HeadlessVisualizer, case: Case) -> None:
        assert request(viewer.endpoint, Ping(), Pong, timeout=20).state == "ready"
        with View(viewer) as view:
            honest(view, 50)
            case.check(view.close(), settled_at(viewer.endpoint, view.stream.id))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[list[bytes]]:
    """Real data messages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_RUNTIME_DIR", str(tmp_path_factory.mktemp("recording")))
        return record_data()


PROPERTIES = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([evil for evil in EVIL if not isinstance(evil, str) or len(evil) < 1000]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


class TestProperties:
    """What decodes is well formed; what is not raises the one error that there is for it."""

    @PROPERTIES
    @given(seed=st.integers(0, 2**32))
    def test_a_data_message_decodes_or_is_invalid(
        self, recorded: list[list[bytes]], seed: int
    ) -> None:
        rng = random.Random(seed)
        frames = mutated_frames(rng.choice(recorded), recorded, rng)
        with contextlib.suppress(InvalidMessage):
            batch = decode(frames)
            assert all(0 <= extent < 2**31 for plane in batch.planes for extent in plane.shape)

    @PROPERTIES
    @given(seed=st.integers(0, 2**32))
    def test_a_request_decodes_or_is_a_protocol_error(self, seed: int) -> None:
        rng = random.Random(seed)
        body = mutated(rng.choice(REQUESTS), REQUESTS, rng)
        with contextlib.suppress(ProtocolError):
            assert isinstance(decode_request(body, [Ping, Status, Attach]), Request)

    @PROPERTIES
    @given(junk=JUNK)
    def test_any_message_pack_is_a_message_or_refused(self, junk: Any) -> None:
        body = msgspec.msgpack.encode(junk)
        for read in (lambda: decode([body]), lambda: decode_offer(body)):
            with contextlib.suppress(InvalidMessage):
                read()
        with contextlib.suppress(ProtocolError):
            decode_request(body, [Ping, Status, Attach])

    @PROPERTIES
    @given(
        index=st.integers(0, 2**31 - 1) | st.integers(0, 3),
        offset=st.integers(0, 2**63 - 1) | st.integers(0, 5000),
        length=st.integers(0, 2**63 - 1) | st.just(PIXELS.nbytes),
        generation=st.integers(0, 2**63 - 1) | st.integers(0, 3),
    )
    def test_a_slot_is_read_within_the_segment_or_not_at_all(
        self, index: int, offset: int, length: int, generation: int
    ) -> None:
        with Arena(4096, slots=4) as arena, ArenaReader.open(arena.offer(0)) as reader:
            region = arena.reserve(PIXELS.nbytes)
            assert region is not None
            np.copyto(region.array(PIXELS.shape, PIXELS.dtype), PIXELS)
            arena.publish(region, [0])
            plane = Plane((4, 4), "<u2", Slot(index, offset, length, generation))
            with contextlib.suppress(PayloadError):
                assert reader.copy(plane).nbytes == PIXELS.nbytes
                assert offset + length <= 4096

    @PROPERTIES
    @given(
        steps=st.lists(
            st.tuples(
                st.sampled_from(["attach", "receive", "shown", "dropped", "failed", "close"]),
                st.integers(0, 2**62) | st.integers(0, 20),
                st.integers(0, 3) | st.integers(0, 2**62),
            ),
            max_size=30,
        )
    )
    def test_an_account_adds_up_whatever_is_asked_of_it(
        self, steps: list[tuple[str, int, int]]
    ) -> None:
        ledger = Ledger()
        for what, sequence, epoch in steps:
            with contextlib.suppress(Refused, ValueError):
                match what:
                    case "attach":
                        ledger.attach(epoch, sequence)
                    case "receive":
                        ledger.receive(epoch, sequence, 3)
                    case "shown":
                        ledger.shown(sequence)
                    case "close":
                        ledger.close(sequence)
                    case _:
                        getattr(ledger, what)(sequence, "a reason")
            counts = ledger.counts()
            assert counts.pending >= 0
            assert counts.first <= counts.next

    @PROPERTIES
    @given(
        components=st.dictionaries(
            st.text(min_size=1, max_size=6), st.text(max_size=6) | st.integers() | st.floats()
        )
    )
    def test_components_that_travel_come_back_as_they_went(
        self, components: dict[str, Any]
    ) -> None:
        plane = Plane((4, 4), "<u2", Inline(1), components)
        batch = Batch("stream", 1, 0, Source(), (plane,))
        try:
            frames = encode(batch, [PIXELS.tobytes()])
            again = decode(frames)
        except (InvalidMessage, OverflowError):
            return
        assert again.planes[0].components == components


REQUESTS = record_requests()


class TestWithoutTheKey:
    """Who does not hold the key does not get in, and takes nothing from those who do."""

    INTRUDERS = ("no key", "a wrong key", "the server's public key alone", "HTTP")

    @pytest.mark.parametrize(
        "how",
        [
            pytest.param(
                how,
                marks=pytest.mark.fault("bad input", f"a crowd of peers with {how}", holds=(2, 6)),
            )
            for how in INTRUDERS
        ],
    )
    def test_none_gets_in(self, viewer: HeadlessVisualizer, case: Case, how: str) -> None:
        with intruding(viewer.endpoint, how, peers=10), View(viewer) as view:
            for number in range(200):
                case.show(view, picture(number), z_index=number)
            case.check(view.flush(30), settled_at(viewer.endpoint, view.stream.id))
        assert (case.sent, case.shown) == (200, 200)
        streams = request(viewer.endpoint, Status(), Report, timeout=20).streams
        assert set(streams) == {view.stream.id}


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
                        peer.send_multipart([b"", msgspec.msgpack.encode({"type": "Status"})])
                    assert not peer.poll(100), "it was let in"
