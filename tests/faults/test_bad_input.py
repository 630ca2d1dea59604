"""Bad input: refused with a typed failure and counted, and nobody else suffers."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coverslip.payload import (
    Arena,
    encode_offer,
)
from coverslip.transport import (
    Attach,
    Attached,
    Clear,
    Counts,
    Done,
    Publisher,
    PublisherState,
    RequestRefused,
    request,
)
from tests.faults.case import picture, settled_at
from tests.viewers.headless import HeadlessServer, serving
from tests.waiting import eventually

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
    "components that contradict each other": (
        {
            "planes": [
                {
                    **PLANE,
                    "kind": "points",
                    "shape": [2, 3],
                    "dtype": "<f8",
                    "components": {"z_index": 1},
                    "along": ["z_index"],
                }
            ]
        },
        (bytes(48),),
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
    most = hostile.server.max_layers
    body = PIXELS.tobytes()
    for name in range(most + 100):
        hostile.send({"source": {"name": f"layer {name}"}}, body)
    counts = hostile.counts()
    assert (counts.shown, counts.failed) == (most, 100)
    assert "--max-layers" in next(iter(counts.reasons))
    hostile.send({"source": {"name": "layer 0"}}, body)
    assert hostile.counts().shown == most + 1, "those that are there go on"


def test_layers_that_are_gone_make_room_for_others(hostile: Hostile) -> None:
    server, body = hostile.server, PIXELS.tobytes()
    for name in range(server.max_layers + 1):
        hostile.send({"source": {"name": f"layer {name}"}}, body)
    assert hostile.counts().failed == 1
    # As where the user takes one away, or closes its window.
    server.on_gui(lambda: server.projection.remove(server.projection.layers[0])).result(20)
    hostile.send({"source": {"name": "another"}}, body)
    hostile.send({"source": {"name": "one too many"}}, body)
    assert hostile.counts().failed == 2
    assert {layer.name for layer in server.projection} >= {"another", "layer 1"}
    request(hostile.endpoint, Clear(), Done, timeout=20)
    for name in range(server.max_layers):
        hostile.send({"source": {"name": f"new {name}"}}, body)
    assert hostile.counts().failed == 2
    assert len(server.projection) == server.max_layers


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
