"""A plate's files as a table: a picture, a column for each component; for 100,000 rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QMimeData, QModelIndex, Qt, QUrl

from coverslip.payload import natural_key
from coverslip.viewers.manager.boxes import as_it_stands
from coverslip.viewers.manager.plate import Plate
from coverslip.viewers.manager.thumbnails import Thumbnails
from coverslip.viewers.plates.contents import Entry
from coverslip.viewers.wells import WELL

__all__ = ["FileTable"]

_PICTURE = Qt.ItemDataRole.DecorationRole


class FileTable(QAbstractTableModel):
    """The files of chosen wells, or of all. GUI thread only.

    A view asks for the rows that it shows and no others, so what costs here is to choose and to
    sort, a tenth of a second for a hundred thousand files.

    Parameters
    ----------
    thumbnails : Thumbnails
        Has their pictures.
    """

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._thumbnails.came.connect(self._on_picture)
        self._plate: Plate | None = None
        self._rows: list[Entry] = []
        self._row_of: dict[Entry, int] | None = None
        """Where each file stands; None until it is asked for again."""
        self._names: tuple[str, ...] = ()
        self._sorted: tuple[int, bool] | None = None

    def show(self, plate: Plate | None) -> None:
        """Take over a plate's files, all of them."""
        self.beginResetModel()
        self._thumbnails.forget()
        self._row_of = None
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
        self._row_of = None
        self._rows = [
            file
            for file in self._plate.files
            if not chosen or str(file.components.get(WELL)) in chosen
        ]
        if self._sorted is not None:
            self._sort(*self._sorted)
        self.endResetModel()

    def at(self, rows: Iterable[int]) -> list[Entry]:
        """Return the files of some rows."""
        return [self._rows[row] for row in rows]

    def _place(self, file: Entry) -> int:
        """Return a file's row; -1 if it is not among those that are shown."""
        if self._row_of is None:
            self._row_of = {each: row for row, each in enumerate(self._rows)}
        return self._row_of.get(file, -1)

    def _on_picture(self, file: Entry) -> None:
        row = self._place(file)
        if row >= 0:
            self.dataChanged.emit(self.index(row, 0), self.index(row, 0), [_PICTURE])

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
        if role == _PICTURE and index.column() == 0:
            return self._thumbnails.icon(file)
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_it_stands(str(file.path))
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if index.column() == len(self._names):
            return self._name(file)
        return str(file.components.get(self._names[index.column()], ""))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, A2 before A10."""
        self._sorted = (column, order is Qt.SortOrder.DescendingOrder)
        self.layoutAboutToBeChanged.emit()
        # What is selected stays selected, wherever it goes.
        before = self.persistentIndexList()
        files = self.at(index.row() for index in before)
        self._sort(*self._sorted)
        places = zip(files, before, strict=True)
        after = [self.index(self._place(file), index.column()) for file, index in places]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _name(self, file: Entry) -> str:
        """Return a file's name; of an OME-Zarr's planes, where their image lies in its folder."""
        if file.path.suffix or self._plate is None:
            return file.path.name
        folder = self._plate.folder.resolve()
        within = file.path.is_relative_to(folder)
        return str(file.path.relative_to(folder)) if within else file.path.name

    def _sort(self, column: int, descending: bool) -> None:
        self._row_of = None
        if column == len(self._names):
            self._rows.sort(key=lambda file: natural_key(self._name(file)), reverse=descending)
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
        data.setUrls([QUrl.fromLocalFile(str(file.path.absolute())) for file in self.at(rows)])
        return data
