"""A pipeline: ``python -m tests.viewers.contract.producer MODULE:VISUALIZER PORT WHAT``.

WHAT is ``endless`` or the number of one of several that share the work.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import time

import numpy as np

from coverslip.viewers import StreamVisualizer, View

__all__ = ["SHARE", "command"]

LIFETIME = 120.0
SHARE = 2500
"""Planes that each of several sends."""


def command(visualizer: StreamVisualizer, what: str) -> list[str]:
    """Return the command line of a pipeline that sends to a running viewer."""
    kind = type(visualizer)
    where = f"{kind.__module__}:{kind.__qualname__}"
    return [sys.executable, "-m", __name__, where, str(visualizer.port), what]


def endless(view: View) -> None:
    """Stream until killed, and say so once planes were shown."""
    pixels = np.ones((512, 512), np.uint16)
    # Killed long before; an orphan of a test run that was killed itself ends, too.
    end = time.monotonic() + LIFETIME
    for number in itertools.count():
        if time.monotonic() > end:
            return
        view.show(pixels, z_index=number % 10)
        if number == 50:
            view.flush(60)
            print("streaming", flush=True)


def share(view: View, number: int) -> None:
    """Send this one's share and print what became of it."""
    for timepoint in range(SHARE):
        view.show(
            np.full((64, 64), number * SHARE + timepoint, np.uint16),
            producer=number,
            timepoint=timepoint,
        )
    print(*view.flush(180), flush=True)


if __name__ == "__main__":
    where, port, what = sys.argv[1:]
    module, _, name = where.partition(":")
    visualizer: StreamVisualizer = getattr(importlib.import_module(module), name)(port=int(port))
    assert visualizer.find_viewer()
    with View(visualizer) as view:
        if what == "endless":
            endless(view)
        else:
            share(view, int(what))
