"""A warning that may come a thousand times a second: counted, and logged once in a while."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import Final

__all__ = ["Burst", "say_rest"]

_PAUSE: Final = 5.0
"""Seconds in which further ones are counted and not logged."""

_MOST: Final = 16
"""Different examples of which a line tells."""


class Burst:
    """Counts what goes wrong the same way again and again. From any thread.

    The first is logged at once. Those of the next seconds are told of together: with the next one
    that comes later, or by `say_rest` when none does.

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
        self._examples: dict[str, None] = {}
        """What is still to be told of, the newest last."""
        with _all_lock:
            _all.add(self)

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
            self._examples.pop(example, None)
            self._examples[example] = None
            if len(self._examples) > _MOST:
                del self._examples[next(iter(self._examples))]
        self.say(exc_info=exc_info)

    def say(self, *, exc_info: bool = False) -> None:
        """Log those that were not told of yet, unless the last time is too short a while ago."""
        with self._lock:
            now = time.monotonic()
            fresh = self.total - self._logged
            if not fresh or now - self._when < _PAUSE:
                return
            self._logged, self._when = self.total, now
            examples = "; ".join(self._examples)
            self._examples.clear()
        self._logger.warning(
            "%d %s; the last: %s (%d so far)",
            *(fresh, self._what, examples, self.total),
            exc_info=exc_info,
        )


_all: weakref.WeakSet[Burst] = weakref.WeakSet()
_all_lock: Final = threading.Lock()


def say_rest() -> None:
    """Let every burst of this process that is over log what it has not told of yet."""
    with _all_lock:
        bursts = list(_all)
    for burst in bursts:
        burst.say()
