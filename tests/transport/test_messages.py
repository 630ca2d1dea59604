"""The control protocol: known structs, or a typed refusal."""

from __future__ import annotations

import msgspec
import pytest

from coverslip.transport import (
    PROTOCOL_VERSION,
    Attach,
    Attached,
    Clear,
    Counts,
    Detach,
    Done,
    Failure,
    Flush,
    Picture,
    Ping,
    Pong,
    ProtocolError,
    Report,
    Request,
    Screenshot,
    Shutdown,
    Status,
    decode_reply,
    decode_request,
    encode,
)

REQUESTS = [
    Ping(),
    Status(),
    Status(stream="s"),
    Attach(stream="s", epoch=1, sequence=2, producer="p", offer=b"\x00\xff"),
    Detach(stream="s"),
    Flush(stream="s", sequence=3),
    Clear(),
    Screenshot(),
    Shutdown(),
]
COUNTS = Counts(first=2, next=9, shown=1, dropped=2, failed=3, reasons={"late": 2})
REPLIES = [
    Pong(
        kind="k",
        title="t",
        state="ready",
        pid=1,
        start_time=2.0,
        host="h",
        port=3,
        instance="i",
        versions={"a": "1"},
        capabilities=["c"],
    ),
    Report(streams={"s": COUNTS}),
    Attached(instance="i", transfer="shared_memory", counts=COUNTS),
    Done(),
    Picture(png=b"\x89PNG"),
    Failure(code="c", message="m"),
]
KNOWN = [type(message) for message in REQUESTS]


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: type(message).__name__)
def test_requests_come_back(message):
    assert decode_request(encode(message), KNOWN) == message


@pytest.mark.parametrize("message", REPLIES, ids=lambda message: type(message).__name__)
def test_replies_come_back(message):
    assert decode_reply(encode(message), [type(message)]) == message


def test_a_failure_is_always_among_the_replies():
    assert decode_reply(encode(Failure(code="c", message="m")), [Pong]) == Failure(
        code="c", message="m"
    )


def test_counts_pending():
    assert COUNTS.pending == 1


class Ours(Request, frozen=True, kw_only=True):
    number: int


def test_a_request_of_ones_own():
    assert decode_request(encode(Ours(number=1)), [*KNOWN, Ours]) == Ours(number=1)
    with pytest.raises(ProtocolError, match="'Ours' is not among Attach, Clear") as caught:
        decode_request(encode(Ours(number=1)), KNOWN)
    assert caught.value.code == "unknown"


def test_another_version_is_named():
    data = encode(Ping(protocol=PROTOCOL_VERSION + 1))
    with pytest.raises(ProtocolError, match="'Ping' speaks protocol 2, this side 1") as caught:
        decode_request(data, KNOWN)
    assert caught.value.code == "protocol"


def packed(**fields):
    return msgspec.msgpack.encode({"protocol": PROTOCOL_VERSION, **fields})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xc1" * 100,
        b"\x91" * 100_000,
        b"\xdf\xff\xff\xff\xff",
        msgspec.msgpack.encode([1, 2]),
        msgspec.msgpack.encode({"type": "Ping"}),
        packed(type=3),
        packed(type="Flush"),
        packed(type="Flush", stream="s", sequence=-1),
        packed(type="Flush", stream="s", sequence=2**63),
        packed(type="Flush", stream="s", sequence=1.5),
        packed(type="Flush", stream="", sequence=1),
        packed(type="Flush", stream="s" * 1_000_000, sequence=1),
        packed(type="Attach", stream="s", epoch=0, sequence=0, offer="text"),
        b"\x82\xa4type\xa4\xff\xfe\xfd\xfc\xa8protocol\x01",
        encode(Flush(stream="s", sequence=1))[:-3],
        encode(Ping()) + b"\x00",
    ],
)
def test_malformed(data):
    with pytest.raises(ProtocolError) as caught:
        decode_request(data, KNOWN)
    assert caught.value.code == "malformed"
    assert len(str(caught.value)) < 500
