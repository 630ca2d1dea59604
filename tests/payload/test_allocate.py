"""Arrays that lie in the arena: claimed once, and their region given back."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from coverslip.payload import (
    Arena,
    ArenaClosed,
    Slot,
)
from tests.payload.planes import NBYTES, picture, sent, taken


@pytest.mark.parametrize("shape", [(), (0, 5), (-1, 5), (-1, -5)])
def test_an_array_without_elements_cannot_be_allocated(shape: tuple[int, ...]) -> None:
    with Arena(100) as arena:
        with pytest.raises(ValueError, match="each an element"):
            arena.allocate(shape, "|u1")
        assert arena.bytes_reserved == 0


@pytest.mark.parametrize(
    "whole", [lambda a: a, lambda a: a[:], lambda a: a.reshape(48, 64)], ids=range(3)
)
def test_an_allocated_array_is_claimed_once_and_a_part_of_it_never(
    whole: Callable[[Any], Any],
) -> None:
    with Arena(10 * NBYTES) as arena:
        array = arena.allocate((64, 48), "<u2")
        assert array is not None
        for other in (
            array[1:],
            array[:-1],
            array[:, ::2],
            array.T,
            array.astype(">u2"),
            picture(),
        ):
            assert arena.claim(other) is None
        assert arena.claim(array.view(">u2")) is None
        region = arena.claim(whole(array))
        assert region is not None
        assert region.length == array.nbytes
        assert arena.claim(array) is None
        arena.publish(region, [0])
        assert arena.claim(array) is None


def test_an_array_that_was_published_does_not_claim_whoever_has_its_slot_now() -> None:
    with Arena(10 * NBYTES) as arena:
        array = arena.allocate((64, 48), "<u2")
        assert array is not None
        region = arena.claim(array)
        assert region is not None
        arena.publish(region, [])
        again = arena.allocate((64, 48), "<u2")
        assert again is not None
        assert again.ctypes.data == array.ctypes.data
        assert arena.claim(array) is None
        assert arena.claim(again) is not None
        arena.clear_lane(0)
        written = arena.reserve(NBYTES)
        assert written is not None
        assert arena.claim(written.array((64, 48), "<u2")) is None


def test_an_array_dropped_unpublished_gives_its_region_back() -> None:
    with Arena(NBYTES) as arena:
        for _ in range(3):
            array = arena.allocate((64, 48), "<u2")
            assert array is not None
            view = array[1:]
            del array
            gc.collect()
            assert arena.allocate((1,), "<u2") is None
            del view
            gc.collect()
        array = arena.allocate((64, 48), "<u2")
        assert array is not None
        region = arena.claim(array)
        assert region is not None
        arena.publish(region, [0])
        del array
        gc.collect()
        assert arena.reserve(1) is None
        assert arena.leases(0) == 1


def test_a_closed_arena_refuses_and_lets_arrays_live() -> None:
    arena = Arena(4 * NBYTES)
    array = arena.allocate((64, 48), "<u2")
    assert array is not None
    region, slot = taken(arena), sent(arena, picture()).pixels
    assert isinstance(slot, Slot)
    view = arena.view(slot)
    arena.close()
    arena.close()
    assert arena.closed
    array[...] = 3
    assert (array == 3).all()
    assert bytes(view) == picture().tobytes()
    for call in (
        lambda: arena.reserve(1),
        lambda: arena.publish(region, [0]),
        lambda: region.array((1,), "|u1"),
        lambda: arena.view(slot),
    ):
        with pytest.raises(ArenaClosed, match="closed"):
            call()
    # what only tidies up has nothing left to do
    arena.discard(region)
    arena.release(slot, 0)
    assert arena.claim(array) is None
    assert (arena.collect(), arena.clear_lane(0), arena.leases(0)) == (0, 0, 0)
    assert (arena.bytes_in_flight, arena.bytes_reserved, arena.bytes_backed) == (0, 0, 0)
