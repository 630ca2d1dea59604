"""Memory taken and given back in one order: nothing overlaps, nothing is lost."""

from __future__ import annotations

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coverslip.viewers.ring import Ring

SIZE = 100


def test_all_of_it_is_free_at_first_and_again_when_all_is_given_back() -> None:
    ring = Ring(np.zeros(SIZE, np.uint8))
    start, piece = ring.free()
    assert (start, len(piece)) == (0, SIZE)
    end = ring.take(start, SIZE)
    assert len(ring.free()[1]) == 0
    ring.give(end)
    assert len(ring.free()[1]) == SIZE
    ring.take(0, 10)
    ring.clear()
    assert len(ring.free()[1]) == SIZE


@given(st.lists(st.one_of(st.integers(1, 60), st.none()), max_size=200))
def test_what_was_taken_stays_as_it_was_written_until_it_is_given_back(
    steps: list[int | None],
) -> None:
    ring = Ring(np.zeros(SIZE, np.uint8))
    held: deque[tuple[int, memoryview, int]] = deque()
    for number, length in enumerate(steps, start=1):
        mark = number % 256
        if length is None:
            if held:
                ring.give(held.popleft()[2])
        else:
            start, piece = ring.free()
            if length > len(piece):
                continue
            piece[:length] = bytes([mark]) * length
            held.append((mark, piece[:length], ring.take(start, length)))
        for expected, memory, _ in held:
            assert bytes(memory) == bytes([expected]) * len(memory)
    while held:
        ring.give(held.popleft()[2])
    assert len(ring.free()[1]) == SIZE
