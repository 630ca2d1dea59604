"""A plate's files as a table, a column for each component; made for a hundred thousand rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QMimeData, QModelIndex, Qt, QUrl

from coverslip.payload import natural_key
from coverslip.viewers.manager.plate import Plate, PlateFile
from coverslip.viewers.wells import WELL

__all__ = ["FileTable"]


class FileTable(QAbstractTableModel):
    """The files of chosen wells, or of all. GUI thread only.

    A view asks for the rows that it shows and no others, so what costs here is to choose and to
    sort, a tenth of a second for a hundred thousand files.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plate: Plate | None = None
        self._rows: list[PlateFile] = []
        self._names: tuple[str, ...] = ()
        self._sorted: tuple[int, bool] | None = None

    def show(self, plate: Plate | None) -> None:
        """Take over a plate's files, all of them."""
        self.beginResetModel()
        self._plate = plate
        self._rows = [] if plate is None else list(plate.files)
        self._names = () if plate is None else plate.names
        self._sorted = None
        self.endResetModel()

    def choose(self, wells: Collection[str]) -> None:
        """Show the files of some wells; of all, if none is named."""
        if self._plate is None:
            return
        chosen = set(wells)
        self.beginResetModel()
        self._rows = [
            file
            for file in self._plate.files
            if not chosen or str(file.components.get(WELL)) in chosen
        ]
        if self._sorted is not None:
            self._sort(*self._sorted)
        self.endResetModel()

    def paths(self, rows: Iterable[int]) -> list[Path]:
        """Return the files of some rows."""
        return [self._rows[row].path for row in rows]

    # ---- Qt's questions ---------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of files."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of components, and one for the name."""
        return 0 if parent.isValid() else len(self._names) + 1

    def headerData(  # noqa: N802 - Qt's
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a component's name."""
        if role != Qt.ItemDataRole.DisplayRole or orientation is not Qt.Orientation.Horizontal:
            return None
        return "file" if section == len(self._names) else self._names[section]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell says."""
        file = self._rows[index.row()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(file.path)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if index.column() == len(self._names):
            return file.path.name
        return str(file.components.get(self._names[index.column()], ""))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, A2 before A10."""
        self._sorted = (column, order is Qt.SortOrder.DescendingOrder)
        self.layoutAboutToBeChanged.emit()
        self._sort(*self._sorted)
        self.layoutChanged.emit()

    def _sort(self, column: int, descending: bool) -> None:
        if column == len(self._names):
            self._rows.sort(key=lambda file: natural_key(file.path.name), reverse=descending)
        elif 0 <= column < len(self._names):
            name = self._names[column]
            self._rows.sort(
                key=lambda file: natural_key(file.components.get(name, "")), reverse=descending
            )

    # ---- files dragged from here ------------------------------------------------------

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what may be done with a cell: its file may be dragged to a viewer."""
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def mimeTypes(self) -> list[str]:  # noqa: N802 - Qt's
        """Return what is dragged: files."""
        return ["text/uri-list"]

    def mimeData(self, indexes: Iterable[QModelIndex]) -> QMimeData:  # noqa: N802 - Qt's
        """Return the files of some cells."""
        rows = dict.fromkeys(index.row() for index in indexes)
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path.absolute())) for path in self.paths(rows)])
        return data
