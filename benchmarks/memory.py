"""A viewer's memory: what spilling costs, what 30 GB leave resident, how soon a plane is back."""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.scratch_formats import PLATES, plate_planes
from coverslip.transport import Endpoint
from coverslip.viewers.memory import default_budget, scratch_folder
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream

__all__ = ["GIB", "Watch", "endless_table", "flood_table", "napari"]

EDGE = 2048
GIB = 1 << 30

STREAM_BUDGET = 128 << 20
"""Of the stream's shared memory: the viewer has it mapped, so it is resident there too."""

HOUR = 30 * 3600
"""Planes that a camera of 30 frames a second sends in an hour."""

_SAMPLE = 0.1


class Look(NamedTuple):
    """One plane scrolled to, seconds."""

    on_screen: float
    """From moving the slider until Qt has drawn."""
    value: int
    """What the drawn plane says it is."""


def serve_napari(pipe: Connection, budget: int) -> None:
    """Run a napari viewer; answers ``("look", position)``, ``"usage"`` and ``"stop"``."""
    from coverslip.viewers.napari.server import NapariViewerServer

    server = NapariViewerServer(memory=budget)

    def look(position: int) -> Look:
        from qtpy.QtWidgets import QApplication

        viewer = server._shown.viewer  # what a user's hand has: nothing over the wire moves sliders
        (layer,) = viewer.layers
        began = time.perf_counter()
        viewer.dims.set_current_step(0, position)
        QApplication.processEvents()
        took = time.perf_counter() - began
        low, high = (int(layer.get_value((position, 0, x))) for x in (0, 1))
        return Look(took, high << 16 | low)

    def answer() -> None:
        while server.state == "starting":
            time.sleep(0.05)  # nobody tells when the window is open
        pipe.send(server.connection.endpoint.to_url())
        while (message := pipe.recv()) != "stop":
            if message == "usage":
                pipe.send(server.usage())
            elif message == "shown":
                pipe.send(sum(ledger.counts().shown for ledger in server.ledgers.values()))
            else:
                pipe.send(server.on_gui(partial(look, message[1])).result(60))
        server.request_stop()

    threading.Thread(target=answer, daemon=True).start()
    server.run()


class Watch(threading.Thread):
    """Samples what a process takes until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.resident: list[int] = []
        self.descriptors: list[int] = []
        self.threads: list[int] = []
        self.pid = pid
        self._process = psutil.Process(pid)
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(_SAMPLE):
            self.resident.append(self._process.memory_info().rss)
            self.descriptors.append(self._process.num_fds())
            self.threads.append(self._process.num_threads())

    def stop(self) -> None:
        self._done.set()
        self.join()


@contextmanager
def napari(
    budget: int, serve: Callable[[Connection, int], None] = serve_napari
) -> Iterator[tuple[Connection, Endpoint, Watch]]:
    """Run a viewer in a process of its own, watched; `serve` answers on the pipe."""
    from coverslip.viewers.cli.xvfb import VirtualDisplay
    from coverslip.viewers.display import find_display

    if find_display()[0] is None:
        with VirtualDisplay(), napari(budget, serve) as running:
            yield running
        return
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(theirs, budget))
    process.start()
    assert process.pid is not None
    try:
        endpoint = Endpoint.from_url(ours.recv())
        watch = Watch(process.pid)
        watch.start()
        yield ours, endpoint, watch
        watch.stop()
        ours.send("stop")
    finally:
        process.join(20)
        if process.is_alive():
            process.kill()


def pictures() -> list[NDArray[Any]]:
    """Return planes to send: half of them of a real plate where there is one, half 12-bit noise."""
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 4096, (EDGE, EDGE), np.uint16) for _ in range(8)]
    return noise + (plate_planes(EDGE, 8) if PLATES.is_dir() else [])


def flood_table(console: Console, total: int, budget: int) -> None:
    """Send `total` bytes of planes into a napari of `budget` bytes, then scroll anywhere."""
    size = EDGE * EDGE * 2
    count = total // size
    free = shutil.disk_usage(scratch_folder().parent.parent).free
    console.print(f"{count} planes, {total / 1e9:.1f} GB; {free / 1e9:.0f} GB of disk are free")
    sources = pictures()
    with napari(budget) as (pipe, endpoint, watch):
        before = psutil.Process(watch.pid).memory_info().rss
        stream = Stream([RemoteVisualizer(endpoint)], budget=STREAM_BUDGET, limit=60.0)
        began = time.monotonic()
        for number in range(count):
            pixels = stream.allocate((EDGE, EDGE), np.uint16)
            np.copyto(pixels, sources[number % len(sources)])
            pixels[0, 0], pixels[0, 1] = number & 0xFFFF, number >> 16
            send(stream, pixels, number)
        delivery = stream.flush(600)
        took = time.monotonic() - began
        peak = max(watch.resident)
        pipe.send("usage")
        usage = pipe.recv()
        rng, last = np.random.default_rng(2), count - 1
        looks, again = [], []
        for number in map(int, rng.integers(0, count, 200)):
            pipe.send(("look", number))
            look = pipe.recv()
            if look.value != number:
                raise AssertionError(f"plane {number} was asked for, {look.value} is on screen")
            looks.append(look.on_screen)
            # There and back: both are in memory now, which is what drawing alone takes.
            for near in (last, number):
                pipe.send(("look", near))
                again.append(pipe.recv().on_screen)
            last = number
        neighbours = []
        for number in range(count // 3, count // 3 + 50):
            pipe.send(("look", number))
            neighbours.append(pipe.recv().on_screen)
            time.sleep(0.2)  # a user looks at a plane before the next
        stream.close()
        scrolled = max(watch.resident)
    table = Table(title=f"{total / 1e9:.0f} GB through a viewer of {budget / GIB:.2g} GiB")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in {
        "sent, shown, dropped, failed": " ".join(map(str, delivery)),
        "taken in": f"{total / took / 1e6:.0f} MB/s",
        "resident before, MiB": f"{before / 2**20:.0f}",
        "resident at most while it came, MiB": f"{peak / 2**20:.0f}",
        "resident at most while scrolling, MiB": f"{scrolled / 2**20:.0f}",
        "planes in memory, on disk, dropped": f"{usage.in_memory} {usage.on_disk} {usage.dropped}",
        "on disk": f"{usage.disk / 1e9:.1f} GB",
        "anywhere, on screen after: median": f"{statistics.median(looks) * 1e3:.0f} ms",
        "99th percentile": f"{statistics.quantiles(looks, n=100)[98] * 1e3:.0f} ms",
        "worst of 200": f"{max(looks) * 1e3:.0f} ms",
        "one in memory: median": f"{statistics.median(again) * 1e3:.0f} ms",
        "one in memory: 99th percentile": f"{statistics.quantiles(again, n=100)[98] * 1e3:.0f} ms",
        "the next one, read ahead: median": f"{statistics.median(neighbours) * 1e3:.0f} ms",
    }.items():
        table.add_row(name, value)
    console.print(table)


def endless_table(console: Console, planes: int = HOUR) -> None:
    """Send an hour of a camera's planes, of which the viewer keeps the latest."""
    edge, chunk = 512, 1000
    rng = np.random.default_rng(3)
    pixels = [rng.integers(0, 4096, (edge, edge), np.uint16) for _ in range(16)]
    table = Table(title=f"{planes} planes of {edge} x {edge} to a napari that keeps 100")
    for heading in ("after", "resident MiB", "descriptors", "threads"):
        table.add_column(heading, justify="right")
    with napari(min(GIB, default_budget())) as (pipe, endpoint, watch):
        stream = Stream([RemoteVisualizer(endpoint)], budget=STREAM_BUDGET, limit=60.0)
        began = time.monotonic()
        for start in range(0, planes, chunk):
            for number in range(start, start + chunk):
                send(stream, pixels[number % len(pixels)], number, keep=100)
            stream.flush(60)
            if start * 10 // planes != (start + chunk) * 10 // planes:
                table.add_row(
                    f"{start + chunk}",
                    f"{watch.resident[-1] / 2**20:.0f}",
                    f"{watch.descriptors[-1]}",
                    f"{watch.threads[-1]}",
                )
        delivery = stream.close()
        took = time.monotonic() - began
        pipe.send("usage")
        usage = pipe.recv()
    console.print(table)
    console.print(f"{delivery}, {usage}, {took:.0f} s")


def send(stream: Stream, pixels: NDArray[Any], number: int, keep: int = 0) -> None:
    """Send one plane along an axis of time."""
    from coverslip.payload import Source

    stream.send([Image({"timepoint": number}, pixels)], Source(keep=keep))
