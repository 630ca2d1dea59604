"""The owner's side: slots, leases, budget, lanes, threads and forks."""

from __future__ import annotations

import errno
import gc
import os
import sys
import threading
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from coverslip.payload import (
    Arena,
    ArenaClosed,
    ArenaFull,
    ArenaReader,
    ArenaUnreachable,
    Plane,
    PlaneTooLarge,
    Region,
    Slot,
    StalePlane,
    backing,
    segment,
    supply,
)
from tests.payload.planes import picture, sent

NBYTES = picture().nbytes


def taken(arena: Arena, nbytes: int = NBYTES) -> Region:
    """Reserve where there must be room."""
    region = arena.reserve(nbytes)
    assert region is not None
    return region


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


@pytest.mark.parametrize("shape", [(), (0, 5), (-1, 5), (-1, -5)])
def test_an_array_without_elements_cannot_be_allocated(shape: tuple[int, ...]) -> None:
    with Arena(100) as arena:
        with pytest.raises(ValueError, match="each an element"):
            arena.allocate(shape, "|u1")
        assert arena.bytes_reserved == 0


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


def test_an_arena_that_is_forgotten_lets_go_of_everything() -> None:
    folder = Path("/proc/self/fd")
    before = sorted(os.listdir(folder)) if folder.is_dir() else []
    arena = Arena(NBYTES)
    arena.allocate((4,), "<u2")
    del arena
    gc.collect()
    if before:
        assert sorted(os.listdir(folder)) == before


def test_eight_threads_publish_at_once_and_no_pixel_is_mixed() -> None:
    count, threads_count = 150, 8
    planes: list[Any] = []
    errors: list[BaseException] = []
    done = threading.Event()
    with Arena(12 * NBYTES) as arena, ArenaReader.open(arena.offer(0)) as reader:

        def produce(number: int) -> None:
            try:
                for turn in range(count):
                    value = number * 31 + turn % 31
                    while (region := arena.reserve(NBYTES)) is None:
                        done.wait(0.001)
                    region.array((NBYTES,), "|u1")[...] = value
                    slot = arena.publish(region, [0])
                    planes.append((slot, value))
            except BaseException as error:  # noqa: BLE001 (told to the test's own thread)
                errors.append(error)

        threads = [threading.Thread(target=produce, args=(n,)) for n in range(threads_count)]
        for thread in threads:
            thread.start()
        seen = 0
        while seen < count * threads_count and not errors:
            if len(planes) == seen:
                done.wait(0.001)
                continue
            slot, value = planes[seen]
            seen += 1
            pixels = reader.copy(Plane((1, NBYTES), "|u1", slot))
            assert (pixels == value).all()
        done.set()
        for thread in threads:
            thread.join(30)
        assert not errors
        arena.collect()
        assert arena.bytes_in_flight == arena.bytes_reserved == 0


class ArenaMachine(RuleBasedStateMachine):
    """Reserves, publishes, copies, clears in any order; every pixel is what was written."""

    LANES = 3
    BUDGET = 8192

    def __init__(self) -> None:
        super().__init__()
        self.arena = Arena(self.BUDGET, lanes=self.LANES, slots=12)
        self.readers = [ArenaReader.open(self.arena.offer(lane)) for lane in range(self.LANES)]
        self.reserved: list[Region] = []
        self.published: list[tuple[Slot, int, set[int]]] = []
        self.stale: list[Slot] = []
        self.value = 0

    @rule(nbytes=st.integers(1, 3000))
    def reserve(self, nbytes: int) -> None:
        region = self.arena.reserve(nbytes)
        if region is not None:
            self.reserved.append(region)

    @rule(which=st.integers(0, 11), lanes=st.sets(st.integers(0, LANES - 1)))
    def publish(self, which: int, lanes: set[int]) -> None:
        if self.reserved:
            region = self.reserved.pop(which % len(self.reserved))
            self.value = (self.value + 1) % 251
            region.array((region.length,), "|u1")[...] = self.value
            slot = self.arena.publish(region, lanes)
            if lanes:
                self.published.append((slot, self.value, set(lanes)))

    @rule(which=st.integers(0, 11))
    def discard(self, which: int) -> None:
        if self.reserved:
            self.arena.discard(self.reserved.pop(which % len(self.reserved)))

    @rule(which=st.integers(0, 11))
    def copy(self, which: int) -> None:
        if self.published:
            slot, value, lanes = self.published[which % len(self.published)]
            lane = min(lanes)
            pixels = self.readers[lane].copy(Plane((1, slot.length), "|u1", slot))
            assert (pixels == value).all()
            self.left(slot, {lane})

    @rule(lane=st.integers(0, LANES - 1))
    def clear(self, lane: int) -> None:
        expected = sum(lane in lanes for _, _, lanes in self.published)
        assert self.arena.clear_lane(lane) == expected
        for slot, _, _ in list(self.published):
            self.left(slot, {lane})

    @rule(lane=st.integers(0, LANES - 1), share=st.floats(0, 1))
    def trim(self, lane: int, share: float) -> None:
        held = [slot for slot, _, lanes in self.published if lane in lanes]
        gone = self.arena.trim_lane(lane, share)
        assert self.arena.loads()[lane] <= share or not held
        kept = held[: len(held) - gone]
        assert self.arena.leases(lane) == len(kept), "the newest ones end"
        for slot in held[len(kept) :]:
            self.left(slot, {lane})

    @rule()
    def collect(self) -> None:
        self.arena.collect()
        for slot in self.stale:
            with pytest.raises(StalePlane):
                self.readers[0].release(slot)
        self.stale.clear()

    def left(self, slot: Slot, gone: set[int]) -> None:
        for entry in self.published:
            if entry[0] == slot:
                entry[2].difference_update(gone)
                if not entry[2]:
                    self.published.remove(entry)
                    self.stale.append(slot)
                return

    @invariant()
    def regions_lie_apart_and_within(self) -> None:
        parts = [(region.offset, region.length) for region in self.reserved]
        parts += [(slot.offset, slot.length) for slot, _, _ in self.published]
        parts.sort()
        for (offset, length), (following, _) in pairwise(parts):
            assert offset + length <= following
        assert not parts or sum(parts[-1]) <= self.BUDGET

    @invariant()
    def bytes_are_counted(self) -> None:
        assert self.arena.bytes_reserved == sum(region.length for region in self.reserved)
        held = sum(slot.length for slot, _, _ in self.published)
        assert held <= self.arena.bytes_in_flight <= self.BUDGET
        for lane in range(self.LANES):
            assert self.arena.leases(lane) == sum(lane in lanes for _, _, lanes in self.published)

    def teardown(self) -> None:
        for reader in self.readers:
            reader.close()
        self.arena.close()


def test_any_order_of_calls_keeps_every_pixel_and_every_byte() -> None:
    run_state_machine_as_test(
        ArenaMachine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


def test_numbers_of_a_slot_grow_with_each_use() -> None:
    with Arena(NBYTES) as arena:
        generations = []
        for _ in range(5):
            region = taken(arena)
            generations.append(region.generation)
            arena.discard(region)
        assert generations == sorted(set(generations))
        assert np.all(np.array(generations) % 2 == 1)


class Scarce:
    """Has the system refuse shared memory from a number of bytes on, until it is `lifted`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self._undo = monkeypatch
        probe = segment.create(1)
        probe.close()
        kind = type(probe)
        ensure = kind.ensure

        def limited(self: Any, mapping: Any, offset: int, length: int) -> None:
            if offset + length > most:
                raise ArenaFull(errno.ENOSPC, "No space left on device")
            ensure(self, mapping, offset, length)

        monkeypatch.setattr(kind, "ensure", limited)
        monkeypatch.setattr(supply, "GROWTH_PAUSE", 0.0)
        monkeypatch.setattr(backing, "GROWTH_PAUSE", 0.0)

    def lift(self) -> None:
        self._undo.undo()


class TestSpill:
    def test_planes_lie_in_private_memory_while_the_segment_cannot_grow(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scarce = Scarce(monkeypatch, segment.GRANULARITY)
        with Arena(4 * NBYTES, spill=True) as arena, ArenaReader.open(arena.offer(0)) as reader:
            region = taken(arena)
            assert not region.shared
            assert "No space left" in arena.refused
            np.copyto(region.array((64, 48), "<u2"), picture())
            slot = arena.publish(region, [0, 1])
            assert bytes(arena.view(slot)) == picture().tobytes()
            assert (arena.bytes_in_flight, arena.bytes_backed) == (NBYTES, 0)
            assert 0 < arena.loads()[0] == arena.loads()[1] <= 0.25
            array = arena.allocate((64, 48), "<u2")
            assert array is not None
            claimed = arena.claim(array)
            assert claimed is not None
            assert arena.claim(array) is None
            arena.discard(claimed)
            scarce.lift()
            shared = taken(arena)
            assert shared.shared
            assert arena.refused == ""
            arena.release(slot, 0)
            assert arena.collect() == 0
            arena.release(slot, 1)
            assert arena.collect() == 1
            with pytest.raises(StalePlane):
                arena.view(slot)
            np.copyto(shared.array((64, 48), "<u2"), picture(seed=1))
            plane = Plane((64, 48), "<u2", arena.publish(shared, [0]))
            assert np.array_equal(reader.copy(plane), picture(seed=1))

    def test_one_budget_bounds_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Scarce(monkeypatch, segment.GRANULARITY)
        with Arena(4 * NBYTES, spill=True) as arena:
            slots = [arena.publish(taken(arena), [0]) for _ in range(3)]
            last = taken(arena)
            assert arena.reserve(NBYTES) is None
            arena.discard(last)
            arena.publish(taken(arena), [0])
            assert arena.reserve(1) is None
            arena.release(slots[1], 0)
            taken(arena)

    def test_an_arena_without_a_segment_has_one_once_there_is_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scarce = Scarce(monkeypatch, 0)
        with Arena(4 * NBYTES, spill=True) as arena:
            assert arena.address is None
            with pytest.raises(ArenaUnreachable, match="offers no arena"):
                ArenaReader.open(arena.offer(0))
            under_way = arena.publish(taken(arena), [0])
            written = taken(arena)
            scarce.lift()
            shared = taken(arena)
            assert shared.shared
            # What was begun before goes on as it was.
            assert arena.leases(0) == 1
            assert len(arena.view(under_way)) == NBYTES
            before = arena.publish(written, [0])
            np.copyto(shared.array((64, 48), "<u2"), picture())
            plane = Plane((64, 48), "<u2", arena.publish(shared, [0]))
            with ArenaReader.open(arena.offer(0)) as reader:
                assert np.array_equal(reader.copy(plane), picture())
                assert arena.leases(0) == 2
            for slot in (under_way, before):
                arena.release(slot, 0)
            assert arena.collect() == 3
        assert arena.closed

    def test_without_leave_to_spill_it_is_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Scarce(monkeypatch, 0)
        with pytest.raises(ArenaFull, match="No space left"):
            Arena(4 * NBYTES)


def test_no_step_that_an_exception_interrupts_leaves_it_unusable() -> None:
    # As Ctrl-C does, wherever Python looks for signals: as a function begins, and after a call.
    def use(arena: Arena) -> None:
        for _ in range(3):
            for region in [taken(arena) for _ in range(3)]:
                arena.publish(region, [0])
            arena.clear_lane(0)

    def interrupt(arena: Arena, after: int) -> bool:
        left = after

        def hook(frame: FrameType, event: str, _: object) -> None:
            nonlocal left
            if event in ("call", "c_return") and frame.f_globals["__name__"].startswith(ours):
                left -= 1
                if left < 0:
                    sys.setprofile(None)
                    raise KeyboardInterrupt

        before = sys.getprofile()
        try:
            sys.setprofile(hook)
            use(arena)
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(before)
        return False

    ours = "coverslip.payload."
    for after in count():
        with Arena(64 * NBYTES, slots=64) as arena:
            interrupted = interrupt(arena, after)
            for _ in range(2):
                use(arena)
            assert arena.loads()[0] == 0.0
        if not interrupted:
            break
    assert after > 100, "this many steps were interrupted"


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
