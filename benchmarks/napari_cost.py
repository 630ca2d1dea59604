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
"""Planes up to the twentieth and up to the thousandth whose medians are compared."""

ROUNDS = 3


def napari_table(console: Console) -> None:
    """Add planes to a full layer and to a young one in turn, so that both meet the same machine."""
    from coverslip.viewers.cli.xvfb import VirtualDisplay
    from coverslip.viewers.display import find_display

    if find_display()[0] is None:
        with VirtualDisplay():
            napari_table(console)
        return
    table = Table(title=f"one more plane of {EDGE} x {EDGE} uint16 in a layer of napari")
    for heading in ("", "10th ms", f"{PLANES}th ms", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, following in (("followed: in view, drawn", True), ("not followed", False)):
        early, late = (statistics.median(costs) for costs in compare(following=following))
        table.add_row(name, f"{early * 1e3:.2f}", f"{late * 1e3:.2f}", f"{late / early:.2f}")
    console.print(table)


def compare(*, following: bool) -> tuple[list[float], list[float]]:
    """Return seconds for each plane of young layers, and of one that grows to `PLANES`."""
    early, late = [], []
    full = Window(following=following)
    for _ in range(PLANES - ROUNDS * WINDOW):
        full.insert()
    full.draw()
    for _ in range(ROUNDS):
        young = Window(following=following)
        young.add()  # the layer itself
        for _ in range(WINDOW):
            late.append(full.add())
            early.append(young.add())
        young.close()
    full.close()
    return early, late


class Window:
    """A napari window with one layer, driven as the viewer's process drives it."""

    def __init__(self, *, following: bool) -> None:
        import napari

        from coverslip.viewers.napari.scene import Scene

        noise = np.random.default_rng(1)
        self._pixels: list[NDArray[Any]] = [
            noise.integers(0, 4096, (EDGE, EDGE), np.uint16) for _ in range(4)
        ]
        self._viewer = napari.Viewer()
        self._scene = Scene(self._viewer)
        self._scene.follow(following)
        self._count = 0

    def insert(self) -> None:
        """Hand over one more plane."""
        placement = place(
            Source(),
            {"timepoint": self._count, "channel": "DAPI"},
            shape=(EDGE, EDGE),
            dtype="<u2",
            rgb=False,
            defaults={"channel": Mode.SLICE},
            own_layer=frozenset({Mode.SLICE, Mode.SEPARATE}),
        )
        pixels = self._pixels[self._count % len(self._pixels)]
        self._scene.insert(placement, pixels, "", (0.0, 4095.0))
        self._count += 1

    def draw(self) -> None:
        """Paint what changed, and let Qt do what it then has to."""
        from qtpy.QtWidgets import QApplication

        self._scene.paint()
        QApplication.processEvents()

    def add(self) -> float:
        """Insert and draw one more plane; return the seconds it took."""
        began = time.perf_counter()
        self.insert()
        self.draw()
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the window."""
        from qtpy.QtWidgets import QApplication

        self._scene.close()
        self._viewer.close()
        QApplication.processEvents()
