"""A viewer's memory: a budget that holds, planes that come back, and streams that keep few."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from coverslip.transport import Ping, Pong, Usage, request
from coverslip.viewers import View
from tests.conftest import free_pair
from tests.viewers.contract.subject import START, Subject, plane
from tests.waiting import eventually

pytestmark = pytest.mark.gui

MIB = 1 << 20
BUDGET = 512 * MIB
SHAPE = (2048, 1024)
PLANES = 160
"""Of 4 MiB: more than any viewer of that budget has in memory."""

PATIENCE = 120.0


def picture(number: int) -> NDArray[Any]:
    """Return 4 MiB of 12 bit that are no other number's, with the number in one corner."""
    rng = np.random.default_rng(number)
    pixels = np.tile(rng.integers(0, 4096, (256, 1024), np.uint16), (8, 1))
    pixels[0, 0], pixels[0, 1] = number + 1, 0
    return pixels


def usage(view: View) -> Usage:
    return request(view.visualizer.endpoint, Ping(), Pong, timeout=30).usage


@pytest.fixture
def small(subject: Subject, runtime_folder: Path) -> Iterator[View]:
    """A view of a viewer that may take half a GiB."""
    visualizer = subject.make(port=free_pair(), memory="512MiB")
    visualizer.start_viewer(timeout=START)
    try:
        with View(visualizer) as view:
            yield view
    finally:
        visualizer.stop_viewer()


def test_more_planes_than_memory_are_counted_and_come_back_exactly(
    subject: Subject, small: View
) -> None:
    process = psutil.Process(small.visualizer.connection.pid)
    resident = 0
    for number in range(PLANES):
        small.show(picture(number), z_index=number)
        resident = max(resident, process.memory_info().rss - process.memory_info().shared)
    counts = small.flush(PATIENCE)
    assert counts.sent == PLANES
    assert counts.complete
    assert counts.failed == 0
    (layer,) = small.layers(checksums=True)
    assert len(layer.planes) == counts.shown
    for held in layer.planes:
        assert held.crc32 == zlib.crc32(picture(int(held.components["z_index"])).tobytes())
    held_there = usage(small)
    assert held_there.budget == BUDGET
    assert held_there.in_memory + held_there.on_disk == counts.shown
    assert held_there.dropped == counts.dropped
    if subject.kind == "fiji":
        # What does not fit the Java heap is dropped, and ImageJ lives.
        assert held_there.on_disk == 0
        assert counts.shown > 50
        assert counts.dropped > 0
        (reason,) = small.statistics().reasons
        assert "--memory" in reason
        return
    assert counts.dropped == 0
    assert held_there.on_disk > 0
    assert 0 < held_there.disk < PLANES * picture(0).nbytes
    assert resident < BUDGET * 1.3


def test_a_plane_on_disk_is_drawn_when_it_is_scrolled_to(subject: Subject, small: View) -> None:
    if subject.kind != "napari":
        pytest.skip("it draws nothing, or has nothing on disk")
    hands = subject.hands(small)
    for number in range(PLANES):
        small.show(picture(number), z_index=number)
    assert small.flush(PATIENCE).shown == PLANES
    assert usage(small).on_disk > 0
    for number in (0, 7, PLANES // 2, 1, PLANES - 1, 0):
        hands.scrub("z_index", number)
        assert hands.pixel(0, 0) == number + 1


@pytest.mark.parametrize(("keep", "left"), [("latest", 1), (3, 3), ("all", 20)])
def test_a_stream_says_how_many_planes_of_a_layer_are_kept(
    view: View, keep: Any, left: int
) -> None:
    before = usage(view).dropped
    with View(view.visualizer, keep=keep) as few:
        for number in range(20):
            for channel in ("DAPI", "GFP"):
                few.show(plane(number + 1), channel=channel, timepoint=number)
        assert few.flush(PATIENCE) == (40, 40, 0, 0)
        newest = {
            (channel, number): zlib.crc32(plane(number + 1).tobytes())
            for channel in ("DAPI", "GFP")
            for number in range(20 - left, 20)
        }

        def found() -> dict[Any, int | None]:
            return {
                (held.components["channel"], held.components["timepoint"]): held.crc32
                for layer in few.layers(checksums=True)
                for held in layer.planes
            }

        assert newest.items() <= found().items()
        # What is looked at is spared until it is left, be it between these two questions: a plane
        # of each channel.
        assert len(found()) <= 2 * (left + 1)
        eventually(
            lambda: usage(few).dropped - before == 40 - len(found()), "what left its layer counts"
        )
