"""What a hyperstack costs: planes into Java's memory, and the thousandth plane beside the tenth.

The viewer is measured from outside, by the stream. What it is compared with (memcpy, and the
conversion plane by plane with a stack rebuilt for each batch of ten that older systems have) runs
in a process with a Java of its own, in the same minute.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

EDGE = 1024
PLANES = 100
BATCH = 10
LONG = 1000
SMALL = 256
"""Edge of the planes of the long stack: what is asked is what the stack costs, not its pixels."""

WINDOW = 20
IMAGEJ = "net.imagej:ij:1.54p"
TIMEOUT = 300.0
HEAP = 3 << 30


def fiji_table(console: Console, rounds: int) -> None:
    """Print what `PLANES` planes cost, ours and otherwise, and whether a long stack costs more."""
    from coverslip.viewers.display import require_display

    require_display()
    os.environ.setdefault("COVERSLIP_FIJI", IMAGEJ)
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    child = context.Process(target=_beside, args=(theirs, rounds))
    child.start()
    theirs.close()  # ours: what its end is told by
    try:
        if not pipe.poll(TIMEOUT):
            raise TimeoutError(f"the comparison said nothing for {TIMEOUT:g} s")
        other: dict[str, Any] = pipe.recv()
    finally:
        child.join(TIMEOUT)
        if child.is_alive():
            child.kill()
            child.join()
    ours = _ours(rounds)
    memcpy = other["memcpy"]
    title = f"{PLANES} planes of {EDGE} x {EDGE} uint16 into one hyperstack, median of {rounds}"
    table = Table(title=title)
    for heading in ("", "seconds", "of memcpy"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, seconds in (
        ("memcpy, memory touched before", memcpy),
        ("a direct buffer's copy, in the process", other["bulk"]),
        ("ours: first show to all shown, another process", ours),
        (f"JArray a plane, stack rebuilt every {BATCH}", other["older"]),
    ):
        table.add_row(name, f"{seconds:.3f}", f"{memcpy / seconds:.2f}")
    console.print(table)
    pixels = PLANES * EDGE * EDGE * 2
    console.print(f"Java heap in use over pixels held: {other['heap'] / pixels:.2f}")
    early, late = other["early"], other["late"]
    console.print(
        f"one more plane of {SMALL} x {SMALL}, inserted, followed, drawn: 10th "
        f"{early * 1e3:.2f} ms, {LONG}th {late * 1e3:.2f} ms, ratio {late / early:.2f}\n"
    )


def _planes(edge: int = EDGE) -> list[NDArray[np.uint16]]:
    noise = np.random.default_rng(5)
    return [noise.integers(0, 4096, (edge, edge), np.uint16) for _ in range(PLANES)]


def _ours(rounds: int) -> float:
    """Return seconds from the first `show` to the last plane shown, after a warm-up stack."""
    from coverslip.viewers import FijiStreamVisualizer, View

    sources = _planes()
    visualizer = FijiStreamVisualizer(viewer_title=f"bench {os.getpid()}", persistent=False)
    visualizer.start_viewer(timeout=TIMEOUT)
    found = []
    try:
        with View(visualizer) as view:
            for _ in range(rounds + 1):
                view.clear()
                began = time.perf_counter()
                for number, pixels in enumerate(sources):
                    view.show(pixels, z_index=number)
                delivery = view.flush(TIMEOUT)
                found.append(time.perf_counter() - began)
                if delivery.shown != delivery.sent:
                    raise RuntimeError(f"{delivery}: {view.statistics().reasons}")
    finally:
        visualizer.stop_viewer()
    return statistics.median(found[1:])


def _beside(pipe: Connection, rounds: int) -> None:
    """Measure in a Java of this process's own, and send the figures."""
    from coverslip.viewers.fiji.choice import choose
    from coverslip.viewers.fiji.desktop import Desktop
    from coverslip.viewers.fiji.gui import EventThread
    from coverslip.viewers.fiji.java import class_of, start
    from coverslip.viewers.fiji.pixels import JavaPixels

    start(choose(), HEAP)
    pixels = JavaPixels()
    sources = _planes()
    found: dict[str, list[float]] = {"memcpy": [], "bulk": [], "older": []}
    target = np.zeros_like(sources[0])
    for _ in range(rounds + 1):
        began = time.perf_counter()
        for source in sources:
            np.copyto(target, source)
        found["memcpy"].append(time.perf_counter() - began)
        began = time.perf_counter()
        held = [pixels.fill(source) for source in sources]
        found["bulk"].append(time.perf_counter() - began)
        del held
        began = time.perf_counter()
        _older(sources, class_of("ij.ImageStack"))
        found["older"].append(time.perf_counter() - began)
    told: dict[str, float] = {name: statistics.median(each[1:]) for name, each in found.items()}
    pixels.collect()
    runtime = class_of("java.lang.Runtime").getRuntime()
    empty = runtime.totalMemory() - runtime.freeMemory()
    held = [pixels.put(source, rgb=False) for source in sources]
    told["heap"] = float(runtime.totalMemory() - runtime.freeMemory() - empty)
    del held
    events = EventThread()
    desktop = events.run(lambda: Desktop(pixels, "bench", tell=print), TIMEOUT)
    small = pixels.put(_planes(SMALL)[0], rgb=False)
    costs = [
        events.run(partial(_one_more, desktop, small, number), TIMEOUT) for number in range(LONG)
    ]
    told["early"] = statistics.median(costs[10 - WINDOW // 2 : 10 + WINDOW // 2])
    told["late"] = statistics.median(costs[-WINDOW:])
    events.run(desktop.close, TIMEOUT)
    pipe.send(told)
    pipe.close()
    os._exit(0)  # as a viewer's process ends: Java's threads outlive Python's finalization badly


def _older(sources: list[NDArray[np.uint16]], image_stack: Any) -> None:
    import jpype

    arrays: list[Any] = []
    for number, source in enumerate(sources, start=1):
        arrays.append(jpype.JArray(jpype.JShort)(source.reshape(-1).view(np.int16)))
        if number % BATCH == 0:
            stack = image_stack(EDGE, EDGE)
            for array in arrays:
                stack.addSlice("", array)


def _one_more(desktop: Any, plane: Any, number: int) -> float:
    from coverslip.payload import Source, place
    from coverslip.viewers.fiji.server import FijiViewerServer
    from coverslip.viewers.server import Arrival

    placement = place(
        Source(),
        {"timepoint": number, "channel": "DAPI"},
        shape=plane.shape,
        dtype=plane.dtype,
        rgb=False,
        defaults=FijiViewerServer.defaults,
        own_layer=FijiViewerServer.own_layer,
    )
    began = time.perf_counter()
    desktop.scene.insert(Arrival("bench", number, placement, plane, "", (0.0, 4095.0)))
    desktop.scene.paint()
    return time.perf_counter() - began
