"""A pipeline: ``python -m tests.system.producer PORT (endless | NUMBER)``."""

from __future__ import annotations

import itertools
import sys

import numpy as np

from coverslip.viewers import connect


def endless(port: int) -> None:
    """Stream until killed."""
    view = connect("napari", port=port, start=False)
    pixels = np.ones((512, 512), np.uint16)
    for number in itertools.count():
        view.show(pixels, z_index=number % 10)
        if number == 50:
            view.flush(60)
            print("streaming", flush=True)


def share(port: int, number: int) -> None:
    """Send 2,500 planes and print what became of them."""
    with connect("napari", port=port, start=False) as view:
        for timepoint in range(2500):
            view.show(
                np.full((64, 64), number * 2500 + timepoint, np.uint16),
                producer=number,
                timepoint=timepoint,
            )
        print(*view.flush(180), flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "endless":
        endless(int(sys.argv[1]))
    else:
        share(int(sys.argv[1]), int(sys.argv[2]))
