"""The thread that looks at all viewers, again and again, and says what it found."""

from __future__ import annotations

import logging
import threading

from PyQt6.QtCore import QObject, pyqtSignal

from coverslip.viewers.roster import Roster

__all__ = ["Looker"]

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds from one look at all viewers to the next."""


class Looker(QObject):
    """Looks from the start on, until `close`.

    It has no parent: the thread holds it, so that it is there for as long as the thread may emit.

    Parameters
    ----------
    roster : Roster
        What looks; closed with this.
    """

    looked = pyqtSignal(list)
    """The `ViewerState` of each viewer."""

    failed = pyqtSignal(str)
    """Why nobody could be looked at."""

    def __init__(self, roster: Roster) -> None:
        super().__init__()
        self._roster = roster
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._look_on, name="coverslip-manager-look", daemon=True
        )
        self._thread.start()

    def close(self, patience: float) -> None:
        """Look no more, and wait so many seconds for a look that is under way."""
        self._closing.set()
        self._roster.close()
        self._thread.join(patience)

    def _look_on(self) -> None:
        while not self._closing.is_set():
            try:
                found = self._roster.look()
            except Exception as error:
                if not self._closing.is_set():
                    logger.debug("nobody could be looked at", exc_info=True)
                    self.failed.emit(str(error))
            else:
                if not self._closing.is_set():
                    self.looked.emit(found)
            self._closing.wait(LOOK_EVERY)
