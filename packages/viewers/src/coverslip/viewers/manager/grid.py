"""A plate's wells as the grid that they are on the plate."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, Qt
from PyQt6.QtGui import QBrush, QColor

from coverslip.viewers.manager.plate import Plate
from coverslip.viewers.wells import row_name, well_place
from coverslip.viewers.words import plural

__all__ = ["PlateGrid"]

_FULL = "#3daee9"
_FAINTEST = 70
"""Opacity (of 255) of a well with one file; the well with the most has all."""


class PlateGrid(QAbstractTableModel):
    """One cell a well, darker the more files it has. GUI thread only."""

    def __init__(self) -> None:
        super().__init__()
        self._wells: dict[tuple[int, int], tuple[str, int]] = {}
        self._rows = self._columns = 0
        self._most = 1

    def show(self, plate: Plate | None) -> None:
        """Take over a plate's wells."""
        self.beginResetModel()
        self._wells = {}
        for well, files in ({} if plate is None else plate.wells).items():
            place = well_place(well)
            if place is not None:
                self._wells[place] = (well, files)
        self._rows = max((row + 1 for row, _ in self._wells), default=0)
        self._columns = max((column + 1 for _, column in self._wells), default=0)
        self._most = max((files for _, files in self._wells.values()), default=1)
        self.endResetModel()

    def well(self, index: QModelIndex) -> str | None:
        """Return the well of a cell, None for one that has no file."""
        found = self._wells.get((index.row(), index.column()))
        return None if found is None else found[0]

    def first(self) -> QModelIndex:
        """Return the cell of the first well that has files."""
        return self.index(*min(self._wells)) if self._wells else QModelIndex()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of rows up to the last that has a well."""
        return 0 if parent.isValid() else self._rows

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of columns up to the last that has a well."""
        return 0 if parent.isValid() else self._columns

    def headerData(  # noqa: N802 - Qt's
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a row's letters or a column's number."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return str(section + 1) if orientation is Qt.Orientation.Horizontal else row_name(section)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell says, and how."""
        found = self._wells.get((index.row(), index.column()))
        if found is None:
            return None
        well, files = found
        if role == Qt.ItemDataRole.DisplayRole:
            return str(files)
        if role in {Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole}:
            return f"{well}: {plural(files, 'file')}"
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.BackgroundRole:
            color = QColor(_FULL)
            color.setAlpha(_FAINTEST + (255 - _FAINTEST) * files // self._most)
            return QBrush(color)
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what may be done with a cell: only wells that have files are chosen."""
        return super().flags(index) if self.well(index) else Qt.ItemFlag.NoItemFlags
