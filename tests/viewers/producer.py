"""A pipeline that streams until it is killed: ``python -m tests.viewers.producer PORT``."""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np

from coverslip.viewers import View
from tests.viewers.headless import HeadlessVisualizer

LIFETIME = 120.0


def main(port: int) -> None:
    visualizer = HeadlessVisualizer(port=port)
    assert visualizer.find_viewer()
    view = View(visualizer)
    pixels = np.ones((256, 256), np.uint16)
    # Killed long before; an orphan of a test run that was killed itself ends, too.
    end = time.monotonic() + LIFETIME
    for number in itertools.count():
        if time.monotonic() > end:
            return
        view.show(pixels, z_index=number % 10)
        if number == 100:
            view.flush(10)
            print("streaming", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
