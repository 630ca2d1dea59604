"""The allocator by properties: nothing overlaps, nothing is lost, nothing lies beyond the limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from coverslip.payload.space import ALIGNMENT, Space

LIMIT = 64 * ALIGNMENT


def reserve(space: Space, size: int) -> int | None:
    """Reserve as an arena does."""
    for attempt in (space.take, space.extend):
        offset = attempt(size)
        if offset is not None:
            return offset
    if not space.merge():
        return None
    offset = space.take(size)
    return space.extend(size) if offset is None else offset


class SpaceMachine(RuleBasedStateMachine):
    """Takes and gives in any order and remembers what is in use."""

    def __init__(self) -> None:
        super().__init__()
        self.space = Space(LIMIT)
        self.used: dict[int, int] = {}

    @rule(nbytes=st.integers(1, LIMIT // 2))
    def take(self, nbytes: int) -> None:
        size = Space.round(nbytes)
        offset = reserve(self.space, size)
        if offset is None:
            assert size > self.largest_gap()
        else:
            assert offset not in self.used
            self.used[offset] = size

    @rule(which=st.integers(0, 100))
    def give(self, which: int) -> None:
        if self.used:
            offset = sorted(self.used)[which % len(self.used)]
            self.space.give(offset, self.used.pop(offset))

    @rule()
    def merge(self) -> None:
        self.space.merge()

    def largest_gap(self) -> int:
        taken = sorted(self.used.items())
        ends = [0, *(offset + size for offset, size in taken)]
        starts = [*(offset for offset, _ in taken), LIMIT]
        return max(start - end for end, start in zip(ends, starts, strict=True))

    @invariant()
    def used_and_free_tile_everything_below_the_top(self) -> None:
        parts = sorted([*self.used.items(), *self.space.free()])
        place = 0
        for offset, size in parts:
            assert offset == place
            assert offset % ALIGNMENT == 0
            place += size
        assert place == self.space.top <= LIMIT


def test_regions_never_overlap_and_are_never_lost() -> None:
    run_state_machine_as_test(
        SpaceMachine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )


@given(st.permutations(range(8)))
def test_all_that_is_given_back_is_one_again(order: list[int]) -> None:
    space = Space(LIMIT)
    offsets = [space.extend(8 * ALIGNMENT) for _ in range(8)]
    for which in order:
        offset = offsets[which]
        assert offset is not None
        space.give(offset, 8 * ALIGNMENT)
    assert space.merge()
    assert space.top == 0
    assert space.extend(LIMIT) == 0


def test_the_region_given_back_last_is_taken_first() -> None:
    space = Space(LIMIT)
    first, second = space.extend(64), space.extend(64)
    assert first is not None
    assert second is not None
    space.give(first, 64)
    space.give(second, 64)
    assert [space.take(64), space.take(64)] == [second, first]


def test_a_free_region_serves_the_smallest_request_that_fits() -> None:
    space = Space(LIMIT)
    large, wall, small, end = (space.extend(size) for size in (512, 64, 256, 64))
    assert (large, wall, small, end) == (0, 512, 576, 832)
    assert large is not None
    assert small is not None
    space.give(large, 512)
    space.give(small, 256)
    assert space.merge()
    assert space.take(192) == small
    assert space.take(64) == small + 192
