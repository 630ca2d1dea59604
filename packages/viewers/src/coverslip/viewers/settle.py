"""Waiting for a viewer to show what it was sent, for as long as it gets on."""

from __future__ import annotations

import time
from collections.abc import Callable

from coverslip.transport import Delivery
from coverslip.viewers.view import View

__all__ = ["settle"]

LOOK = 0.25
STANDSTILL = 30.0
"""Seconds without any plane being shown after which a viewer is not waited for any longer."""


def settle(
    view: View, progress: Callable[[Delivery], object], given_up: Callable[[], bool] = lambda: False
) -> Delivery:
    """Return the counts when all are settled, or when nothing has moved for half a minute.

    Parameters
    ----------
    view : View
        What was sent with.
    progress : callable
        Told the counts at every look, four times a second.
    given_up : callable, optional
        Whether to wait no longer, asked at every look.
    """
    moved = time.monotonic()
    last = view.flush(LOOK)
    while not last.complete and not given_up() and time.monotonic() - moved < STANDSTILL:
        progress(last)
        now = view.flush(LOOK)
        if now != last:
            moved = time.monotonic()
        last = now
    progress(last)
    return last
