"""What turns a viewer's wheel from Qt's loop: inserts what came, draws it, sleeps until more comes.

Imports Qt at the top: whoever needs it imports this module inside a function.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]  # as in bar

from coverslip.viewers.entry import BREATH, BUDGET, IDLE, REPAINT
from coverslip.viewers.server import ViewerServer

__all__ = ["Pump"]

logger = logging.getLogger(__name__)

_REPAINT_MS, _IDLE_MS, _BREATH_MS = (round(1000 * each) for each in (REPAINT, IDLE, BREATH))


class Pump(QObject):
    """Inserts and draws what a server receives. GUI thread only, but for `wake`.

    Parameters
    ----------
    server : ViewerServer
        The server, which serves in another thread.
    paint : callable
        Draws what has changed.
    ended : callable
        Called once, when the server was asked to stop.
    """

    _wanted = Signal()

    def __init__(
        self, server: ViewerServer, paint: Callable[[], object], ended: Callable[[], object]
    ) -> None:
        super().__init__()
        self._server = server
        self._paint = paint
        self._ended = ended
        self._painted = 0.0
        self._in_tick = False
        self._woken = False
        self._running = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tick)
        self._wanted.connect(self._soon, Qt.ConnectionType.QueuedConnection)
        self._timer.start(0)

    def wake(self) -> None:
        """Have it look soon, by one event however often: more would flood Qt's loop. Any thread."""
        if not self._woken:
            self._woken = True
            self._wanted.emit()

    def stop(self) -> None:
        """Insert and draw no more. Idempotent."""
        self._running = False
        self._timer.stop()

    def _soon(self) -> None:
        if self._running and self._timer.remainingTime() > _BREATH_MS:
            self._timer.start(_BREATH_MS)

    def _tick(self) -> None:
        if self._in_tick:  # a dialog of napari's runs a loop of its own inside ours
            return
        self._in_tick = True
        pause = _REPAINT_MS
        try:
            if self._server.stopped.is_set():
                self.stop()
                self._ended()
                return
            self._woken = False
            inserted = self._server.tick(BUDGET)
            if self._repaint() and not inserted:
                pause = _IDLE_MS
        except Exception as error:
            logger.exception("drawing")
            self._server.report_failure(f"drawing: {type(error).__name__}: {error}")
        finally:
            self._in_tick = False
            if self._running:
                self._timer.start(_BREATH_MS if self._server.waiting else pause)

    def _repaint(self) -> bool:
        """Repaint, unless the last time was just now; whether it did."""
        if (time.monotonic() - self._painted) * 1000 < _REPAINT_MS:
            return False
        self._paint()
        # From the end of one to the start of the next: a slow repaint leaves room as well.
        self._painted = time.monotonic()
        return True
