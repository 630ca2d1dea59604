"""How much a viewer has to copy: counted now and then, and never said to be less than it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from coverslip.payload import Arena
from coverslip.viewers.loads import Loads

PLANE = 1024
BUDGET = 8 * PLANE

LONG = 1e9
"""Seconds: whatever was counted is young enough."""


@dataclass(frozen=True)
class Place:
    """All that is asked of a lane here."""

    index: int


def test_what_is_sent_counts_at_once_and_what_is_read_when_counted_anew() -> None:
    first, second = lanes = (Place(0), Place(1))
    with Arena(BUDGET, lanes=2) as arena:
        loads: Any = Loads(arena)
        assert loads.at_most(lanes, LONG) == {first: 0, second: 0}
        region = arena.reserve(2 * PLANE)
        assert region is not None
        slot = arena.publish(region, [0, 1])
        loads.add(lanes, 2 * PLANE)
        assert loads.at_most(lanes, LONG) == {first: pytest.approx(0.25), second: 0.25}
        arena.release(slot, 0)
        assert loads.at_most(lanes, LONG) == {first: pytest.approx(0.25), second: 0.25}
        assert loads.at_most(lanes, 0) == {first: 0, second: pytest.approx(0.25)}
