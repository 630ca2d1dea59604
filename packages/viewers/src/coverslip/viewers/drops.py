"""Planes that are dropped: why, and told of once a burst, so that a log is not filled."""

from __future__ import annotations

import logging
import math
import time

__all__ = ["AMID", "BEHIND", "CLOSED", "INTERRUPTED", "KEPT", "LAGS", "Drops"]

CLOSED = "the stream was closed"
LAGS = "the viewer does not keep up"
BEHIND = "the viewer does not keep up with the stream's other viewers"
KEPT = "arrays from allocate() that were not shown hold more than half of the stream's memory"
AMID = "it was sent by a signal handler or a finalizer, in the middle of another call"
INTERRUPTED = "Ctrl-C came while it waited for room"

_PAUSE = 5.0
"""Seconds without a dropped plane that end a burst."""


class Drops:
    """Warns of the first dropped plane, and says when planes arrive again; under its lane's lock.

    Parameters
    ----------
    logger : logging.Logger
        Where it is said.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._planes = 0
        self._until = -math.inf

    def drop(self, planes: int, reason: str | None) -> None:
        """`planes` were dropped; None for a reason that was told already."""
        if not self._planes and reason is not None:
            self._logger.warning("planes are dropped: %s", reason)
        self._planes += planes
        self._until = time.monotonic() + _PAUSE

    def arrive(self) -> None:
        """Planes are sent. Where some are and others are not, that is one burst."""
        if self._planes and time.monotonic() > self._until:
            self._logger.info("planes reach the viewer again; %d were dropped", self._planes)
            self._planes = 0
