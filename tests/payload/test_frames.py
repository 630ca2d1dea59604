"""Messages there and back, and everything that is none."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverslip.payload import (
    MAX_HEADER,
    Batch,
    Inline,
    InvalidMessage,
    MemfdAddress,
    Offer,
    Plane,
    Slot,
    Source,
    decode,
    decode_offer,
    encode,
    encode_offer,
    pixels_of,
    plane_nbytes,
)
from tests.payload.planes import batch_of, picture, plane_in

PIXELS = picture((4, 5))
SLOT = Slot(3, 4096, PIXELS.nbytes, 7)
MESSAGE = batch_of(
    plane_in(PIXELS, SLOT, well="A01", site=2),
    plane_in(PIXELS, Inline(1), time=0.5),
    plane_in(picture((4, 5, 3), "|u1"), Inline(2)),
)
FRAMES = [bytes(frame) for frame in encode(MESSAGE, [PIXELS.tobytes(), bytes(60)])]


def altered(**changes: object) -> list[bytes]:
    """Return the message with fields of its first plane replaced, however wrong."""
    raw = msgspec.msgpack.decode(FRAMES[0])
    raw["planes"][0].update(changes)
    return [msgspec.msgpack.encode(raw), *FRAMES[1:]]


def test_a_message_comes_back_as_it_went() -> None:
    assert decode(FRAMES) == MESSAGE
    assert decode([memoryview(frame) for frame in FRAMES]) == MESSAGE


def test_pixels_are_found_by_frame() -> None:
    planes = decode(FRAMES).planes
    seen = np.frombuffer(pixels_of(planes[1], FRAMES), "<u2").reshape(4, 5)
    assert np.array_equal(seen, PIXELS)
    with pytest.raises(InvalidMessage, match="arena"):
        pixels_of(planes[0], FRAMES)
    with pytest.raises(InvalidMessage, match="frame 2 of 2"):
        pixels_of(planes[2], FRAMES[:2])


def test_an_unknown_field_is_left_alone() -> None:
    assert decode(altered(later_version="something")) == MESSAGE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": [4]}, "length"),
        ({"shape": [4, 5, 3]}, "rgb"),
        ({"shape": [4, -5]}, ">= 0"),
        ({"shape": [0, 5]}, "shape"),
        ({"shape": [4, 2**40]}, "2147483647"),
        ({"shape": [2**31 - 1, 2**31 - 1]}, "bytes"),
        ({"shape": [2**64 - 1, 5]}, "no batch"),
        ({"shape": [4, 6]}, "40 bytes of pixels"),
        ({"shape": [4.0, 5]}, "no batch"),
        ({"shape": "45"}, "no batch"),
        ({"rgb": True}, "rgb"),
        ({"rgb": 1}, "no batch"),
        ({"dtype": "<c8"}, "dtype '<c8'"),
        ({"dtype": "|O8"}, "dtype"),
        ({"dtype": ">u2"}, "dtype"),
        ({"dtype": "<u2" * 1000}, "no batch"),
        ({"pixels": {"type": "path", "path": "/etc/passwd"}}, "no batch"),
        (
            {"pixels": {"type": "slot", "index": -1, "offset": 0, "length": 40, "generation": 1}},
            "no",
        ),
        (
            {"pixels": {"type": "slot", "index": 0, "offset": -8, "length": 40, "generation": 1}},
            "no",
        ),
        (
            {"pixels": {"type": "slot", "index": 0, "offset": 0, "length": 41, "generation": 1}},
            "41",
        ),
        ({"pixels": {"type": "inline", "frame": 0}}, "no batch"),
        ({"pixels": {"type": "inline", "frame": 9}}, "missing"),
        ({"pixels": {"type": "inline", "frame": 1}}, "twice"),
        ({"components": {"z": float("nan")}}, "finite"),
        ({"components": {"z": float("inf")}}, "finite"),
        ({"components": {"z": True}}, "no batch"),
        ({"components": {"z": None}}, "no batch"),
        ({"components": {"z": [1]}}, "no batch"),
        ({"components": {"z": 2**64 - 1}}, "no batch"),
        ({"components": {"": 1}}, "no batch"),
        ({"components": {"n" * 2**20: 1}}, "no batch"),
        ({"components": {"n": "v" * 2**20}}, "no batch"),
        ({"components": {f"n{i}": i for i in range(33)}}, "no batch"),
        ({"origin": "o" * 5000}, "no batch"),
    ],
)
def test_a_plane_that_does_not_hold_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidMessage, match=said):
        decode(altered(**changes))


def test_two_planes_cannot_share_a_slot() -> None:
    twice = batch_of(plane_in(PIXELS, SLOT), plane_in(PIXELS, SLOT))
    with pytest.raises(InvalidMessage, match="slot 3 is used twice"):
        decode(encode(twice))


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"\xc1"],
        [b"GET / HTTP/1.1\r\n\r\n"],
        FRAMES[:2],
        [*FRAMES, b"more"],
        [FRAMES[0], FRAMES[2], FRAMES[1]],
        [FRAMES[0][:-1], *FRAMES[1:]],
        [b"\x81\xa4type\xa7batch/9"],
        [b"\x81" * 100_000],
        [b"\x91" * 1_000_000],
        [b"\x81\xa4type\xa7\xff\xfe\xfd\xfc\xfb\xfa\xf9"],
        [b"\xdd\xff\xff\xff\xff"],
        [b"\xdf\xff\xff\xff\xff"],
        [b"\xc6\xff\xff\xff\xff"],
    ],
    ids=range(15),
)
def test_what_is_no_message_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(InvalidMessage):
        decode(frames)


def test_a_header_has_a_limit_at_both_ends() -> None:
    with pytest.raises(InvalidMessage, match="at most"):
        decode([bytes(MAX_HEADER + 1)])
    origin = "o" * 4096
    plane = Plane((1, 1), "|u1", SLOT, origin=origin)
    with pytest.raises(InvalidMessage, match="fewer planes"):
        encode(Batch("s", 0, 0, Source(), (plane,) * 5000))


def test_a_batch_has_a_limit_of_planes() -> None:
    raw = msgspec.msgpack.decode(FRAMES[0])
    raw["planes"] = raw["planes"][:1] * 65_537
    with pytest.raises(InvalidMessage, match="length"):
        decode([msgspec.msgpack.encode(raw)])


def test_deep_nesting_is_refused_and_harmless() -> None:
    deep: bytes = b"\x82\xa4type\xa7batch/1\xa5extra" + b"\x91" * 500_000 + b"\x00"
    with pytest.raises(InvalidMessage):
        decode([deep])


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_a_mutated_message_is_decoded_or_refused(data: st.DataObject) -> None:
    frames = [bytearray(frame) for frame in FRAMES]
    for _ in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "drop", "copy"]))
        header = frames[0]
        if kind == "set" and header:
            header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del header[data.draw(st.integers(0, len(header))) :]
        elif kind == "insert":
            at = data.draw(st.integers(0, len(header)))
            header[at:at] = data.draw(st.binary(max_size=9))
        elif kind == "drop" and len(frames) > 1:
            frames.pop()
        elif kind == "copy":
            frames.append(frames[-1])
    received = [memoryview(bytes(frame)) for frame in frames]
    try:
        batch = decode(received)
    except InvalidMessage:
        return
    for plane in batch.planes:
        if isinstance(plane.pixels, Inline):
            pixels = pixels_of(plane, received)
            assert pixels.nbytes == plane_nbytes(plane)
            np.frombuffer(pixels, plane.dtype).reshape(plane.shape)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode([data])
    with pytest.raises(InvalidMessage):
        decode_offer(data)


def test_an_offer_comes_back_as_it_went() -> None:
    for address in (MemfdAddress(12, 7), None):
        offer = Offer(address=address, nonce=b"n" * 16, lane=3, host="here", pid=12, start_time=99)
        assert decode_offer(encode_offer(offer)) == offer


@pytest.mark.parametrize(
    "address",
    [
        {"type": "path", "path": "/etc/passwd"},
        {"type": "posix", "name": "/dev/shm/../../etc/passwd"},
        {"type": "posix", "name": "/coverslip-../../etc"},
        {"type": "posix", "name": "/coverslip-0123456789abcdef\n"},
        {"type": "posix", "name": "/psm_0123456789abcdef"},
        {"type": "windows", "name": "Global\\other"},
        {"type": "memfd", "pid": "self", "fd": 3},
        {"type": "memfd", "pid": 0, "fd": 3},
        {"type": "memfd", "pid": -1, "fd": 3},
        {"type": "memfd", "pid": 1, "fd": -3},
        {"type": "memfd", "pid": 1, "fd": 2**40},
    ],
)
def test_an_address_that_is_not_of_our_making_is_refused(address: dict[str, Any]) -> None:
    raw = {"address": address, "nonce": b"n", "lane": 0}
    with pytest.raises(InvalidMessage):
        decode_offer(msgspec.msgpack.encode(raw))


@pytest.mark.parametrize("wrong", [{"lane": -1}, {"lane": 1000}, {"nonce": bytes(65)}, {"pid": -1}])
def test_an_offer_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    raw = {"address": None, "nonce": b"n", "lane": 0, **wrong}
    with pytest.raises(InvalidMessage):
        decode_offer(msgspec.msgpack.encode(raw))
    with pytest.raises(InvalidMessage, match="at most"):
        decode_offer(bytes(5000))
