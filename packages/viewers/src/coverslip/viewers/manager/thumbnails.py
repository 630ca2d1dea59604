"""Pictures in little of a plate's files: those that are looked at, read off the GUI thread."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QIcon, QImage, QPixmap

from coverslip.viewers.contrast import limits_of
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.little import in_little
from coverslip.viewers.plates.contents import Entry

__all__ = ["EDGE", "Thumbnails"]

logger = logging.getLogger(__name__)

EDGE = 192
"""Pixels of the longer side, at most."""

_KEPT = 1000
"""Pictures that are kept, of up to 144 KiB each: those that were looked at last."""

_WAITING = 100
"""Pictures that wait to be read: more than a screen shows; whoever scrolls on wants the others no
more."""


class Thumbnails(QObject):
    """Has a picture of each file that was asked for lately. GUI thread, but for its own thread."""

    came = pyqtSignal(object)
    """The file whose picture is there now."""

    _read = pyqtSignal(object, object)

    def __init__(self) -> None:
        # Without a parent: its thread holds it, and may emit when the window is gone.
        super().__init__()
        self._icons: OrderedDict[Entry, QIcon] = OrderedDict()
        self._wanted: OrderedDict[Entry, None] = OrderedDict()
        self._change = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._read.connect(self._keep)

    def icon(self, file: Entry) -> QIcon | None:
        """Return a file's picture; None if it has to be read first, which this asks for."""
        found = self._icons.get(file)
        if found is not None:
            self._icons.move_to_end(file)
            return found
        with self._change:
            self._wanted[file] = None
            self._wanted.move_to_end(file)
            if len(self._wanted) > _WAITING:
                self._wanted.popitem(last=False)
            self._change.notify()
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(
                target=self._read_on, name="coverslip-thumbnails", daemon=True
            )
            self._thread.start()
        return None

    def forget(self) -> None:
        """Let go of all pictures, for another plate's."""
        with self._change:
            self._wanted.clear()
        self._icons.clear()

    def close(self, patience: float) -> None:
        """Read no more; wait so many seconds for the file that is being read."""
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join(patience)

    def _keep(self, file: Entry, picture: QImage) -> None:
        pixmap = QPixmap.fromImage(picture)
        icon = self._icons[file] = QIcon(pixmap)
        # Of the file that is selected as well: Qt would tint it.
        icon.addPixmap(pixmap, QIcon.Mode.Selected)
        if len(self._icons) > _KEPT:
            self._icons.popitem(last=False)
        self.came.emit(file)

    # ---- its thread -------------------------------------------------------------------

    def _read_on(self) -> None:
        while (file := self._next()) is not None:
            try:
                picture = _picture(file)
            except UnreadableImage as error:
                # An empty one: who sends the file is told, and it is not read at each look.
                logger.debug("no thumbnail: %s", error)
                picture = QImage()
            except Exception:
                logger.exception("the thumbnail of %s", file.path)
                picture = QImage()
            if not self._closed:
                self._read.emit(file, picture)

    def _next(self) -> Entry | None:
        """Wait for a file to be wanted, and return the one that was asked for last."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._wanted)
            return None if self._closed else self._wanted.popitem()[0]


def _picture(file: Entry) -> QImage:
    """Return the first plane of a file in little, in gray from its darkest to its brightest."""
    for image in file.images():
        first = (slice(None) if name in {"y", "x", "c"} else 0 for name in image.axes)
        return _as_image(in_little(image.read()[tuple(first)], EDGE))
    raise UnreadableImage(f"{file.path}: there is no image in it")


def _as_image(tile: NDArray[np.float32]) -> QImage:
    low, high = (0.0, 1.0) if tile.ndim == 3 else limits_of(tile, exact=True) or (0.0, 1.0)
    shades = (np.clip(tile, low, high) - np.float32(low)) * np.float32(255 / (high - low))
    pixels: NDArray[Any] = np.ascontiguousarray(shades.astype(np.uint8))
    layout = QImage.Format.Format_RGB888 if tile.ndim == 3 else QImage.Format.Format_Grayscale8
    height, width = tile.shape[:2]
    # A copy: an image of Qt's does not keep the array that it was made of.
    return QImage(pixels.tobytes(), width, height, pixels.strides[0], layout).copy()
