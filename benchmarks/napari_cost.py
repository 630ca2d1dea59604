"""Whether the thousandth plane of a layer costs napari more than the tenth."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from coverslip.payload import Mode, Source, place

EDGE = 2048
PLANES = 1000
WINDOW = 20
"""Planes around the tenth and up to the thousandth whose median is compared."""


def napari_table(console: Console) -> None:
    """Insert planes one by one, each drawn and processed before the next; print the costs."""
    from coverslip.viewers.display import require_display

    require_display()
    table = Table(title=f"one more plane of {EDGE} x {EDGE} uint16 in a layer of napari")
    for heading in ("", "10th ms", f"{PLANES}th ms", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, costs in (
        ("in view: inserted, followed, drawn", follow_costs(following=True)),
        ("not in view: inserted, axis grown", follow_costs(following=False)),
    ):
        early = statistics.median(costs[10 - WINDOW // 2 : 10 + WINDOW // 2])
        late = statistics.median(costs[-WINDOW:])
        table.add_row(name, f"{early * 1e3:.2f}", f"{late * 1e3:.2f}", f"{late / early:.2f}")
    console.print(table)


def follow_costs(*, following: bool) -> list[float]:
    """Return seconds for each plane: insert, paint, and what Qt then has to do."""
    import napari
    from qtpy.QtWidgets import QApplication

    from coverslip.viewers.napari.scene import Scene

    noise = np.random.default_rng(1)
    pixels: list[NDArray[Any]] = [
        noise.integers(0, 4096, (EDGE, EDGE), np.uint16) for _ in range(4)
    ]
    source = Source()
    viewer = napari.Viewer()
    scene = Scene(viewer)
    scene.follow(following)
    costs = []
    for number in range(PLANES):
        placement = place(
            source,
            {"timepoint": number, "channel": "DAPI"},
            shape=(EDGE, EDGE),
            dtype="<u2",
            rgb=False,
            defaults={"channel": Mode.SLICE},
            own_layer=frozenset({Mode.SLICE, Mode.SEPARATE}),
        )
        began = time.perf_counter()
        scene.insert(placement, pixels[number % len(pixels)], "", (0.0, 4095.0))
        scene.paint()
        QApplication.processEvents()
        costs.append(time.perf_counter() - began)
    scene.close()
    viewer.close()
    QApplication.processEvents()
    return costs
