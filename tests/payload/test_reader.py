"""The viewer's side: what is offered is proved, what is read is checked."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverslip.payload import (
    Arena,
    ArenaClosed,
    ArenaReader,
    ArenaUnreachable,
    Inline,
    InvalidMessage,
    MemfdAddress,
    Offer,
    Plane,
    Slot,
    StalePlane,
    kept,
)
from tests.payload.planes import picture, plane_in, sent

PIXELS = picture()


@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<u2", "<i4", "<f2", "<f8"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (5, 7, 3), (300, 200)])
def test_what_was_sent_is_what_is_copied(dtype: str, shape: tuple[int, ...]) -> None:
    pixels = picture(shape, dtype)
    with Arena(1 << 20) as arena, ArenaReader.open(arena.offer(0)) as reader:
        copied = reader.copy(sent(arena, pixels))
        assert copied.dtype == pixels.dtype
        assert np.array_equal(copied, pixels)
        assert copied.flags.owndata
        into = np.empty_like(pixels)
        assert reader.copy(sent(arena, pixels), into) is into
        assert np.array_equal(into, pixels)
        assert np.array_equal(reader.copy(sent(arena, pixels), allocate=kept), pixels)
        assert arena.leases(0) == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_reader_may_give_up_the_pages_that_it_has_read() -> None:
    def shared() -> int:
        return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGESIZE")

    pixels = picture((2048, 2048), "<u2")
    with Arena(64 << 20) as arena, ArenaReader.open(arena.offer(0)) as reader:
        planes = [sent(arena, pixels) for _ in range(4)]
        for plane in planes:
            reader.copy(plane)
        before = shared()
        reader.rest()
        assert before - shared() > 3 * pixels.nbytes
        assert np.array_equal(reader.copy(sent(arena, pixels)), pixels)


def test_a_plane_is_copied_once() -> None:
    with Arena(1 << 20) as arena, ArenaReader.open(arena.offer(0)) as reader:
        plane = sent(arena, PIXELS)
        reader.copy(plane)
        arena.collect()
        with pytest.raises(StalePlane, match="generation 2"):
            reader.copy(plane)


def test_a_stale_message_leaves_the_next_lease_alone() -> None:
    with Arena(PIXELS.nbytes) as arena, ArenaReader.open(arena.offer(0)) as reader:
        old = sent(arena, PIXELS)
        arena.clear_lane(0)
        new = sent(arena, picture(seed=1))
        assert isinstance(old.pixels, Slot)
        for call in (lambda: reader.copy(old), lambda: reader.release(old.pixels)):
            with pytest.raises(StalePlane):
                call()
        assert arena.leases(0) == 1
        assert np.array_equal(reader.copy(new), picture(seed=1))


def test_a_slot_written_again_during_the_copy_is_noticed() -> None:
    with Arena(PIXELS.nbytes) as arena, ArenaReader.open(arena.offer(0)) as reader:
        plane = sent(arena, PIXELS)

        def interfere(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
            arena.clear_lane(0)
            sent(arena, picture(seed=1))
            return np.empty(shape, dtype)

        with pytest.raises(StalePlane):
            reader.copy(plane, allocate=interfere)
        assert arena.leases(0) == 1


def test_a_slot_can_be_given_back_unread() -> None:
    with Arena(1 << 20) as arena, ArenaReader.open(arena.offer(0)) as reader:
        slot = sent(arena, PIXELS).pixels
        assert isinstance(slot, Slot)
        reader.release(slot)
        assert arena.collect() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": 1 << 20},
        {"offset": (1 << 20) - PIXELS.nbytes + 1},
        {"offset": 2**63 - 1},
        {"offset": -8},
        {"index": 4096},
        {"index": -1},
        {"index": 2**31 - 1},
        {"length": 2**62},
        {"length": -1},
        {"length": 0},
        {"length": PIXELS.nbytes + 2},
    ],
)
def test_nothing_outside_the_arena_is_read(changes: dict[str, int]) -> None:
    with Arena(1 << 20) as arena, ArenaReader.open(arena.offer(0)) as reader:
        plane = sent(arena, PIXELS)
        assert isinstance(plane.pixels, Slot)
        wrong = msgspec.structs.replace(plane.pixels, **changes)
        with pytest.raises(InvalidMessage):
            reader.copy(plane_in(PIXELS, wrong))
        assert arena.leases(0) == 1


@pytest.mark.parametrize(
    "changes",
    [{"shape": (64, 49)}, {"shape": (2**31 - 1, 2**31 - 1)}, {"dtype": "<u4"}, {"dtype": "O"}],
)
def test_a_shape_that_is_not_the_slots_is_refused(changes: dict[str, Any]) -> None:
    with Arena(1 << 20) as arena, ArenaReader.open(arena.offer(0)) as reader:
        plane = msgspec.structs.replace(sent(arena, PIXELS), **changes)
        with pytest.raises(InvalidMessage):
            reader.copy(plane)


@settings(max_examples=300, deadline=None)
@given(
    st.builds(
        Slot,
        st.integers(-(2**33), 2**33),
        st.integers(-(2**65), 2**65),
        st.integers(-(2**65), 2**65),
        st.integers(0, 3),
    ),
    st.tuples(st.integers(1, 2**31), st.integers(1, 2**31)),
)
def test_any_slot_is_read_within_the_arena_or_refused(slot: Slot, shape: tuple[int, int]) -> None:
    with Arena(4096) as arena, ArenaReader.open(arena.offer(0)) as reader:
        sent(arena, picture((8, 8), "|u1"))
        try:
            copied = reader.copy(Plane(shape, "|u1", slot))
        except (InvalidMessage, StalePlane):
            return
        assert copied.nbytes == slot.length <= 4096


def test_inline_planes_are_not_the_readers() -> None:
    plane = plane_in(PIXELS, Inline(1))
    with (
        Arena(1 << 20) as arena,
        ArenaReader.open(arena.offer(0)) as reader,
        pytest.raises(InvalidMessage, match="inline"),
    ):
        reader.copy(plane)


def test_a_target_of_another_shape_or_dtype_is_refused() -> None:
    with Arena(1 << 20) as arena, ArenaReader.open(arena.offer(0)) as reader:
        plane = sent(arena, PIXELS)
        for out in (np.empty((1, 1), "<u2"), np.empty(PIXELS.shape, "<u4")):
            with pytest.raises(ValueError, match="for a plane"):
                reader.copy(plane, out)
        assert arena.leases(0) == 1


def test_an_offer_must_be_proved() -> None:
    with Arena(1 << 20, lanes=2) as arena:
        offer = arena.offer(0)
        for changes, said in (
            ({"address": None}, "offers no arena"),
            ({"nonce": b"x" * 16}, "another stream's"),
            ({"lane": 2}, "2 lanes"),
        ):
            with pytest.raises(ArenaUnreachable, match=said):
                ArenaReader.open(msgspec.structs.replace(offer, **changes))
        with Arena(1 << 20) as other, pytest.raises(ArenaUnreachable, match="another stream's"):
            ArenaReader.open(msgspec.structs.replace(offer, address=other.address))


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memfd is Linux's")
@pytest.mark.parametrize(
    "header",
    [b"", b"junk" * 1024, b"coversl1" + b"\xff" * 4088, b"coversl1" + bytes(4088)],
)
def test_a_segment_with_another_header_is_refused(header: bytes) -> None:
    import fcntl

    fd = os.memfd_create("coverslip-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, header)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 7)
    with pytest.raises(ArenaUnreachable):
        ArenaReader.open(Offer(address=MemfdAddress(os.getpid(), fd), nonce=bytes(16), lane=0))
    os.close(fd)


def test_pixels_cannot_be_written_through_a_reader() -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs Linux's /proc")
    with Arena(1 << 20) as arena:
        address = arena.address
        with ArenaReader.open(arena.offer(0)):
            maps = [
                line.split()[1]
                for line in Path("/proc/self/maps").read_text().splitlines()
                if "memfd:coverslip" in line
            ]
        assert sorted(maps) == ["r--s", "rw-s", "rw-s"]  # the reader's data; its table; the owner
        assert address == arena.address


def test_a_reader_keeps_what_it_mapped_when_the_stream_has_gone() -> None:
    arena = Arena(1 << 20)
    reader = ArenaReader.open(arena.offer(0))
    plane = sent(arena, PIXELS)
    left = [reader.left]
    arena.close()
    left.append(reader.left)
    assert left == [False, True]
    del arena
    gc.collect()
    assert np.array_equal(reader.copy(plane), PIXELS)
    reader.close()
    reader.close()
    assert not reader.left
    with pytest.raises(ArenaClosed):
        reader.copy(plane)
