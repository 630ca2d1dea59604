"""How long 5,000 polygons take to a napari layer: by its own Shapes, and by coverslip."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

POLYGONS, VERTICES = 5_000, 60
EDGE = 2048


def shapes_table(console: Console, rounds: int) -> None:
    """Print seconds of wall clock and processor, from the call to what napari holds and draws."""
    from coverslip.viewers.cli.xvfb import VirtualDisplay
    from coverslip.viewers.display import find_display

    if find_display()[0] is None:
        with VirtualDisplay():
            shapes_table(console, rounds)
        return
    table = Table(
        title=f"{POLYGONS} polygons of {VERTICES} vertices over {EDGE} x {EDGE}, in napari"
    )
    for heading in ("", "wall s", "processor s", "worst wall s"):
        table.add_column(heading, justify="right" if heading else "left")
    ways: dict[str, Callable[[], tuple[list[float], list[float]]]] = {
        "view.shapes to flushed, two processes": lambda: streamed(rounds, drawn=False),
        "view.shapes to a picture of the window": lambda: streamed(rounds, drawn=True),
        **{
            f"napari's Shapes by {backend}": lambda backend=backend: shapes_layer(rounds, backend)  # type: ignore[misc]  # bound now
            for backend in installed_backends()
        },
    }
    for name, way in ways.items():
        wall, processor = way()
        table.add_row(
            name,
            f"{statistics.median(wall):.2f}",
            f"{statistics.median(processor):.2f}" if processor else "",
            f"{max(wall):.2f}",
        )
    console.print(table)


def outlines(seed: int) -> list[NDArray[np.float64]]:
    """Return cells' outlines: wavy circles of 12 to 28 pixels."""
    random = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    found = []
    for _ in range(POLYGONS):
        centre = random.uniform(20, EDGE - 20, 2)
        radius = random.uniform(6, 14) * (1 + 0.15 * np.sin(3 * angle + random.uniform(0, 6)))
        found.append(centre + radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1))
    return found


def streamed(rounds: int, *, drawn: bool) -> tuple[list[float], list[float]]:
    """Send to a viewer's process, in another place each time; the first makes the layer."""
    from coverslip.viewers import NapariStreamVisualizer, View

    visualizer = NapariStreamVisualizer(viewer_title="benchmark", persistent=False)
    visualizer.start_viewer(timeout=120)
    wall = []
    with View(visualizer) as view:
        for well in range(rounds + 1):
            view.show(np.zeros((EDGE, EDGE), np.uint16), well=well)
        view.flush(60)
        for well in range(rounds + 1):
            polygons = outlines(well)
            start = time.perf_counter()
            view.shapes(polygons, well=well)
            delivery = view.flush(60)
            if drawn:
                view.screenshot()
            wall.append(time.perf_counter() - start)
            if delivery.failed or delivery.pending:
                raise RuntimeError(f"not shown: {delivery}")
        view.stop()
    return wall, []


def installed_backends() -> list[str]:
    """Return the names of napari's triangulations that are here; one of them always is."""
    import importlib.util

    modules = {"bermuda": "bermuda", "partsegcore": "PartSegCore_compiled_backend"}
    found = [name for name, module in modules.items() if importlib.util.find_spec(module)]
    return [*found, "pure_python"]


def shapes_layer(rounds: int, backend: str) -> tuple[list[float], list[float]]:
    """Make layers of napari's own, in this process and without drawing them."""
    from napari.layers import Shapes
    from napari.settings import get_settings

    get_settings().experimental.triangulation_backend = backend
    wall, processor = [], []
    for seed in range(1 if backend == "pure_python" else rounds):
        polygons: Any = outlines(seed)
        start, busy = time.perf_counter(), time.process_time()
        Shapes(polygons, shape_type="polygon", edge_width=1)
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return wall, processor
