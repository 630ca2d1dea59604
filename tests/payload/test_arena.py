"""The owner's side: slots, leases, budget and lanes."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import (
    Arena,
    ArenaFull,
    ArenaReader,
    PlaneTooLarge,
    Slot,
    StalePlane,
)
from tests.payload.planes import NBYTES, picture, sent, taken


def test_a_slot_is_free_when_every_lane_has_copied() -> None:
    with Arena(4 * NBYTES) as arena:
        readers = [ArenaReader.open(arena.offer(lane)) for lane in (0, 1)]
        plane = sent(arena, picture(), (0, 1))
        assert arena.bytes_in_flight == NBYTES
        for lane, reader in enumerate(readers):
            assert arena.collect() == 0
            assert arena.leases(lane) == 1
            reader.copy(plane)
            assert arena.leases(lane) == 0
        assert arena.collect() == 1
        assert arena.bytes_in_flight == 0


def test_a_full_arena_says_so_and_goes_on_when_there_is_room() -> None:
    with Arena(4 * NBYTES) as arena, ArenaReader.open(arena.offer(0)) as reader:
        planes = [sent(arena, picture(seed=seed)) for seed in range(4)]
        assert arena.reserve(1) is None
        assert arena.reserve(NBYTES) is None
        # out of order: the oldest is still being read
        reader.copy(planes[2])
        region = taken(arena)
        assert isinstance(planes[2].pixels, Slot)
        assert region.offset == planes[2].pixels.offset
        assert arena.bytes_reserved == NBYTES
        assert arena.bytes_in_flight == 3 * NBYTES


def test_slots_may_run_out_before_bytes_do() -> None:
    with Arena(1 << 20, slots=3) as arena:
        regions = [taken(arena, 10) for _ in range(3)]
        assert arena.reserve(10) is None
        arena.discard(regions[1])
        assert taken(arena, 10).index == regions[1].index


def test_memory_is_set_aside_as_it_is_needed_and_reused() -> None:
    with Arena(1 << 30) as arena:
        assert arena.bytes_backed == 0
        offsets = set()
        for _ in range(100):
            region = taken(arena, 1 << 20)
            offsets.add(region.offset)
            arena.discard(region)
        assert len(offsets) == 1
        assert 0 < arena.bytes_backed <= 4 << 20


def test_small_free_regions_join_for_a_large_one() -> None:
    with Arena(64 * 1024) as arena:
        regions = [taken(arena, 1024) for _ in range(64)]
        assert arena.reserve(64) is None
        for region in regions:
            arena.discard(region)
        assert taken(arena, 64 * 1024).offset == 0


@pytest.mark.parametrize("nbytes", [0, -1])
def test_nothing_cannot_be_reserved(nbytes: int) -> None:
    with Arena(100) as arena, pytest.raises(ValueError, match="a region of"):
        arena.reserve(nbytes)


def test_a_plane_as_large_as_the_budget_fits_and_a_larger_one_never_will() -> None:
    with Arena(101) as arena:
        with pytest.raises(PlaneTooLarge, match="102 bytes"):
            arena.reserve(102)
        assert taken(arena, 101).length == 101


@pytest.mark.parametrize("wrong", [{"budget": 0}, {"lanes": 0}, {"lanes": 65}, {"slots": 0}])
def test_an_arena_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one of each"):
        Arena(**{"budget": 100, **wrong})


def test_more_than_the_system_has_is_an_arena_that_is_full() -> None:
    with pytest.raises(ArenaFull, match="refuses"):
        Arena(1 << 62)


def test_a_region_is_published_or_discarded_once() -> None:
    with Arena(4 * NBYTES) as arena:
        first, second = taken(arena), taken(arena)
        arena.publish(first, [0])
        arena.discard(second)
        for region in (first, second):
            for again in (lambda r: arena.publish(r, [0]), arena.discard):
                with pytest.raises(ValueError, match="published or discarded before"):
                    again(region)


def test_a_region_is_not_larger_than_it_was_asked_to_be() -> None:
    with Arena(4 * NBYTES) as arena:
        region = taken(arena, 10)
        assert region.array((5,), "<u2").nbytes == 10
        with pytest.raises(ValueError, match="10 bytes"):
            region.array((6,), "<u2")


def test_without_a_reader_a_slot_is_free_at_once() -> None:
    with Arena(NBYTES) as arena:
        arena.publish(taken(arena), [])
        taken(arena)


@pytest.mark.parametrize("lane", [-1, 8, 10**9])
def test_a_lane_out_of_range_is_refused_before_anything_happens(lane: int) -> None:
    with Arena(NBYTES) as arena:
        region = taken(arena)
        for call in (
            lambda: arena.publish(region, [lane]),
            lambda: arena.leases(lane),
            lambda: arena.clear_lane(lane),
            lambda: arena.offer(lane),
        ):
            with pytest.raises(ValueError, match="lane"):
                call()
        arena.publish(region, [0])


def test_a_lane_that_stands_still_keeps_its_oldest_planes_and_its_share() -> None:
    with (
        Arena(8 * NBYTES, lanes=2) as arena,
        ArenaReader.open(arena.offer(0)) as quick,
        ArenaReader.open(arena.offer(1)) as still,
    ):
        planes = [sent(arena, picture(seed=seed), (0, 1)) for seed in range(8)]
        for plane in planes:
            quick.copy(plane)
        assert arena.trim_lane(1, 1.0) == 0
        assert arena.reserve(NBYTES) is None
        assert arena.trim_lane(1, 0.5) == 4
        assert arena.loads()[1] == 0.5
        assert arena.bytes_in_flight == 4 * NBYTES
        for seed in range(4):
            np.testing.assert_array_equal(still.copy(planes[seed]), picture(seed=seed))
            with pytest.raises(StalePlane):
                still.copy(planes[4 + seed])


@pytest.mark.parametrize("lanes", [1, 8, 9, 64])
def test_a_dead_viewers_leases_end_and_nobody_elses(lanes: int) -> None:
    with Arena(10 * NBYTES, lanes=lanes) as arena:
        dead, living = lanes - 1, 0
        with ArenaReader.open(arena.offer(living)) as reader:
            alone = [sent(arena, picture(), (dead,)) for _ in range(3)]
            both = [sent(arena, picture(), (living, dead)) for _ in range(2)]
            assert arena.leases(dead) == 5
            assert arena.clear_lane(dead) == 5
            assert arena.leases(dead) == 0
            if lanes > 1:
                assert arena.leases(living) == 2
                assert arena.bytes_in_flight == 2 * NBYTES
                for plane in both:
                    reader.copy(plane)
                with pytest.raises(StalePlane):
                    reader.copy(alone[0])
            arena.collect()
            assert arena.bytes_in_flight == 0


def test_the_owner_can_end_a_lease_and_see_the_bytes() -> None:
    with Arena(4 * NBYTES) as arena:
        pixels = picture()
        slot = sent(arena, pixels, (0, 1)).pixels
        assert isinstance(slot, Slot)
        seen = arena.view(slot)
        assert seen.readonly
        assert bytes(seen) == pixels.tobytes()
        for lane in (0, 1, 1):
            arena.release(slot, lane)
        assert arena.collect() == 1
        arena.release(slot, 0)
        with pytest.raises(StalePlane):
            arena.view(slot)
        # an old slot's release leaves the next one in its place alone
        sent(arena, pixels, (0, 1))
        arena.release(slot, 0)
        assert arena.leases(0) == 1


def test_an_arena_that_is_forgotten_lets_go_of_everything() -> None:
    folder = Path("/proc/self/fd")
    before = sorted(os.listdir(folder)) if folder.is_dir() else []
    arena = Arena(NBYTES)
    arena.allocate((4,), "<u2")
    del arena
    gc.collect()
    if before:
        assert sorted(os.listdir(folder)) == before


def test_numbers_of_a_slot_grow_with_each_use() -> None:
    with Arena(NBYTES) as arena:
        generations = []
        for _ in range(5):
            region = taken(arena)
            generations.append(region.generation)
            arena.discard(region)
        assert generations == sorted(set(generations))
        assert np.all(np.array(generations) % 2 == 1)


def test_how_much_of_it_a_lane_has_not_copied() -> None:
    with Arena(4 * NBYTES, slots=8) as arena, ArenaReader.open(arena.offer(0)) as reader:
        planes = [sent(arena, picture(), (0, 1)) for _ in range(2)]
        assert (arena.loads()[0], arena.loads()[1]) == (0.5, 0.5)
        reader.copy(planes[0])
        assert (arena.loads()[0], arena.loads()[1]) == (0.25, 0.5)
        for _ in range(4):
            arena.publish(taken(arena, 8), [1])
        assert arena.loads()[1] == 0.75, "six slots of eight"
    assert arena.loads()[0] == 0.0


def test_how_full_it_is_in_bytes_or_slots_of_those_that_are_not_reserved() -> None:
    with Arena(8 * NBYTES, lanes=1, slots=4) as arena:
        assert arena.occupancy == 0
        kept = taken(arena, 4 * NBYTES)
        slot = arena.publish(taken(arena), [0])
        assert arena.occupancy == pytest.approx(1 / 3)  # of three slots; a quarter of the bytes
        wide = arena.publish(taken(arena, 2 * NBYTES), [0])
        assert arena.occupancy == pytest.approx(3 / 4)
        arena.release(slot, 0)
        arena.release(wide, 0)
        assert arena.occupancy == pytest.approx(3 / 4)
        arena.collect()
        assert arena.occupancy == 0
        arena.discard(kept)
