"""The window: napari opened for a live stream, kept in frame, taken as a picture. GUI thread only.

Imports napari and Qt at the top: whoever needs a window imports this module inside a function.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import napari
import numpy as np
from napari.layers import Image
from qtpy.QtCore import QBuffer, QIODevice
from qtpy.QtWidgets import QApplication

from coverslip.viewers.layering import MAX_LAYERS
from coverslip.viewers.memory import Memory
from coverslip.viewers.napari.insides import main_window, widen_layer_list
from coverslip.viewers.napari.scene import Scene

__all__ = ["LiveView", "LiveWindow", "application", "prepare"]

_SIZE = (1400, 900)
_LAYER_LIST = 380
"""Pixels: napari cuts a longer name in its middle, where step and well stand."""


def application() -> QApplication:
    """Return the process's Qt application, made as napari makes it."""
    from napari.qt import get_qapp

    app: QApplication = get_qapp()
    return app


def prepare() -> None:
    """Have napari import what its first layer needs: 2 s that no plane is to wait for."""
    Image(np.zeros((2, 2), np.uint16))


class LiveView:
    """What is ours in a napari viewer: the scene in it, and the bar below. GUI thread only.

    The camera is kept on the whole picture until the user moves it, and left alone where layers of
    his own were there first.

    Parameters
    ----------
    viewer : napari.Viewer
        An open viewer.
    memory : Memory, optional
        Where its planes are held.
    max_layers : int
        Planes for more layers than this fail.
    waits : bool
        The picture says that it waits for planes while there are none.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        memory: Memory | None = None,
        max_layers: int = MAX_LAYERS,
        *,
        waits: bool = False,
    ) -> None:
        self.viewer = viewer
        self._main = main_window(viewer)
        self.memory = Memory() if memory is None else memory
        self.scene = Scene(viewer, self.memory, max_layers, waits=waits)
        status = self._main.statusBar()
        assert status is not None
        # A dock of one line would be 50 pixels high, with a title bar to match.
        status.addPermanentWidget(self.scene.bar)
        self._framed: tuple[Any, ...] = ()
        self._canvas_size: tuple[int, ...] = ()
        self._alone = not viewer.layers
        self._closed = False
        self.scene.overview.reframe = self._reframe
        self.scene.overview.keep_framed = self._keep_framed

    def paint(self) -> None:
        """Draw what has changed and keep the picture in frame."""
        had_layers = bool(self._framed)
        self.scene.paint()
        if not self.viewer.layers:
            self._framed, self._alone = (), True
            return
        size = tuple(self.viewer.canvas.size)
        if not had_layers:
            self._framed = self._camera()
        elif size != self._canvas_size:
            # Sliders that appear take height from the canvas.
            self._keep_framed()
        self._canvas_size = size

    def screenshot(self) -> bytes:
        """Return the whole window, as it is now, as PNG."""
        self.paint()
        self.scene.bar.picture_due.emit()
        # Sliders that are new have no place until their layout has been done.
        QApplication.sendPostedEvents()
        self.paint()
        self.scene.say()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self._main.grab().save(buffer, "PNG")
        png: bytes = buffer.data().data()
        return png

    def bring_to_front(self) -> None:
        """Show the window before all others, as far as the window manager lets it."""
        if self._main.isMinimized():
            self._main.showNormal()
        self._main.raise_()
        self._main.activateWindow()

    def close(self) -> None:
        """Let go of the viewer; its window, and what is in it, stay. Idempotent."""
        if not self._closed:
            self._closed = True
            self.scene.close()
            with suppress(RuntimeError):  # Qt has deleted it with the window already
                self.scene.bar.deleteLater()

    def _reframe(self) -> None:
        """Bring all that is drawn into view, and keep it there until the user moves the camera."""
        self.viewer.reset_view()
        if self._framed:
            self._framed = self._camera()

    def _keep_framed(self) -> None:
        """Do so, unless the user has moved the camera: then it is his."""
        if self._alone and self._camera() == self._framed:
            self._reframe()

    def _camera(self) -> tuple[Any, ...]:
        camera = self.viewer.scene.camera
        return (tuple(camera.center), camera.zoom, tuple(camera.angles))


class LiveWindow(LiveView):
    """A napari window of our own, and the scene in it. GUI thread only.

    Parameters
    ----------
    title : str
        The window's title.
    memory : Memory, optional
        Where its planes are held.
    max_layers : int
        Planes for more layers than this fail.
    """

    def __init__(
        self, title: str, memory: Memory | None = None, max_layers: int = MAX_LAYERS
    ) -> None:
        viewer = napari.Viewer(title=title, show_welcome_screen=False)
        main_window(viewer).resize(*_SIZE)
        widen_layer_list(viewer, _LAYER_LIST)
        super().__init__(viewer, memory, max_layers, waits=True)

    def close(self) -> None:
        """Close the window without asking. Idempotent, also after the user has closed it."""
        if self._closed:
            return
        super().close()
        with suppress(RuntimeError):  # Qt has deleted the window already
            self.viewer.close()
