"""Waiting for a viewer to show what it was sent, for as long as it gets on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from coverslip.transport import Delivery
from coverslip.viewers.view import View

__all__ = ["settle"]

logger = logging.getLogger(__name__)

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
    # The stream's: the view's would say of each look that it was too short.
    last = view.stream.flush(LOOK)
    while not last.complete and not given_up() and time.monotonic() - moved < STANDSTILL:
        progress(last)
        now = view.stream.flush(LOOK)
        if now != last:
            moved = time.monotonic()
        last = now
    progress(last)
    if time.monotonic() - moved >= STANDSTILL and not last.complete:
        logger.warning(
            "%d of %d planes are still under way, and none has moved for %g s",
            last.pending,
            last.sent,
            STANDSTILL,
        )
    return last
