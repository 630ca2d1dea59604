"""The view of the table of viewers: what is selected how, how wide, and how rates are drawn."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from coverslip.viewers.manager.table import Column, RatesDelegate, ViewerTable

__all__ = ["rows_of"]

_WIDTHS = {
    Column.STATE: 110,
    Column.KIND: 70,
    Column.TITLE: 110,
    Column.WHERE: 120,
    Column.UPTIME: 80,
    Column.SHOWN: 65,
    Column.WAITING: 70,
    Column.DROPPED: 65,
    Column.RATE: 100,
    Column.MEMORY: 140,
}


def rows_of(table: ViewerTable) -> QTableView:
    """Return a view of the viewers: rows are chosen as wholes, and files may be dropped on them."""
    rows = QTableView()
    rows.setModel(table)
    rows.setAccessibleName("Viewers")
    rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    rows.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    rows.setAlternatingRowColors(True)
    rows.setShowGrid(False)
    rows.setWordWrap(False)
    rows.setAcceptDrops(True)
    rows.setDragDropMode(QAbstractItemView.DragDropMode.DropOnly)
    rows.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
    rows.setItemDelegateForColumn(Column.RATE, RatesDelegate(rows))
    vertical, horizontal = rows.verticalHeader(), rows.horizontalHeader()
    assert vertical is not None
    assert horizontal is not None
    vertical.hide()
    horizontal.setHighlightSections(False)
    horizontal.setStretchLastSection(True)
    horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    for column, width in _WIDTHS.items():
        rows.setColumnWidth(column, width)
    return rows
