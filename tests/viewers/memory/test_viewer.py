"""A viewer's process over time, and what a stream may hold while nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from coverslip.payload import ArenaReader, ArenaUnreachable, Source
from coverslip.transport import Ping, Pong, request
from coverslip.viewers import View
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving
from tests.waiting import DEADLINE, eventually

MIB = 1 << 20


@pytest.fixture
def view(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[View]:
    """A view of a viewer in a process of its own, which may take 192 MiB."""
    visualizer = HeadlessVisualizer(port=free_port(), persistent=False, memory=192 * MIB)
    visualizer.start_viewer()
    try:
        with View(visualizer, keep=50) as made:
            yield made
    finally:
        visualizer.stop_viewer()


def test_an_endless_stream_leaves_its_viewer_as_it_was(view: View) -> None:
    process = psutil.Process(view.visualizer.connection.pid)
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 4096, (128, 128), np.uint16) for _ in range(8)]

    def send(planes: range) -> int:
        for number in planes:
            view.show(pixels[number % 8], timepoint=number, origin=f"plane {number}")
        assert view.flush(10 * DEADLINE).complete
        return process.memory_info().rss - process.memory_info().shared

    send(range(3000))  # warm
    before = send(range(3000, 4000))
    descriptors, threads = process.num_fds(), process.num_threads()
    after = send(range(4000, 12_000))
    # It moves by 8 MiB up and down, whether 5,000 or 60,000 were sent.
    assert after - before < 16 * MIB, "8,000 planes came to 250 MiB"
    eventually(lambda: process.num_fds() <= descriptors, "no descriptor more than before")
    assert process.num_threads() <= threads
    (layer,) = view.layers()
    assert [plane.components["timepoint"] for plane in layer.planes] == [*range(11_950, 12_000)]
    assert layer.labels["timepoint"] == tuple(range(11_950, 12_000))


def test_annotations_count_towards_what_a_viewer_takes(view: View) -> None:
    view.points(np.zeros((100_000, 2)), name="spots")
    assert view.flush(DEADLINE).complete
    usage = request(view.visualizer.endpoint, Ping(), Pong, timeout=DEADLINE).usage
    assert (usage.memory, usage.in_memory) == (100_000 * 2 * 8, 0)
    view.points(np.zeros((10, 2)), name="spots")
    assert view.flush(DEADLINE).complete
    usage = request(view.visualizer.endpoint, Ping(), Pong, timeout=DEADLINE).usage
    assert usage.memory == 10 * 2 * 8


def test_a_memory_that_is_full_slows_the_stream_down_and_loses_nothing(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(port=free_port(), memory=192 * MIB) as server:
        # As if the rest of the process took all but a little.
        monkeypatch.setattr(server.memory, "_weigh", lambda: 1 << 40)
        server.memory.weigh()
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=8 * MIB)
        for number in range(200):
            pixels = np.full((512, 1024), number, np.uint16)
            stream.send([Image({"z_index": number}, pixels)], Source())
            assert server.memory.usage().memory <= 192 * MIB // 8 + 2 * pixels.nbytes
        assert stream.close(3 * DEADLINE) == (200, 200, 0, 0)
        (layer,) = server.projection
        for (value,), held in layer.store.snapshot():
            assert (np.asarray(held) == value).all()


def test_with_a_full_disk_the_oldest_leave_their_layers_and_are_counted(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"total": 100 << 30, "free": 0})
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)
    with serving(port=free_port(), memory=192 * MIB) as server:
        monkeypatch.setattr(server.memory, "_weigh", lambda: 1 << 40)
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=8 * MIB)
        for number in range(200):
            pixels = np.full((512, 1024), number, np.uint16)
            stream.send([Image({"z_index": number}, pixels)], Source())
        counts = stream.close(3 * DEADLINE)
        assert counts.complete
        assert counts.failed == 0
        (layer,) = server.projection
        usage = server.usage()
        assert usage.on_disk == 0
        assert usage.dropped == 200 - usage.in_memory > 100
        eventually(lambda: len(layer.store) == server.usage().in_memory, "they left their layer")
        kept = [number for (number,) in layer.store]
        assert kept == list(range(200 - len(kept), 200))


class Unread(HeadlessServer):
    """A viewer that answers and reads no planes."""

    def accepts_data(self) -> bool:
        return False


@pytest.mark.allow_leak(
    "threads", "files", reason="pyzmq's thread and socket for what is sent without a copy are kept"
)
@pytest.mark.parametrize("transfer", ["shared memory", "inline"])
def test_a_stream_holds_no_more_than_its_budget_in_either_transfer(
    transfer: str,
    runtime_folder: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if transfer == "inline":

        def unreachable(*_: object) -> Any:
            raise ArenaUnreachable("another machine, say")

        monkeypatch.setattr(ArenaReader, "open", unreachable)
    budget = 16 * MIB
    with Unread(port=free_port()) as server:
        server.bind()
        server.start()
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=budget, limit=0.2)
        eventually(lambda: stream.statistics().state == ("live",), "it attached")
        process = psutil.Process()
        pixels = np.random.default_rng(0).integers(0, 65536, (512, 512), np.uint16)
        stream.send([Image({"n": -1}, pixels)], Source())
        before, most = process.memory_info().rss, 0
        for number in range(400):  # 200 MiB
            stream.send([Image({"n": number}, pixels)], Source())
            assert stream.statistics().bytes_in_flight <= budget
            most = max(most, process.memory_info().rss)
        # The arena's pages, ZeroMQ's copies of what it encrypts and both ends' socket buffers.
        assert most - before < 4 * budget
        counts = stream.close(0)
        assert counts.sent == 401
        assert counts.complete
