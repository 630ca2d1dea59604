"""The image browser: what it makes of a folder, and how files get to a viewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PyQt6")

import tifffile
from PyQt6.QtCore import QItemSelectionModel, QMimeData, Qt
from PyQt6.QtTest import QAbstractItemModelTester
from PyQt6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from coverslip.viewers.manager.files import FileTable
from coverslip.viewers.manager.grid import PlateGrid
from coverslip.viewers.manager.plate import Plate, read_plate
from coverslip.viewers.manager.table import Column
from coverslip.viewers.manager.thumbnails import EDGE, Thumbnails
from coverslip.viewers.manager.window import ManagerWindow
from coverslip.viewers.plates.contents import Entry
from coverslip.viewers.plates.stored import StoredImage
from tests.viewers.headless import HeadlessServer, serving
from tests.viewers.manager.looking import SOON, message, until
from tests.viewers.plates import ngff

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


@pytest.fixture
def thumbnails(application: object) -> Iterator[Thumbnails]:
    """Pictures for a table of its own."""
    thumbnails = Thumbnails()
    yield thumbnails
    thumbnails.close(SOON / 1000)


def shown(server: HeadlessServer) -> int:
    return sum(ledger.counts().shown for ledger in server.ledgers.values())


def test_a_folder_is_read_without_opening_a_file(folder: Path) -> None:
    (folder / "scan_A01_s1_w1.tif").write_bytes(b"no picture at all")
    (folder / "notes.tif").write_bytes(b"")
    plate = read_plate(folder)
    assert plate.wells == {"A01": 4, "A02": 4, "B10": 4}
    assert plate.unknown == 1
    assert plate.names[:3] == ("well", "site", "channel")


def test_files_stand_by_what_they_are_of_and_not_by_random_letters(tmp_path: Path) -> None:
    for name in (
        "x_A02_s1_w1AD58AB31-9C44-4F4F-8A13-3CB1E0F4A55D.tif",
        "x_A02_s1_w200000000-9C44-4F4F-8A13-3CB1E0F4A55D.tif",
        "x_A02_s1_w3BD58AB31-9C44-4F4F-8A13-3CB1E0F4A55D.tif",
        "ZStep_1/x_A02_s1_w1CD58AB31-9C44-4F4F-8A13-3CB1E0F4A55D.tif",
        "x_A10_s1_w1AD58AB31-9C44-4F4F-8A13-3CB1E0F4A55D.tif",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [file.components for file in read_plate(tmp_path).files]
    assert [(one["well"], one["channel"], one.get("z_index")) for one in found] == [
        ("A02", 1, None),
        ("A02", 1, 1),
        ("A02", 2, None),
        ("A02", 3, None),
        ("A10", 1, None),
    ]


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


def a_large_plate() -> Plate:
    """A hundred thousand files, none of which is there."""
    files = tuple(
        Entry(Path(f"/p/{well}_{site}.tif"), {"well": f"A{well}", "site": site}, lambda: iter(()))
        for well in range(100)
        for site in range(1000)
    )
    return Plate(Path("/p"), "pattern", files, ("well", "site"))


def test_a_hundred_thousand_files_are_chosen_and_sorted(thumbnails: Thumbnails) -> None:
    table = FileTable(thumbnails)
    table.show(a_large_plate())
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


def test_files_are_dragged_as_files(thumbnails: Thumbnails, folder: Path) -> None:
    table = FileTable(thumbnails)
    table.show(read_plate(folder))
    data = table.mimeData([table.index(0, 0), table.index(0, 1), table.index(2, 0)])
    assert isinstance(data, QMimeData)
    assert [Path(url.toLocalFile()).name for url in data.urls()] == [
        "scan_A01_s1_w1.tif",
        "scan_A01_s2_w1.tif",
    ]


def test_what_is_selected_stays_selected_wherever_a_sort_puts_it(
    window: ManagerWindow, folder: Path, qtbot: QtBot
) -> None:
    browser = window.browser
    browser.open_folder(folder)
    until(qtbot, lambda: browser.files.rowCount() == 12)
    chosen = browser.files.at([1, 5])
    selection = browser.rows.selectionModel()
    assert selection is not None
    for row in (1, 5):
        flags = QItemSelectionModel.SelectionFlag
        selection.select(browser.files.index(row, 0), flags.Select | flags.Rows)
    browser.files.sort(0, Qt.SortOrder.DescendingOrder)
    assert {file.path for file in browser.chosen()} == {file.path for file in chosen}
    assert browser.files.at([1]) != [chosen[0]]


def test_pictures_are_read_of_the_files_in_view_and_of_no_others(
    window: ManagerWindow, folder: Path, qtbot: QtBot
) -> None:
    (real,) = read_plate(folder, "scan_{well}_s{site:d}_w{channel:d}.tif").files[:1]
    read: list[int] = []

    def of(number: int) -> Entry:
        def images() -> Iterator[StoredImage]:
            read.append(number)
            return real.images()

        return Entry(Path(f"/p/{number}.tif"), {"number": number}, images)

    plate = Plate(Path("/p"), "pattern", tuple(map(of, range(100_000))), ("number",))
    browser = window.browser
    browser._show(plate)
    picture = Qt.ItemDataRole.DecorationRole
    until(qtbot, lambda: browser.files.index(0, 0).data(picture) is not None)
    until(qtbot, lambda: not browser.picture.pixmap().isNull())
    assert browser.picture.pixmap().width() == EDGE // 8 * 8, "8 pixels, enlarged"
    browser.rows.scrollToBottom()
    until(qtbot, lambda: 99_999 in read)
    assert len(read) < 200
    assert max(read[:-100] or [0]) < 200, "what lies between was not looked at"


def test_a_file_that_is_no_picture_has_none_and_is_read_once(
    thumbnails: Thumbnails, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "x_A01_s1_w1.tif").write_bytes(b"no picture at all")
    (file,) = read_plate(tmp_path).files
    with qtbot.waitSignal(thumbnails.came, timeout=SOON):
        assert thumbnails.icon(file) is None
    icon = thumbnails.icon(file)
    assert icon is not None
    assert icon.isNull()


def test_names_that_no_parser_knows_are_read_by_a_pattern(
    window: ManagerWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    for number in (1, 2):
        tifffile.imwrite(tmp_path / f"embryo {number} day 3.tif", np.eye(8, dtype=np.uint8))
    browser = window.browser
    with qtbot.waitSignal(browser.failed, timeout=SOON) as told:
        browser.open_folder(tmp_path)
    assert told.args is not None
    assert "pattern" in str(told.args[1])
    window.findChild(QMessageBox).close()
    browser.pattern.setText("embryo {embryo:d} day {day:d}.tif")
    qtbot.keyClick(browser.pattern, Qt.Key.Key_Return)
    until(qtbot, lambda: browser.files.rowCount() == 2)
    assert browser.files.index(1, 0).data() == "2"


@pytest.mark.usefixtures("zarr_threads")
def test_an_ome_zarr_is_a_plate(window: ManagerWindow, tmp_path: Path, qtbot: QtBot) -> None:
    stack = np.arange(2 * 3 * 40 * 50, dtype=np.uint16).reshape(2, 3, 40, 50)
    fields = {("A", "1"): [stack], ("B", "2"): [stack]}
    ngff.write_plate(tmp_path / "plate.zarr", fields, "czyx", "0.5", channels=("DAPI", "GFP"))
    with serving() as server:
        until(qtbot, lambda: window.table.rowCount() == 1)
        window.browser.open_folder(tmp_path / "plate.zarr")
        until(qtbot, lambda: window.browser.files.rowCount() == 12)
        assert window.browser.grid.index(1, 1).data() == "6"
        window.browser.choose_wells("B2")
        window.browser.send_chosen()
        until(qtbot, lambda: shown(server) == 6)
        planes = [plane for layer in server.snapshot() for plane in layer.planes]
        assert {place["well"] for place, _ in planes} == {"B2"}


def test_what_one_name_says_depends_on_the_plate_and_not_on_what_is_sent_of_it(
    window: ManagerWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    """Two actions take the same channel: the one does not take the other's place."""
    for action in (1, 2):
        name = f"p_A01_T0001F001L01A0{action}Z01C01.tif"
        tifffile.imwrite(tmp_path / name, np.full((8, 8), action, np.uint16))
    with serving() as server:
        until(qtbot, lambda: window.table.rowCount() == 1)
        window.browser.open_folder(tmp_path)
        until(qtbot, lambda: window.browser.files.rowCount() == 2)
        for row in (0, 1):  # one at a time: by the button, and by the mouse
            (file,) = window.browser.files.at([row])
            window.table.files_dropped.emit(window.table.state(0), [file.path])
            until(qtbot, lambda: shown(server) == row + 1)  # noqa: B023 - called in this turn
        planes = [plane for layer in server.snapshot() for plane in layer.planes]
        assert sorted(int(place["action"]) for place, _ in planes) == [1, 2]


def test_dropped_files_whose_names_say_nothing_are_told(
    window: ManagerWindow, folder: Path, qtbot: QtBot
) -> None:
    (folder / "what is this.tif").write_bytes(b"")
    with serving() as server:
        until(qtbot, lambda: window.table.rowCount() == 1)
        window.table.files_dropped.emit(window.table.state(0), [folder])
        until(qtbot, lambda: shown(server) == 12)
        until(qtbot, lambda: "what is this.tif: its name does not say" in message(window))
