"""An arena in any order of calls, of threads and of interruptions."""

from __future__ import annotations

import sys
import threading
from itertools import count, pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from coverslip.payload import (
    Arena,
    ArenaReader,
    Plane,
    Region,
    Slot,
    StalePlane,
)
from tests.payload.planes import NBYTES, taken


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
