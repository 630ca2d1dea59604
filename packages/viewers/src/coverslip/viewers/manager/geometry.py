"""What the window looked like when it was closed: remembered for the next time."""

from __future__ import annotations

from PyQt6.QtCore import QByteArray, QSettings
from PyQt6.QtWidgets import QMainWindow, QSplitter, QTableView

__all__ = ["remember", "restore"]

_SIZE = (1180, 760)
_SPLIT = [190, 540]
"""Pixels of the table's height and of the browser's, until the user has chosen."""


def restore(settings: QSettings, window: QMainWindow, split: QSplitter, rows: QTableView) -> None:
    """Give the window the geometry that it had, as far as anything is remembered."""
    geometry = settings.value("geometry")
    if not (isinstance(geometry, QByteArray) and window.restoreGeometry(geometry)):
        window.resize(*_SIZE)
    sizes = settings.value("split")
    if not (isinstance(sizes, QByteArray) and split.restoreState(sizes)):
        split.setSizes(_SPLIT)
    header, columns = rows.horizontalHeader(), settings.value("columns")
    if header is not None and isinstance(columns, QByteArray):
        header.restoreState(columns)


def remember(settings: QSettings, window: QMainWindow, split: QSplitter, rows: QTableView) -> None:
    """Keep the geometry for the next time."""
    settings.setValue("geometry", window.saveGeometry())
    settings.setValue("split", split.saveState())
    header = rows.horizontalHeader()
    if header is not None:
        settings.setValue("columns", header.saveState())
    settings.sync()
