"""The napari viewer's process: the server thread receives, the GUI thread inserts and repaints."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from coverslip.viewers.entry import BREATH, BUDGET, IDLE, REPAINT, StandaloneServer
from coverslip.viewers.errors import NotInstalled
from coverslip.viewers.memory import Entry
from coverslip.viewers.server import Arrival
from coverslip.viewers.snapshot import LayerSnapshot

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

__all__ = ["NapariViewerServer"]

logger = logging.getLogger(__name__)

_REPAINT_MS, _IDLE_MS, _BREATH_MS = (round(1000 * each) for each in (REPAINT, IDLE, BREATH))


class NapariViewerServer(StandaloneServer):
    """Shows planes in a napari window that this process owns.

    napari, whose import takes seconds, is imported in state "starting". Parameters are
    `ZMQServer`'s.
    """

    kind: ClassVar[str] = "napari"
    default_port: ClassVar[int] = 5555
    kinds = frozenset({"image", "labels", "points", "shapes", "tracks", "rois"})
    pads = True
    capabilities = (
        "image",
        "rgb",
        "labels",
        "points",
        "shapes",
        "tracks",
        "rois",
        "screenshot",
        "layers",
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(starting=True, **options)
        self._window: LiveWindow | None = None
        self._wake_gui: Any = None
        self._woken = False
        self._painted = 0.0
        self._in_tick = False

    # ---- the life of the process ------------------------------------------------------

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
            from coverslip.viewers.napari.window import LiveWindow, application
        except ImportError as error:
            raise NotInstalled(
                f'napari cannot be imported ({error}): pip install "coverslip-viewers[napari]"'
            ) from error
        if self.stopped.is_set():
            return False
        # Kept, since a Qt application that nothing refers to is deleted with its windows.
        self._application = application()
        connection = self.connection
        name = self.title or "coverslip"
        self._window = LiveWindow(f"{name} — port {connection.endpoint.port}", self.memory)
        return True

    def _show_until_stopped(self) -> None:
        from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]  # as in bar

        class Wake(QObject):
            wanted = Signal()

        timer = QTimer()
        timer.setSingleShot(True)
        wake = Wake()

        def tick() -> None:
            if self._in_tick:  # a dialog of napari's runs a loop of its own inside ours
                return
            self._in_tick = True
            pause = _REPAINT_MS
            try:
                if self.stopped.is_set():
                    self._application.quit()
                    return
                self._woken = False
                inserted = self.tick(BUDGET)
                if self._paint() and not inserted:
                    pause = _IDLE_MS
            except Exception as error:
                logger.exception("drawing")
                self.report_failure(f"drawing: {type(error).__name__}: {error}")
            finally:
                self._in_tick = False
                timer.start(_BREATH_MS if self.waiting else pause)

        def soon() -> None:
            if timer.remainingTime() > _BREATH_MS:
                timer.start(_BREATH_MS)

        timer.timeout.connect(tick)
        wake.wanted.connect(soon, Qt.ConnectionType.QueuedConnection)
        self._wake_gui = wake
        before, sys.excepthook = sys.excepthook, self._on_error
        self._application.lastWindowClosed.connect(self._application.quit)
        timer.start(0)
        self.set_state("ready")
        try:
            self._application.exec()
        finally:
            self._wake_gui = None
            timer.stop()
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
        window, self._window = self._window, None
        if window is not None:
            window.close()
            self._application.processEvents()

    # ---- server thread ----------------------------------------------------------------

    def arrived(self) -> None:
        """Wake the GUI, by one event however many planes came: more would flood its loop."""
        wake = self._wake_gui
        if wake is not None and not self._woken:
            self._woken = True
            wake.wanted.emit()

    # ---- GUI thread -------------------------------------------------------------------

    def insert(self, arrival: Arrival) -> None:
        """Put one plane into its layer."""
        self._shown.scene.insert(arrival.placement, arrival.pixels, arrival.origin, arrival.limits)

    def drop_lost(self, lost: Entry) -> None:
        """Take a plane whose pixels are lost out of its layer."""
        self._shown.scene.drop_lost(lost)

    def clear_layers(self) -> None:
        """Take away every layer of ours."""
        self._shown.scene.clear()

    def take_screenshot(self) -> bytes:
        """Return the whole window as PNG."""
        return self._shown.screenshot()

    def raise_window(self) -> None:
        """Bring the window to the front."""
        self._shown.bring_to_front()

    def snapshot(self) -> list[LayerSnapshot]:
        """Return what each layer of ours holds, bottom first."""
        from coverslip.viewers.napari.snapshot import snapshot_of

        return [snapshot_of(live) for live in self._shown.scene.layers()]

    @property
    def _shown(self) -> LiveWindow:
        if self._window is None:
            raise RuntimeError("the window is closed")
        return self._window

    def _paint(self) -> bool:
        """Repaint, unless the last time was just now; whether it did."""
        if (time.monotonic() - self._painted) * 1000 < _REPAINT_MS:
            return False
        self._shown.paint()
        # From the end of one to the start of the next: a slow repaint leaves room as well.
        self._painted = time.monotonic()
        return True
