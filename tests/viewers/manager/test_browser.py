"""The image browser: what it makes of a folder, and how files get to a viewer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PyQt6")

import tifffile
from PyQt6.QtCore import QMimeData, Qt
from PyQt6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from coverslip.viewers.manager.files import FileTable
from coverslip.viewers.manager.grid import PlateGrid
from coverslip.viewers.manager.plate import Plate, PlateFile, read_plate
from coverslip.viewers.manager.table import Column
from coverslip.viewers.manager.window import ManagerWindow
from tests.viewers.headless import HeadlessServer, serving
from tests.viewers.manager.looking import SOON, message, until

pytestmark = pytest.mark.gui

WELLS = ("A01", "A02", "B10")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plate of three wells, two sites and two channels, as ImageXpress names them."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for well in WELLS:
        for site in (1, 2):
            for channel in (1, 2):
                pixels = np.full((8, 8), site * 10 + channel, np.uint16)
                tifffile.imwrite(folder / f"scan_{well}_s{site}_w{channel}.tif", pixels)
    return folder


def shown(server: HeadlessServer) -> int:
    return sum(ledger.counts().shown for ledger in server.ledgers.values())


def test_a_folder_is_read_without_opening_a_file(folder: Path) -> None:
    (folder / "scan_A01_s1_w1.tif").write_bytes(b"no picture at all")
    (folder / "notes.tif").write_bytes(b"")
    plate = read_plate(folder)
    assert plate.wells == {"A01": 4, "A02": 4, "B10": 4}
    assert plate.unknown == 1
    assert plate.names[:3] == ("well", "site", "channel")


def test_wells_that_have_no_file_are_not_chosen(application: object, folder: Path) -> None:
    grid = PlateGrid()
    tester = QAbstractItemModelTester(grid, QAbstractItemModelTester.FailureReportingMode.Fatal)
    grid.show(read_plate(folder))
    assert (grid.rowCount(), grid.columnCount()) == (2, 10)
    assert grid.index(0, 1).data() == "4"
    assert grid.index(0, 1).data(Qt.ItemDataRole.AccessibleTextRole) == "A02: 4 files"
    assert grid.index(1, 1).data() is None
    assert grid.flags(grid.index(1, 1)) == Qt.ItemFlag.NoItemFlags
    assert grid.headerData(26, Qt.Orientation.Vertical) == "AA"
    grid.show(None)
    assert grid.rowCount() == 0
    del tester


def test_a_hundred_thousand_files_are_chosen_and_sorted(application: object) -> None:
    files = tuple(
        PlateFile(Path(f"/p/{well}_{site}.tif"), {"well": f"A{well}", "site": site})
        for well in range(100)
        for site in range(1000)
    )
    table = FileTable()
    table.show(Plate(Path("/p"), "pattern", files, ("well", "site"), 0, 0))
    assert table.rowCount() == 100_000
    table.sort(1, Qt.SortOrder.DescendingOrder)
    assert table.index(0, 1).data() == "999"
    table.choose(["A2", "A10"])
    assert table.rowCount() == 2000
    table.sort(0)
    assert [table.index(row, 0).data() for row in (0, 999, 1000)] == ["A2", "A2", "A10"]
    table.choose([])
    assert table.rowCount() == 100_000


def test_chosen_wells_go_to_the_chosen_viewer(
    window: ManagerWindow, folder: Path, qtbot: QtBot
) -> None:
    with serving(title="here") as server:
        until(qtbot, lambda: window.table.rowCount() == 1)
        window.browser.open_folder(folder)
        until(qtbot, lambda: window.browser.send.text() == "Send 12 files")
        window.browser.choose_wells("A02", "B10")
        assert window.browser.send.text() == "Send 8 files"
        qtbot.mouseClick(window.browser.send, Qt.MouseButton.LeftButton)
        until(qtbot, lambda: shown(server) == 8)
        planes = [plane for layer in server.snapshot() for plane in layer.planes]
        assert Counter(place["well"] for place, _ in planes) == {"A02": 4, "B10": 4}
        until(qtbot, lambda: "8 of 8 planes shown" in message(window))


def test_while_a_viewer_starts_the_files_wait_and_are_shown_then(
    window: ManagerWindow, folder: Path, qtbot: QtBot
) -> None:
    with serving(starting=True) as server:
        until(qtbot, lambda: window.table.rowCount() == 1)
        state = window.table.state(0)
        window.table.files_dropped.emit(state, sorted(folder.iterdir()))
        waiting = window.table.index(0, Column.WAITING)
        until(qtbot, lambda: waiting.data() == "0 + 12 files")
        assert shown(server) == 0
        server.set_state("ready")
        until(qtbot, lambda: shown(server) == 12)
        until(qtbot, lambda: waiting.data() == "0")


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_shown(
    window: ManagerWindow, folder: Path, qtbot: QtBot
) -> None:
    (folder / "scan_A01_s1_w1.tif").write_bytes(b"no picture at all")
    with serving() as server:
        until(qtbot, lambda: window.table.rowCount() == 1)
        window.table.files_dropped.emit(window.table.state(0), [folder])
        until(qtbot, lambda: shown(server) == 11)
        until(qtbot, lambda: "11 of 11 planes shown; 1 file could not be read: " in message(window))


def test_a_folder_of_nothing_is_told(window: ManagerWindow, tmp_path: Path, qtbot: QtBot) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with qtbot.waitSignal(window.browser.failed, timeout=SOON) as told:
        window.browser.open_folder(empty)
    assert told.args is not None
    assert "cannot be shown" in told.args[0]
    assert window.browser.open.isEnabled()


def test_files_are_dragged_as_files(application: object, folder: Path) -> None:
    table = FileTable()
    table.show(read_plate(folder))
    data = table.mimeData([table.index(0, 0), table.index(0, 1), table.index(2, 0)])
    assert isinstance(data, QMimeData)
    assert [Path(url.toLocalFile()).name for url in data.urls()] == [
        "scan_A01_s1_w1.tif",
        "scan_A01_s2_w1.tif",
    ]
