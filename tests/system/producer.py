"""A pipeline: ``python -m tests.system.producer KIND PORT (endless | NUMBER)``."""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np

from coverslip.viewers import connect

LIFETIME = 120.0


def endless(kind: str, port: int) -> None:
    """Stream until killed."""
    view = connect(kind, port=port, start=False)
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


def share(kind: str, port: int, number: int) -> None:
    """Send 2,500 planes and print what became of them."""
    with connect(kind, port=port, start=False) as view:
        for timepoint in range(2500):
            view.show(
                np.full((64, 64), number * 2500 + timepoint, np.uint16),
                producer=number,
                timepoint=timepoint,
            )
        print(*view.flush(180), flush=True)


if __name__ == "__main__":
    kind, port, what = sys.argv[1:]
    if what == "endless":
        endless(kind, int(port))
    else:
        share(kind, int(port), int(what))
