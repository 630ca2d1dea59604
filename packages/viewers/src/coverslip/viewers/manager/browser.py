"""The image browser: a plate's wells, files and pictures, to be chosen and sent to a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QItemSelectionModel, QModelIndex, QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel, QSearchableComboBox

from coverslip.viewers.manager.boxes import as_it_stands
from coverslip.viewers.manager.files import FileTable
from coverslip.viewers.manager.grid import PlateGrid
from coverslip.viewers.manager.jobs import Jobs
from coverslip.viewers.manager.plate import Plate, read_plate
from coverslip.viewers.manager.thumbnails import EDGE, Thumbnails
from coverslip.viewers.plates.contents import Entry
from coverslip.viewers.roster import ViewerState
from coverslip.viewers.words import plural

__all__ = ["Browser"]

_CELL = 34
"""Pixels of a well: enough for three digits, and for twelve columns beside the files."""

_ICON = 40
"""Pixels of a picture in the list: cells are told from none, and ten files are seen at once."""

_BEGIN = "Open the folder of a plate, then choose wells or files and send them to a viewer."


class Browser(QWidget):
    """Shows what a parser made of a folder, and asks for what is chosen to be sent. GUI thread.

    Parameters
    ----------
    jobs : Jobs
        Reads folders, which takes seconds for a large plate.
    """

    send_wanted = pyqtSignal(str, list)
    """A viewer's key, and the files: `Entry` each."""

    failed = pyqtSignal(str, Exception)
    """What could not be done, and why."""

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._plate: Plate | None = None
        self._folder: Path | None = None
        self.thumbnails = Thumbnails()
        self.grid, self.files = PlateGrid(), FileTable(self.thumbnails)
        self.wells = _table(self.grid, "Wells")
        self.rows = _table(self.files, "Files")
        self._set_up_tables()
        self.open = QPushButton("&Open a plate…")
        self.open.clicked.connect(self.ask_for_folder)
        self.pattern = QLineEdit()
        self.pattern.setPlaceholderText("automatic, or {well}_s{site:d}_w{channel:d}.tif")
        self.pattern.setAccessibleName("Pattern of the names")
        self.pattern.setToolTip("What names say, where no parser knows them; Enter reads them anew")
        self.pattern.returnPressed.connect(self._read_again)
        self.picture = QLabel()
        self.picture.setAccessibleName("Picture of the chosen file")
        # As high as there is room for: no window has to be large for it.
        self.picture.setMinimumSize(1, 1)
        self.picture.setMaximumHeight(EDGE)
        self.picture.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.thumbnails.came.connect(self._on_picture)
        self._words = QElidingLabel(_BEGIN)
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setElideMode(Qt.TextElideMode.ElideMiddle)
        # Of a hundred viewers, one is found by some letters of its title, or by its port.
        self._target = QSearchableComboBox()
        self._target.setAccessibleName("Viewer to send to")
        self._target.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.send = QPushButton("Send")
        self.send.clicked.connect(self.send_chosen)
        self._lay_out()
        for table in (self.wells, self.rows):
            selection = table.selectionModel()
            assert selection is not None
            selection.selectionChanged.connect(
                self._choose_wells if table is self.wells else self._enable
            )
            if table is self.rows:
                selection.currentChanged.connect(self._look_at)
        self._enable()

    def _set_up_tables(self) -> None:
        self.rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.rows.setDragEnabled(True)
        self.rows.setSortingEnabled(True)
        self.rows.setShowGrid(False)
        self.rows.setAlternatingRowColors(True)
        self.rows.setIconSize(QSize(_ICON, _ICON))
        headers = self.wells.horizontalHeader(), self.wells.verticalHeader()
        for header in headers:
            assert header is not None
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setDefaultSectionSize(_CELL)
            header.setMinimumSectionSize(_CELL // 2)
        files = self.rows.horizontalHeader(), self.rows.verticalHeader()
        assert files[0] is not None
        assert files[1] is not None
        files[0].setStretchLastSection(True)
        files[0].setHighlightSections(False)
        # As wide as what is in view: Qt would ask for a thousand files' pictures.
        files[0].setResizeContentsPrecision(0)
        # No sort until somebody asks for one: the parser's order is natural already.
        files[0].setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        files[1].hide()
        files[1].setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        files[1].setDefaultSectionSize(_ICON + 2)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.open)
        top.addWidget(self._words, 1)
        words = QLabel("&Pattern")
        words.setBuddy(self.pattern)
        top.addWidget(words)
        self.pattern.setMinimumWidth(7 * _CELL)
        top.addWidget(self.pattern)
        left = QWidget()
        below = QVBoxLayout(left)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.wells, 1)
        below.addWidget(self.picture, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(self.rows)
        split.setStretchFactor(1, 1)
        split.setSizes([13 * _CELL, 60 * _CELL])
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(QLabel("to"))
        bottom.addWidget(self._target)
        bottom.addWidget(self.send)
        whole = QVBoxLayout(self)
        whole.addLayout(top)
        whole.addWidget(split, 1)
        whole.addLayout(bottom)

    # ---- a folder ---------------------------------------------------------------------

    def ask_for_folder(self) -> None:
        """Ask which folder to open."""
        name = QFileDialog.getExistingDirectory(self, "Open a plate")
        if name:
            self.open_folder(Path(name))

    def open_folder(self, folder: Path) -> None:
        """Read a folder's names, off the GUI thread, and show them."""
        self._folder = folder
        self._words.setText(f"Reading {folder}…")
        self.open.setEnabled(False)
        pattern = self.pattern.text().strip() or None
        self._jobs.run(
            partial(read_plate, folder, pattern), self._show, partial(self._fail, folder)
        )

    def _read_again(self) -> None:
        if self._folder is not None and self.open.isEnabled():
            self.open_folder(self._folder)

    def _show(self, plate: Plate) -> None:
        self._plate = plate
        self.grid.show(plate)
        self.files.show(plate)
        self.rows.resizeColumnsToContents()
        # Most pictures are still to come.
        self.rows.setColumnWidth(0, self.rows.columnWidth(0) + _ICON)
        self.wells.setVisible(self.grid.rowCount() > 0)
        self.wells.scrollTo(self.grid.first())
        self._go_to_first()
        words = [
            plate.folder.name,
            f"{plural(len(plate.files), 'file')} read as {plate.parser}",
        ]
        if plate.wells:
            words.append(plural(len(plate.wells), "well"))
        if plate.unknown:
            words.append(f"{plate.unknown} with other names")
        if plate.problems:
            words.append(f"{plural(len(plate.problems), 'image')} that cannot be opened")
        if plate.left_out:
            words.append(f"{plural(plate.left_out, 'thumbnail')} left out")
        self._words.setText(", ".join(words))
        self._words.setToolTip(as_it_stands(str(plate.folder)))
        self.open.setEnabled(True)
        self._enable()

    def _fail(self, folder: Path, error: Exception) -> None:
        self._words.setText(_BEGIN)
        self.open.setEnabled(True)
        self.failed.emit(f"{folder} cannot be shown", error)

    # ---- what is chosen ---------------------------------------------------------------

    def _choose_wells(self, *_: object) -> None:
        selection = self.wells.selectionModel()
        indexes = [] if selection is None else selection.selectedIndexes()
        self.files.choose([well for index in indexes if (well := self.grid.well(index))])
        self._go_to_first()
        self._enable()

    def choose_wells(self, *wells: str) -> None:
        """Choose wells, as a click on each does."""
        selection = self.wells.selectionModel()
        assert selection is not None
        selection.clearSelection()
        for row in range(self.grid.rowCount()):
            for column in range(self.grid.columnCount()):
                index = self.grid.index(row, column)
                if self.grid.well(index) in wells:
                    selection.select(index, QItemSelectionModel.SelectionFlag.Select)

    def chosen(self) -> list[Entry]:
        """Return the selected files; all that are shown, if none is selected."""
        selection = self.rows.selectionModel()
        rows = [] if selection is None else [index.row() for index in selection.selectedRows()]
        return self.files.at(sorted(rows) or range(self.files.rowCount()))

    def known(self, paths: Sequence[Path]) -> list[Entry] | None:
        """Return files of the plate that is open, by their paths; None if any is not of it."""
        wanted = {path.absolute() for path in paths}
        files = () if self._plate is None else self._plate.files
        found = [file for file in files if file.path.absolute() in wanted]
        return found if wanted <= {file.path.absolute() for file in found} else None

    def _go_to_first(self) -> None:
        """Show the first file's picture; none is selected by that."""
        selection = self.rows.selectionModel()
        assert selection is not None
        first = self.files.index(0, 0)
        selection.setCurrentIndex(first, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._look_at(first, first)

    def _look_at(self, index: QModelIndex, _before: QModelIndex) -> None:
        """Show the picture of the file that the user has gone to, larger than in the list."""
        icon = self.thumbnails.icon(self.files.at([index.row()])[0]) if index.isValid() else None
        if icon is None:
            self.picture.clear()
        else:
            self.picture.setPixmap(icon.pixmap(EDGE, EDGE))

    def _on_picture(self, file: Entry) -> None:
        current = self.rows.currentIndex()
        if current.isValid() and self.files.at([current.row()]) == [file]:
            self._look_at(current, current)

    def set_viewers(self, states: Sequence[ViewerState]) -> None:
        """Offer these viewers to send to; the chosen one stays chosen."""
        offered = {state.key: state.name for state in states}
        for row in reversed(range(self._target.count())):
            if self._target.itemData(row) not in offered:
                self._target.removeItem(row)
        for key, words in offered.items():
            row = self._target.findData(key)
            if row < 0:
                self._target.addItem(words, key)  # type: ignore[no-untyped-call]  # superqt's
            elif self._target.itemText(row) != words:
                self._target.setItemText(row, words)
        self._enable()

    def send_chosen(self) -> None:
        """Ask for the chosen files to be sent to the chosen viewer."""
        key, chosen = self._target.currentData(), self.chosen()
        if isinstance(key, str) and chosen:
            self.send_wanted.emit(key, chosen)

    def _enable(self, *_: object) -> None:
        selection = self.rows.selectionModel()
        some = 0 if selection is None else len(selection.selectedRows())
        files = some or self.files.rowCount()
        self.send.setText(f"Send {plural(files, 'file')}" if files else "Send")
        self.send.setEnabled(bool(files and self._target.count()))
        self.send.setToolTip("" if self._target.count() else "Launch a viewer first")


def _table(model: PlateGrid | FileTable, name: str) -> QTableView:
    table = QTableView()
    table.setModel(model)
    table.setAccessibleName(name)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    table.setWordWrap(False)
    return table
