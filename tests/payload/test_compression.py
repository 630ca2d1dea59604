"""Compressed pixels there and back, and every chunk that is none of ours."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from coverslip.payload import Inline, InvalidMessage, decode, encode, pixels_of
from coverslip.payload.compression import LARGEST, can_compress, compress, decompress
from tests.payload.planes import batch_of, plane_in

pytestmark = pytest.mark.extra

MUTATIONS = 2000
RNG = np.random.default_rng(7)
CAMERA = RNG.poisson(300, (256, 256)).clip(0, 4095).astype("<u2")

needs_codec = pytest.mark.skipif(
    not can_compress(), reason="imagecodecs is not installed (extra: compression)"
)


def packed(pixels: NDArray[Any]) -> bytearray:
    """Return a plane's chunk; empty when it was not worth it."""
    raw = memoryview(pixels.tobytes())
    out = bytearray(len(raw))
    return out[: compress(raw, pixels.itemsize, memoryview(out))]


def message(chunk: bytes | bytearray, pixels: NDArray[Any], cut: int = 0) -> list[Any]:
    """Return the frames of a message with one compressed plane, cut after `cut` bytes if any."""
    parts = [chunk[:cut], chunk[cut:]] if cut else [chunk]
    plane = plane_in(pixels, Inline(1, len(parts), "blosc2"))
    return encode(batch_of(plane), [memoryview(part) for part in parts])


@needs_codec
@pytest.mark.parametrize("dtype", ["|u1", "|b1", "<u2", "<i4", "<f2", "<f4", "<u8", "<f8"])
@pytest.mark.parametrize("shape", [(64, 64), (67, 61), (1, 4099)])
def test_pixels_come_back_as_they_went(dtype: str, shape: tuple[int, int]) -> None:
    pixels = RNG.integers(0, 2, shape).astype(dtype)
    chunk = packed(pixels)
    assert 0 < len(chunk) < pixels.nbytes
    for cut in (0, 1, len(chunk) // 2):
        frames = message(chunk, pixels, cut)
        (plane,) = decode(frames).planes
        assert bytes(pixels_of(plane, frames)) == pixels.tobytes()


@needs_codec
def test_a_camera_s_twelve_bits_are_worth_it_and_noise_is_not() -> None:
    assert len(packed(CAMERA)) < 0.75 * CAMERA.nbytes
    assert not packed(RNG.integers(0, 2**16, (256, 256), np.uint16))


@needs_codec
def test_what_has_no_room_is_not_compressed() -> None:
    raw = memoryview(CAMERA.tobytes())
    assert compress(raw, 2, memoryview(bytearray(1000))) == 0
    assert compress(raw, 2, memoryview(bytearray(0))) == 0
    assert compress(memoryview(bytes(16)), 2, memoryview(bytearray(100))) == 0


@needs_codec
def test_an_empty_plane_is_padded_so_that_few_bytes_never_cost_much_memory() -> None:
    empty = np.zeros((2048, 2048), np.uint16)
    chunk = packed(empty)
    assert len(chunk) == empty.nbytes // 256
    assert bytes(decompress(memoryview(chunk), empty.nbytes)) == bytes(empty.nbytes)
    with pytest.raises(InvalidMessage, match="compressed bytes for"):
        decode(message(chunk[:-1], empty))


def test_several_frames_are_joined() -> None:
    raw = CAMERA.tobytes()
    frames = encode(
        batch_of(plane_in(CAMERA, Inline(1, 3))),
        [memoryview(raw)[:10], memoryview(raw)[10:70_000], memoryview(raw)[70_000:]],
    )
    (plane,) = decode(frames).planes
    assert bytes(pixels_of(plane, frames)) == raw
    with pytest.raises(InvalidMessage, match="missing or used twice"):
        decode(frames[:-1])
    with pytest.raises(InvalidMessage, match="bytes of pixels"):
        decode([*frames[:-1], frames[-1][:-1]])


def test_frames_of_one_plane_are_no_other_s() -> None:
    planes = [plane_in(CAMERA, Inline(1, 2)), plane_in(CAMERA, Inline(2))]
    half = CAMERA.nbytes // 2
    frames = encode(batch_of(*planes), [bytes(half), bytes(half)])
    with pytest.raises(InvalidMessage, match="used twice"):
        decode(frames)


@needs_codec
@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (0, 200, "bitshuffle and LZ4"),  # a later version of the format
        (2, 0b1100_0101, "bitshuffle and LZ4"),  # a codec of the user's own
        (4, 1, "a chunk of"),  # another size than the plane's
        (7, 0x7F, "a chunk of"),
        (8, 0xFF, "a chunk of"),  # blocks larger than the plane
        (11, 0xFF, "a chunk of"),
        (14, 0x7F, "a chunk of"),  # longer than what came
        (3, 0, "bitshuffle and LZ4"),  # items of no bytes
        (20, 35, "bitshuffle and LZ4"),  # a filter that is registered, or a plugin
        (22, 37, "bitshuffle and LZ4"),  # a codec that is a plugin: it would be imported
        (24, 1, "bitshuffle and LZ4"),
        (31, 0x08, "bitshuffle and LZ4"),  # lazy: its blocks lie in a file
        (31, 0x40, "bitshuffle and LZ4"),  # uninitialised: would show what the memory held
    ],
)
def test_a_header_that_asks_for_something_else_is_refused(at: int, value: int, said: str) -> None:
    chunk = packed(CAMERA)
    chunk[at] = value
    with pytest.raises(InvalidMessage, match=said):
        decompress(memoryview(chunk), CAMERA.nbytes)


@needs_codec
def test_a_message_that_unpacks_to_more_than_is_read_at_once_is_refused() -> None:
    chunk = bytes(1 << 19)
    shape = np.broadcast_to(np.uint8(0), (1 << 13, 1 << 14))
    planes = [plane_in(shape, Inline(n, 1, "blosc2")) for n in range(1, 18)]
    assert 17 * shape.nbytes > LARGEST
    with pytest.raises(InvalidMessage, match="unpacks to"):
        decode(encode(batch_of(*planes), [chunk] * 17))


@needs_codec
def test_damaged_chunks_are_refused_or_pixels_of_the_right_size() -> None:
    chunk, chance = packed(CAMERA), random.Random(11)
    refused = 0
    for _ in range(MUTATIONS):
        damaged = bytearray(chunk)
        for _ in range(chance.randrange(1, 8)):
            # Half of them in the header and the table of blocks, where they hurt most.
            where = chance.randrange(64) if chance.random() < 0.5 else chance.randrange(len(chunk))
            damaged[where] = chance.randrange(256)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        try:
            pixels = decompress(memoryview(damaged), CAMERA.nbytes)
        except InvalidMessage:
            refused += 1
        else:
            assert pixels.nbytes == CAMERA.nbytes
    assert refused > MUTATIONS // 4


@needs_codec
@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=0, max_size=400), st.integers(1, 100_000))
def test_bytes_that_are_no_chunk_are_refused(data: bytes, nbytes: int) -> None:
    with pytest.raises(InvalidMessage):
        decompress(memoryview(data), nbytes)
