"""That the system has no shared memory, and that it has some again: said once each."""

from __future__ import annotations

import logging

from coverslip.payload import Arena

__all__ = ["Shortage"]

logger = logging.getLogger(__name__)


class Shortage:
    """Tells how a stream's pixels travel, where that changes; under the stream's lock."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._why: str | None = None
        """Empty when it is over; None when there was none."""

    def note(self, *, private: bool) -> None:
        """Take notice of planes that lie in `private` memory or not."""
        if private and not self._why:
            # A system that gives and refuses by turns is complained of once.
            level = logging.WARNING if self._why is None else logging.DEBUG
            self._why = self._arena.refused or "it was refused a moment ago"
            logger.log(level, "pixels travel inline while there is no room: %s", self._why)
        elif self._why and not self._arena.refused:
            self._why = ""
            logger.info("there is shared memory again: pixels no longer travel inline")
