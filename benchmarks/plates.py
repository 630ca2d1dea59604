"""A large plate in napari: how soon it is seen, what its last plane costs, how fast one scrubs."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, product
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.memory import Watch, napari
from coverslip.payload import Source, Value
from coverslip.transport import Endpoint
from coverslip.viewers.parsers.base import well_name
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream

__all__ = ["plate_table"]

EDGE: Final = 256
SITES: Final = 9
CHANNELS: Final = ("DAPI", "GFP", "mCherry", "Cy5")
BUDGET: Final = 512 << 20
STREAM_BUDGET: Final = 64 << 20

PARTS: Final = 12
"""Of the plate."""

COMPARED: Final = 3
"""Parts of the end that are compared with as many of the start; the first makes the layers."""

COLUMNS: Final = 24

SCRUBBED: Final = 24
"""Wells that are gone through, there and back: one row of the plate."""


class Drawn(NamedTuple):
    """A picture that reached the screen."""

    at: float
    """On the clock that all processes share."""
    layers: int


def serve_plate(pipe: Connection, budget: int) -> None:
    """Run a napari viewer, and do in its GUI thread what the pipe asks for."""
    from coverslip.viewers.napari.server import NapariViewerServer

    server = NapariViewerServer(memory=budget)
    drawn: list[Drawn] = []

    def watch_canvas() -> None:
        viewer = server._shown.viewer
        canvas: Any = viewer.window._qt_viewer.canvas._scene_canvas  # only vispy says when it drew

        def on_draw(event: object) -> None:
            drawn.append(Drawn(time.monotonic(), len(viewer.layers)))

        canvas.events.draw.connect(on_draw, position="last")

    def scrub(wells: list[int]) -> list[float]:
        from qtpy.QtWidgets import QApplication

        viewer = server._shown.viewer
        axis = viewer.dims.axis_labels.index("well")
        took = []
        for well in wells:
            began = time.perf_counter()
            viewer.dims.set_current_step(axis, well)
            QApplication.processEvents()
            took.append(time.perf_counter() - began)
        return took

    def show_overview(shown: bool) -> float:
        began = time.perf_counter()
        server._shown.scene.overview.choose(shown)
        return time.perf_counter() - began

    def answer() -> None:
        while server.state == "starting":
            time.sleep(0.05)  # nobody tells when the window is open
        server.on_gui(watch_canvas).result(60)
        pipe.send(server.connection.endpoint.to_url())
        calls: dict[str, Callable[..., Any]] = {"scrub": scrub, "overview": show_overview}
        while (message := pipe.recv()) != "stop":
            if message == "usage":
                pipe.send(server.usage())
            elif message == "drawn":
                pipe.send(next((one.at for one in tuple(drawn) if one.layers), None))
            else:
                name, argument = message
                pipe.send(server.on_gui(partial(calls[name], argument)).result(120))
        server.request_stop()

    threading.Thread(target=answer, daemon=True).start()
    server.run()


class Part(NamedTuple):
    """A twelfth of the plate, as it came."""

    planes: int
    seconds: float
    processor: float
    """Seconds of the viewer's process."""
    resident: int


def plate_table(console: Console, wells: int) -> None:
    """Stream a plate into napari, twice: with its overview hidden, and shown."""
    count = wells * SITES * len(CHANNELS)
    table = Table(
        title=f"{wells} wells x {SITES} sites x {len(CHANNELS)} channels: {count} planes of "
        f"{EDGE} x {EDGE} uint16 into a napari of {BUDGET >> 20} MiB"
    )
    for heading in ("", "overview hidden", "shown"):
        table.add_column(heading, justify="right" if heading else "left")
    columns = [measure(console, wells, overview=shown) for shown in (False, True)]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    console.print(table)


def measure(console: Console, wells: int, *, overview: bool) -> dict[str, str]:
    """Return what one run has shown, by its name."""
    with napari(BUDGET, serve_plate) as (pipe, endpoint, watch):
        parts, first, delivery = stream_plate(pipe, endpoint, watch, wells, overview=overview)
        pipe.send("usage")
        usage = pipe.recv()
        last_row = list(range(max(0, wells - SCRUBBED), wells))
        ask(pipe, "scrub", last_row)
        settled = ask(pipe, "scrub", last_row[::-1])
        anywhere = np.random.default_rng(1).integers(0, wells, 100).tolist()
        cold = ask(pipe, "scrub", anywhere)
        scrolled = watch.resident[-1]
    costs = Table(title=f"overview {'shown' if overview else 'hidden'}")
    for heading in ("part", "ms a plane", "viewer's CPU ms a plane", "resident MiB"):
        costs.add_column(heading, justify="right")
    for number, part in enumerate(parts, start=1):
        costs.add_row(
            str(number),
            f"{part.seconds / part.planes * 1e3:.2f}",
            f"{part.processor / part.planes * 1e3:.2f}",
            f"{part.resident / 2**20:.0f}",
        )
    console.print(costs)
    early, late = together(parts[1 : 1 + COMPARED]), together(parts[-COMPARED:])
    full = [part.resident for part in parts[len(parts) // 2 :]]
    return {
        "sent, shown, dropped, failed": " ".join(map(str, delivery)),
        "first picture on screen after": f"{first:.2f} s",
        "planes a second": f"{sum(p.planes for p in parts) / sum(p.seconds for p in parts):.0f}",
        "time of a plane, end by start": f"{late.seconds / early.seconds:.2f}",
        "viewer's CPU of one, end by start": f"{late.processor / early.processor:.2f}",
        "resident after the first half, MiB": f"{min(full) / 2**20:.0f} to {max(full) / 2**20:.0f}",
        "planes in memory, on disk": f"{usage.in_memory} {usage.on_disk}",
        "wells a second, in memory": f"{len(settled) / sum(settled):.1f}",
        "slowest of these": f"{max(settled) * 1e3:.0f} ms",
        "wells a second, anywhere": f"{len(cold) / sum(cold):.1f}",
        "one well anywhere: median, worst": f"{statistics.median(cold) * 1e3:.0f} ms, "
        f"{max(cold) * 1e3:.0f} ms",
        "resident after scrubbing, MiB": f"{scrolled / 2**20:.0f}",
    }


def together(parts: list[Part]) -> Part:
    """Return several parts, of as many planes each, as one."""
    planes, seconds, processor, resident = (sum(each) for each in zip(*parts, strict=True))
    return Part(int(planes), seconds, processor, int(resident) // len(parts))


def ask(pipe: Connection, name: str, argument: object) -> Any:
    """Have the viewer do something, and return what it answers."""
    pipe.send((name, argument))
    return pipe.recv()


def stream_plate(
    pipe: Connection, endpoint: Endpoint, watch: Watch, wells: int, *, overview: bool
) -> tuple[list[Part], float, Any]:
    """Send the plate; return what each part took, the first picture's seconds, and the counts."""
    process = psutil.Process(watch.pid)
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 4096, (EDGE, EDGE), np.uint16) for _ in range(16)]
    stream = Stream([RemoteVisualizer(endpoint)], budget=STREAM_BUDGET, limit=60.0)
    planes = list(places(wells))
    began = time.monotonic()
    send(stream, pixels[0], planes[0])
    stream.flush(60)
    while True:
        pipe.send("drawn")
        if (drawn := pipe.recv()) is not None:
            break
        time.sleep(0.01)
    parts = []
    bounds = np.linspace(1, len(planes), PARTS + 1, dtype=int).tolist()
    for number, (start, stop) in enumerate(pairwise(bounds)):
        if number == 1 and overview:
            ask(pipe, "overview", True)
        clock, processor = time.monotonic(), sum(process.cpu_times()[:2])
        for index in range(start, stop):
            send(stream, pixels[index % len(pixels)], planes[index])
        stream.flush(600)
        parts.append(
            Part(
                stop - start,
                time.monotonic() - clock,
                sum(process.cpu_times()[:2]) - processor,
                process.memory_info().rss,
            )
        )
    return parts, drawn - began, stream.close()


def places(wells: int) -> Iterator[dict[str, Value]]:
    """Yield each plane's components in the order of an instrument's: well by well."""
    for well, site, channel in product(range(wells), range(1, SITES + 1), CHANNELS):
        row, column = divmod(well, COLUMNS)
        yield {"well": well_name(row + 1, column + 1), "site": site, "channel": channel}


def send(stream: Stream, pixels: NDArray[Any], components: dict[str, Value]) -> None:
    """Send one plane."""
    stream.send([Image(components, pixels)], Source())
