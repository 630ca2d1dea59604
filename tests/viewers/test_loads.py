"""How much a viewer has to copy, never said to be less than it is, and who lags behind another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from coverslip.payload import Arena, Slot
from coverslip.viewers import loads
from coverslip.viewers.loads import Loads

PLANE = 1024
BUDGET = 8 * PLANE

LONG = 1e9
"""Seconds: whatever was counted is young enough."""


@dataclass(frozen=True)
class Place:
    """All that is asked of a lane here."""

    index: int
    wants: bool = True


FIRST, SECOND = LANES = (Place(0), Place(1))


@pytest.fixture
def arena() -> Iterator[Arena]:
    with Arena(BUDGET, lanes=2) as arena:
        yield arena


def send(arena: Arena, counted: Any, planes: int = 1) -> Slot:
    """Publish some planes to both, as one."""
    region = arena.reserve(planes * PLANE)
    assert region is not None
    slot = arena.publish(region, [0, 1])
    counted.add(LANES, planes * PLANE)
    return slot


def test_what_is_sent_counts_at_once_and_what_is_read_when_counted_anew(arena: Arena) -> None:
    counted: Any = Loads(arena, LANES)  # type: ignore[arg-type]  # Place has what is asked
    assert [counted.of(lane) for lane in LANES] == [0, 0]
    slot = send(arena, counted, 2)
    assert [counted.of(lane) for lane in LANES] == pytest.approx([0.25, 0.25])
    arena.release(slot, 0)
    assert counted.reach(2 * PLANE, LONG)
    assert not counted.reach(2 * PLANE, 0)
    assert [counted.of(lane) for lane in LANES] == pytest.approx([0, 0.25])


def test_who_has_used_up_its_share_lags_only_behind_one_that_keeps_up(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loads, "_COUNT_SECONDS", 0)
    monkeypatch.setattr(loads, "_RECOUNT_SECONDS", 0)
    counted: Any = Loads(arena, LANES)  # type: ignore[arg-type]
    slots = [send(arena, counted) for _ in range(5)]
    assert not counted.lagging(PLANE), "both had little to copy a moment ago: a burst"
    monkeypatch.setattr(loads, "_AHEAD_SECONDS", 0)
    assert not counted.lagging(PLANE), "nobody keeps up"
    for slot in slots[:4]:
        arena.release(slot, 0)
    monkeypatch.setattr(loads, "_AHEAD_SECONDS", LONG)
    counted.forget_light(SECOND)
    assert counted.lagging(PLANE) == [SECOND]
    for slot in slots:
        arena.release(slot, 1)
    assert not counted.lagging(PLANE), "it has read all"


def test_a_viewer_that_is_not_there_has_no_share(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loads, "_COUNT_SECONDS", 0)
    monkeypatch.setattr(loads, "_AHEAD_SECONDS", LONG)
    counted: Any = Loads(arena, (FIRST, Place(1, wants=False)))  # type: ignore[arg-type]
    for _ in range(8):
        send(arena, counted)
    counted.count()
    assert counted.share == 1
    assert not counted.lagging(PLANE)
