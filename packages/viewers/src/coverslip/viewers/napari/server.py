"""The napari viewer's process: the server thread receives, the GUI thread inserts and repaints."""

from __future__ import annotations

import gc
import logging
import sys
from types import TracebackType
from typing import Any

from coverslip.viewers.entry import StandaloneServer
from coverslip.viewers.errors import NotInstalled
from coverslip.viewers.napari.drawing import NapariServer

__all__ = ["NapariViewerServer"]

logger = logging.getLogger(__name__)


class NapariViewerServer(NapariServer, StandaloneServer):
    """Shows planes in a napari window that this process owns.

    napari, whose import takes seconds, is imported in state "starting". Parameters are
    `ZMQServer`'s.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(starting=True, **options)

    def live(self) -> None:
        """Open the window and show what comes until a stop is asked for or it is closed."""
        try:
            if self._open_window() and not self.stopped.is_set():
                self._show_until_stopped()
        finally:
            self._close_window()

    def _open_window(self) -> bool:
        """Import napari and open the window; False when a stop was asked for meanwhile."""
        try:
            from coverslip.viewers.napari.listening import Listening
            from coverslip.viewers.napari.window import LiveWindow, application, prepare
        except ImportError as error:
            raise NotInstalled(
                f'napari cannot be imported ({error}): pip install "coverslip-viewers[napari]"'
            ) from error
        if self.stopped.is_set():
            return False
        # Kept, since a Qt application that nothing refers to is deleted with its windows.
        self._application = application()
        name = self.title or "coverslip"
        title = f"{name} — port {self.connection.endpoint.port}"
        window = LiveWindow(title, self.memory, self.max_layers)
        prepare()
        self.draw_in(window)
        Listening(window, self).show_dock()
        return True

    def _show_until_stopped(self) -> None:
        from coverslip.viewers.napari.pump import Pump

        pump = Pump(self, self._shown.paint, self._application.quit)
        self.pump_with(pump)
        before, sys.excepthook = sys.excepthook, self._on_error
        application = self._application
        application.lastWindowClosed.connect(application.quit)
        # Of a quarter of a million objects next to all are napari's and stay: looking through them
        # at each full collection stopped the window for 100 ms and more, amid whatever it did.
        gc.collect()
        gc.freeze()
        self.set_state("ready")
        try:
            application.exec()
        finally:
            application.lastWindowClosed.disconnect(application.quit)
            self.pump_with(None)
            pump.stop()
            sys.excepthook = before

    def _on_error(
        self,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        """Report what left a slot of napari's or a plugin's; without a hook, PyQt aborts."""
        from napari.utils.notifications import notification_manager

        logger.error("in the window", exc_info=(kind, error, traceback))
        self.report_failure(f"{kind.__name__}: {error}")
        if isinstance(error, Exception):
            notification_manager.receive_error(kind, error, traceback)

    def _close_window(self) -> None:
        window, self._live = self._live, None
        if window is not None:
            window.close()
            self._application.processEvents()
