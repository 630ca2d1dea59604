"""Where the system has no shared memory to give: private memory, within one budget."""

from __future__ import annotations

import errno
from typing import Any

import numpy as np
import pytest

from coverslip.payload import (
    Arena,
    ArenaFull,
    ArenaReader,
    ArenaUnreachable,
    Plane,
    StalePlane,
    backing,
    segment,
    supply,
)
from tests.payload.planes import NBYTES, picture, taken


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
