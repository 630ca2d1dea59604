"""What is counted in the Java heap, and when; no Java."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from coverslip.viewers.errors import NoRoom
from coverslip.viewers.fiji.heap import Heap


def test_what_nobody_has_any_more_makes_room() -> None:
    heap = Heap(200, 100)
    plane, table = np.zeros(60, np.uint8), np.zeros(10, np.uint8)
    heap.hold(plane, 60)
    heap.hold(table, 10, planes=0)
    usage = heap.usage(3)
    assert (usage.budget, usage.memory, usage.in_memory, usage.dropped) == (200, 70, 1, 3)
    with pytest.raises(NoRoom, match="--memory"):
        heap.admit(6)
    del plane
    heap.admit(6)
    usage = heap.usage(0)
    assert (usage.memory, usage.in_memory, usage.dropped) == (10, 0, 1)


def test_a_plane_may_go_in_a_thread_that_is_counting() -> None:
    heap = Heap(200, 100)
    planes = [np.zeros(8, np.uint8)]
    heap.hold(planes[0], 8)

    def collect_while_counting() -> None:
        # As Python's collector does, when `usage` allocates its answer.
        with heap._lock:
            planes.clear()

    counting = threading.Thread(target=collect_while_counting, daemon=True)
    counting.start()
    counting.join(10)
    assert not counting.is_alive(), "it waits for a lock that it holds itself"
    assert heap.usage(0).memory == 0
