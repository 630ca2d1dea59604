"""A warning that may come a thousand times a second: counted, and logged once in a while."""

from __future__ import annotations

import logging
import threading
import time

__all__ = ["Burst"]

_PAUSE = 5.0
"""Seconds in which further ones are counted and not logged."""


class Burst:
    """Counts what goes wrong the same way again and again. From any thread.

    Parameters
    ----------
    logger
        Where to say it.
    what
        What is counted, to stand after its number.
    """

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self.total = 0
        self._logger = logger
        self._what = what
        self._lock = threading.Lock()
        self._logged, self._when = 0, -_PAUSE

    def count(self, example: str, *, exc_info: bool = False) -> None:
        """Count one, and log those since the last time if that is long ago.

        Parameters
        ----------
        example
            What to say of this one.
        exc_info
            Log the traceback of the exception that is handled, too.
        """
        with self._lock:
            self.total += 1
            now = time.monotonic()
            if now - self._when < _PAUSE:
                return
            fresh, self._logged, self._when = self.total - self._logged, self.total, now
        self._logger.warning(
            "%d %s; the last: %s (%d so far)",
            *(fresh, self._what, example, self.total),
            exc_info=exc_info,
        )
