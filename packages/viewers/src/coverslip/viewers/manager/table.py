"""The viewers as a table: a model that changes only what changed, and how its cells are drawn."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PyQt6.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QPointF,
    QSize,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import QBrush, QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap
from PyQt6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from coverslip.viewers.manager.boxes import as_it_stands
from coverslip.viewers.roster import HISTORY, Health, ViewerState
from coverslip.viewers.words import (
    format_count,
    format_duration,
    format_rate,
    format_size,
    plural,
)

__all__ = ["Column", "RatesDelegate", "ViewerTable"]

RATES_ROLE = Qt.ItemDataRole.UserRole + 1

_COLORS = {
    Health.READY: "#2e9d50",
    Health.BUSY: "#d08a00",
    Health.STARTING: "#d08a00",
    Health.STOPPING: "#d08a00",
    Health.SILENT: "#d0342c",
}
"""Readable on a light and on a dark background; the word stands beside the colour."""

_DOT = 16
"""Pixels."""


class Column(enum.IntEnum):
    """What stands where."""

    STATE = 0
    KIND = 1
    TITLE = 2
    WHERE = 3
    UPTIME = 4
    SHOWN = 5
    WAITING = 6
    DROPPED = 7
    RATE = 8
    MEMORY = 9
    ERROR = 10


_HEADINGS = {
    Column.STATE: ("State", "ready, starting, busy, or not answering"),
    Column.KIND: ("Viewer", "What shows the planes"),
    Column.TITLE: ("Title", "The window's title"),
    Column.WHERE: ("Where", "Machine and data port"),
    Column.UPTIME: ("Up", "How long it has run"),
    Column.SHOWN: ("Shown", "Planes that it has shown, of all streams"),
    Column.WAITING: ("Waiting", "Planes that are on their way or wait for the viewer to start"),
    Column.DROPPED: ("Dropped", "Planes that were left out or failed; its log says why"),
    Column.RATE: ("Rate", "Planes a second, the last minute"),
    Column.MEMORY: ("Memory", "What its planes take, and may take"),
    Column.ERROR: ("Last error", "What went wrong last"),
}
_NUMBERS = {Column.SHOWN, Column.WAITING, Column.DROPPED, Column.MEMORY, Column.UPTIME}


class ViewerTable(QAbstractTableModel):
    """One row a viewer. GUI thread only."""

    files_dropped = pyqtSignal(object, list)
    """Files that were dropped on a row: its `ViewerState`, and the paths."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[ViewerState] = []
        self._queued: dict[str, int] = {}

    # ---- what it holds ----------------------------------------------------------------

    def update(self, states: Sequence[ViewerState]) -> None:
        """Take over what was found; rows stay where they are, so that a selection holds."""
        found = {state.key: state for state in states}
        for row in reversed(range(len(self._rows))):
            if self._rows[row].key not in found:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._rows[row]
                self.endRemoveRows()
        known = {state.key: row for row, state in enumerate(self._rows)}
        for key, row in known.items():
            if self._rows[row] != found[key]:
                self._rows[row] = found[key]
                self._changed(row)
        new = [state for state in states if state.key not in known]
        if new:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(new) - 1)
            self._rows += new
            self.endInsertRows()

    def set_queued(self, key: str, files: int) -> None:
        """Show that so many files wait here for this viewer."""
        if self._queued.get(key, 0) == files:
            return
        self._queued[key] = files
        for row, state in enumerate(self._rows):
            if state.key == key:
                self._changed(row)

    def state(self, row: int) -> ViewerState:
        """Return the viewer of a row."""
        return self._rows[row]

    def states(self) -> list[ViewerState]:
        """Return all viewers, by row."""
        return list(self._rows)

    def _changed(self, row: int) -> None:
        self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))

    # ---- Qt's questions ---------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of viewers."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(  # noqa: N802 - Qt's
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's heading."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        heading, explained = _HEADINGS[Column(section)]
        if role == Qt.ItemDataRole.DisplayRole:
            return heading
        return explained if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell says, and how."""
        if not index.isValid():
            return None
        state, column = self._rows[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._words(state, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{_HEADINGS[column][0]}: {self._words(state, column) or 'none'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_it_stands(state.last_error) or None
        if role == Qt.ItemDataRole.ForegroundRole and column is Column.STATE:
            return QBrush(QColor(_COLORS[state.health]))
        if role == Qt.ItemDataRole.DecorationRole and column is Column.STATE:
            return _dot(_COLORS[state.health])
        if role == Qt.ItemDataRole.ForegroundRole and column is Column.DROPPED:
            return QBrush(QColor(_COLORS[Health.SILENT])) if _lost(state) else None
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == RATES_ROLE:
            return state.rates
        return None

    def _words(self, state: ViewerState, column: Column) -> str:
        match column:
            case Column.STATE:
                return state.health.value
            case Column.KIND:
                return state.kind
            case Column.TITLE:
                return state.title
            case Column.WHERE:
                return f"{state.host}:{state.port}"
            case Column.UPTIME:
                return format_duration(state.uptime) if state.uptime else ""
            case Column.SHOWN:
                return format_count(state.shown)
            case Column.WAITING:
                queued = self._queued.get(state.key, 0)
                files = f" + {plural(queued, 'file')}" if queued else ""
                return f"{format_count(state.waiting)}{files}"
            case Column.DROPPED:
                return format_count(_lost(state))
            case Column.RATE:
                return format_rate(state.rate)
            case Column.MEMORY:
                held = format_size(state.memory)
                return f"{held} of {format_size(state.budget)}" if state.budget else held
            case Column.ERROR:
                return state.last_error

    # ---- files dropped on a row -------------------------------------------------------

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what may be done with a cell: files may be dropped on it."""
        usual = super().flags(index)
        return usual | Qt.ItemFlag.ItemIsDropEnabled if index.isValid() else usual

    def mimeTypes(self) -> list[str]:  # noqa: N802 - Qt's
        """Return what may be dropped: files."""
        return ["text/uri-list"]

    def supportedDropActions(self) -> Qt.DropAction:  # noqa: N802 - Qt's
        """Return what a drop does: it copies, the files stay."""
        return Qt.DropAction.CopyAction

    def dropMimeData(  # noqa: N802 - Qt's
        self,
        data: QMimeData | None,
        action: Qt.DropAction,
        row: int,
        column: int,
        parent: QModelIndex,
    ) -> bool:
        """Take files that were dropped on a viewer's row."""
        paths = [Path(url.toLocalFile()) for url in data.urls()] if data is not None else []
        paths = [path for path in paths if path.name]
        if not paths or not parent.isValid():
            return False
        self.files_dropped.emit(self._rows[parent.row()], paths)
        return True


def _lost(state: ViewerState) -> int:
    return state.dropped + state.failed


@cache
def _dot(color: str) -> QIcon:
    """Return a dot of a colour that it has in a selected row as well, where words are white."""
    pixmap = QPixmap(_DOT, _DOT)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(Qt.GlobalColor.white, 2))
    painter.setBrush(QColor(color))
    painter.drawEllipse(2, 2, _DOT - 4, _DOT - 4)
    painter.end()
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


class RatesDelegate(QStyledItemDelegate):
    """Draws a viewer's rates of the last minute as a line, and the present one in words."""

    _WIDTH = 120
    _MARGIN = 3

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw the cell."""
        super().paint(painter, option, index)
        rates = index.data(RATES_ROLE) or ()
        top = max(rates, default=0.0)
        if painter is None or len(rates) < 2 or top <= 0:
            return
        area = option.rect.adjusted(self._MARGIN + 48, self._MARGIN, -self._MARGIN, -self._MARGIN)
        step = area.width() / (HISTORY - 1)
        left = area.right() - step * (len(rates) - 1)
        path = QPainterPath()
        for number, rate in enumerate(rates):
            point = QPointF(left + step * number, area.bottom() - area.height() * rate / top)
            if number:
                path.lineTo(point)
            else:
                path.moveTo(point)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # A selected row has the line's own colour for its background.
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        palette = option.palette
        color = palette.highlightedText() if selected else palette.highlight()
        painter.setPen(QPen(color.color(), 1.5))
        painter.setClipRect(option.rect)
        painter.drawPath(path)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802 - Qt's
        """Return a cell's size: room for a line."""
        return QSize(self._WIDTH, super().sizeHint(option, index).height())
