"""A viewer's log, followed as it grows."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QFileSystemWatcher, Qt, QTimer
from PyQt6.QtGui import QFontDatabase
from PyQt6.QtWidgets import QPlainTextEdit, QWidget

__all__ = ["LogView"]

_LARGEST = 256 * 1024
"""Bytes of an old log that are shown, its end being asked for; and bytes read at once."""

_MOST_LINES = 10_000
_LOOK_AGAIN_MS = 1000


class LogView(QPlainTextEdit):
    """Shows the end of a log file and what is added to it; stays at the end while it is there.

    Deleted when it is closed.
    """

    def __init__(self, path: Path, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Log of {title}")
        self.setAccessibleName(f"Log of {title}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setReadOnly(True)
        self.setMaximumBlockCount(_MOST_LINES)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.resize(900, 420)
        self._path = path
        self._read = max(0, self._size() - _LARGEST)
        self._files = QFileSystemWatcher([str(path)], self)
        self._files.fileChanged.connect(self.read_on)
        # A watcher misses a file that is made later, and some file systems tell it nothing.
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.read_on)
        self._timer.start(_LOOK_AGAIN_MS)
        self.read_on()

    def read_on(self) -> None:
        """Append what was added to the file."""
        size = self._size()
        if size < self._read:
            self._read = 0
            self.clear()
        if size == self._read:
            return
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                added = file.read(_LARGEST)
        except OSError:
            return
        # A line that is still being written comes with its rest, one that is longer than is read
        # at once in pieces.
        whole = added.rfind(b"\n") + 1
        if not whole and len(added) < _LARGEST:
            return
        whole = whole or len(added)
        self._read += whole
        bar = self.verticalScrollBar()
        at_end = bar is None or bar.value() >= bar.maximum()
        across = self.horizontalScrollBar()
        left = 0 if across is None else across.value()
        self.appendPlainText(added[:whole].removesuffix(b"\n").decode(errors="replace"))
        if at_end and bar is not None:
            bar.setValue(bar.maximum())
        if across is not None:
            # Qt goes to the end of a line that is appended; what a line begins with is its time.
            across.setValue(left)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
