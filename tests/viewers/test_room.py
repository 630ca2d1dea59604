"""How a full arena is waited for: a burst's worth at a time, and never past the deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from coverslip.payload import Arena, Slot
from coverslip.viewers import room
from coverslip.viewers.room import Room

PLANE = 1024
PLANES = 8

LONG = 1e9
"""Seconds."""


class Place:
    """All that is asked of a lane here; `look` stands for a viewer that reads meanwhile."""

    index = 0
    wants = True
    busy = True

    def __init__(self, look: Callable[[], None]) -> None:
        self.look = look


def fill(arena: Arena) -> list[Slot]:
    """Publish as many planes as there is room for."""
    slots = []
    while (region := arena.reserve(PLANE)) is not None:
        slots.append(arena.publish(region, [0]))
    return slots


def reserve(arena: Arena, read: Callable[[], None], limit: float) -> bool:
    """Whether room was found in an arena, in which one lane's viewer reads at each look."""
    places: Any = [Place(read)]
    found = Room(arena, places, threading.RLock(), threading.Event(), limit)
    return found.reserve(PLANE, time.monotonic() + limit, lambda: None) is not None


def test_who_waits_goes_on_when_a_quarter_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_BURST_SECONDS", LONG)
    with Arena(PLANES * PLANE, lanes=1) as arena:
        slots = fill(arena)
        assert len(slots) == PLANES

        def read() -> None:
            arena.release(slots.pop(0), 0)

        assert reserve(arena, read, LONG)
        assert len(slots) == PLANES - PLANES // 4


@pytest.mark.parametrize("limit", [0.05, LONG])
def test_any_room_is_taken_in_the_end(limit: float) -> None:
    with Arena(PLANES * PLANE, lanes=1) as arena:
        slots = fill(arena)

        def read() -> None:
            if len(slots) == PLANES:
                arena.release(slots.pop(), 0)

        assert reserve(arena, read, limit)
        assert len(slots) == PLANES - 1


def test_what_the_caller_keeps_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_BURST_SECONDS", LONG)
    with Arena(PLANES * PLANE, lanes=1) as arena:
        kept = [arena.reserve(PLANE) for _ in range(PLANES - 1)]
        slots = fill(arena)
        assert len(slots) == 1

        def read() -> None:
            if slots:
                arena.release(slots.pop(), 0)

        assert reserve(arena, read, LONG)
        assert all(region is not None for region in kept)
