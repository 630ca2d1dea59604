"""The manager's window, against real servers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PyQt6")

from PyQt6 import sip
from PyQt6.QtCore import QItemSelectionModel, QMimeData, QModelIndex, QSettings, Qt, QUrl
from PyQt6.QtGui import QAction, QColor, QIcon, QTextDocument
from PyQt6.QtTest import QAbstractItemModelTester
from PyQt6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from coverslip.transport import list_connections, stop
from coverslip.viewers import View
from coverslip.viewers.manager import deeds
from coverslip.viewers.manager import window as manager_window
from coverslip.viewers.manager.launching import LaunchDialog
from coverslip.viewers.manager.log import LogView
from coverslip.viewers.manager.table import Column, ViewerTable
from coverslip.viewers.manager.window import ManagerWindow
from coverslip.viewers.relay.server import RelayServer
from coverslip.viewers.roster import Health, ViewerState
from tests.viewers.headless import PNG, HeadlessServer, HeadlessVisualizer, serving
from tests.viewers.manager.looking import SOON, message, until

pytestmark = pytest.mark.gui

PLANE = np.arange(64, dtype=np.uint16).reshape(8, 8)


@pytest.fixture
def server(runtime_folder: Path) -> Iterator[HeadlessServer]:
    """A viewer of this user's."""
    with serving(title="plate 3") as server:
        yield server


@pytest.fixture
def process(
    window: ManagerWindow, runtime_folder: Path, qtbot: QtBot
) -> Iterator[HeadlessVisualizer]:
    """A viewer in a process of its own, which the window shows."""
    visualizer = HeadlessVisualizer(persistent=False)
    visualizer.start_viewer()
    until(qtbot, lambda: window.table.rowCount() == 1)
    yield visualizer
    visualizer.stop_viewer()


def text(window: ManagerWindow, row: int, column: Column) -> str:
    return str(window.table.index(row, column).data())


def select(window: ManagerWindow, *rows: int) -> None:
    model = window.rows.selectionModel()
    assert model is not None
    for row in rows:
        flags = QItemSelectionModel.SelectionFlag
        model.select(window.table.index(row, 0), flags.Select | flags.Rows)


def answer(qtbot: QtBot, window: ManagerWindow, button: QMessageBox.StandardButton) -> str:
    """Press a button of the question that is asked; return the question."""
    until(qtbot, lambda: bool(window.findChildren(QMessageBox)))
    (box,) = window.findChildren(QMessageBox)
    asked = box.text()
    pressed = box.button(button)
    assert pressed is not None
    qtbot.mouseClick(pressed, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: not window.findChildren(QMessageBox))
    return asked


def test_a_viewer_is_a_row_with_its_counts(
    window: ManagerWindow, server: HeadlessServer, qtbot: QtBot
) -> None:
    view = View(HeadlessVisualizer(port=server.connection.endpoint.port))
    for z in range(3):
        view.show(PLANE, z_index=z)
    assert view.flush().shown == 3
    until(qtbot, lambda: window.table.rowCount() == 1 and text(window, 0, Column.SHOWN) == "3")
    assert text(window, 0, Column.STATE) == "ready"
    dot = window.table.index(0, Column.STATE).data(Qt.ItemDataRole.DecorationRole)
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        assert dot.pixmap(16, mode).toImage().pixelColor(8, 8) == QColor("#2e9d50"), mode
    assert text(window, 0, Column.TITLE) == "plate 3"
    spoken = window.table.index(0, Column.SHOWN).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Shown: 3"
    view.close()


def test_an_empty_window_says_how_to_begin_and_offers_only_that(window: ManagerWindow) -> None:
    enabled = {action.text(): action.isEnabled() for action in window.findChildren(QAction)}
    assert enabled["&Launch…"]
    assert not enabled["&Quit viewer"]


def test_the_last_error_has_room_in_a_window_of_the_usual_size(
    window: ManagerWindow, server: HeadlessServer, qtbot: QtBot
) -> None:
    server.report_failure("the relay: nobody listens")
    until(qtbot, lambda: window.table.rowCount() == 1 and bool(text(window, 0, Column.ERROR)))
    error = window.rows.visualRect(window.table.index(0, Column.ERROR))
    viewport = window.rows.viewport()
    assert viewport is not None
    assert viewport.rect().contains(error)
    needed = window.rows.fontMetrics().horizontalAdvance("the relay: nobody listens")
    assert error.width() > needed


def test_quit_asks_first_and_the_row_goes_with_the_viewer(
    window: ManagerWindow, process: HeadlessVisualizer, qtbot: QtBot
) -> None:
    select(window, 0)
    window.quit_selected()
    assert "Quit" in answer(qtbot, window, QMessageBox.StandardButton.Cancel)
    assert process.is_running
    window.quit_selected()
    answer(qtbot, window, QMessageBox.StandardButton.Yes)
    until(qtbot, lambda: window.table.rowCount() == 0)
    until(qtbot, lambda: "has ended: it was ready" in message(window))


def test_one_that_does_not_end_may_be_killed(
    window: ManagerWindow, process: HeadlessVisualizer, qtbot: QtBot
) -> None:
    pid = process.connection.pid
    os.kill(pid, signal.SIGSTOP)
    until(qtbot, lambda: "not answering" in text(window, 0, Column.STATE))
    window.quit(window.table.state(0))
    assert f"Kill process {pid}?" in answer(qtbot, window, QMessageBox.StandardButton.Yes)
    until(qtbot, lambda: window.table.rowCount() == 0)


def test_a_remote_one_that_does_not_answer_is_taken_off_the_list(
    window: ManagerWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    visualizer = HeadlessVisualizer(persistent=False)
    with monkeypatch.context() as there:
        there.setenv("COVERSLIP_RUNTIME_DIR", str(elsewhere))
        visualizer.start_viewer()
        connection = visualizer.connection
    os.kill(connection.pid, signal.SIGSTOP)
    try:
        window.add_remote(connection.endpoint.to_url())
        until(
            qtbot,
            lambda: (
                [state.connection for state in window.table.states()] == [None]
                and "not answering" in text(window, 0, Column.STATE)
            ),
        )
        window.quit(window.table.state(0))
        asked = answer(qtbot, window, QMessageBox.StandardButton.Yes)
        assert "Take it off the list?" in asked
        until(qtbot, lambda: window.table.rowCount() == 0)
    finally:
        os.kill(connection.pid, signal.SIGCONT)
        stop(connection)


def test_a_guest_that_does_not_end_is_never_offered_to_be_killed(
    window: ManagerWindow, qtbot: QtBot, free_port: Callable[[], int]
) -> None:
    with HeadlessServer(port=free_port(), guest=True) as deaf:
        deaf.bind()
        until(qtbot, lambda: window.table.rowCount() == 1)
        window.quit(window.table.state(0))
        assert "is still there" in answer(qtbot, window, QMessageBox.StandardButton.Ok)


def test_a_screenshot_is_written_and_one_that_cannot_be_is_told(
    window: ManagerWindow, server: HeadlessServer, qtbot: QtBot, tmp_path: Path
) -> None:
    until(qtbot, lambda: window.table.rowCount() == 1)
    target = tmp_path / "shot.png"
    window.save_screenshot(window.table.state(0), target)
    until(qtbot, lambda: target.exists() and target.read_bytes() == PNG)
    window.save_screenshot(window.table.state(0), tmp_path / "no folder" / "shot.png")
    assert "No screenshot" in answer(qtbot, window, QMessageBox.StandardButton.Ok)


def test_clear_empties_the_selected_viewers(
    window: ManagerWindow, server: HeadlessServer, qtbot: QtBot
) -> None:
    view = View(HeadlessVisualizer(port=server.connection.endpoint.port))
    view.show(PLANE)
    assert view.flush().shown == 1
    assert len(view.layers()) == 1
    until(qtbot, lambda: window.table.rowCount() == 1)
    select(window, 0)
    window.clear_selected()
    answer(qtbot, window, QMessageBox.StandardButton.Yes)
    until(qtbot, lambda: not view.layers())
    view.close()


def test_a_line_that_is_none_is_told(window: ManagerWindow, qtbot: QtBot) -> None:
    window.add_remote("coverslip://nonsense")
    assert "no line" in answer(qtbot, window, QMessageBox.StandardButton.Ok)


def test_the_memory_asked_for_is_the_viewers_and_shown_beside_what_it_holds(
    window: ManagerWindow, runtime_folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deeds, "visualizer_class", lambda kind: HeadlessVisualizer)
    dialog = LaunchDialog(["headless"], window)
    dialog.memory.setText("2 GB")
    window.launch(dialog.wanted())
    until(qtbot, lambda: window.table.rowCount() == 1)
    until(qtbot, lambda: text(window, 0, Column.MEMORY).endswith(" of 2 GB"))
    until(qtbot, lambda: "headless is ready" in message(window))
    for connection in list_connections():
        stop(connection)


def test_a_relay_is_listed_and_ended_here_and_neither_launched_nor_shown(
    window: ManagerWindow, runtime_folder: Path, free_port: Callable[[], int], qtbot: QtBot
) -> None:
    window.ask_for_launch()
    (dialog,) = window.findChildren(LaunchDialog)
    kinds = [dialog.kind.itemText(number) for number in range(dialog.kind.count())]
    dialog.reject()
    assert {"fiji", "napari"} <= set(kinds)
    assert "relay" not in kinds
    relay = RelayServer(port=free_port(), memory=1 << 20)
    relay.start()
    try:
        until(qtbot, lambda: window.table.rowCount() == 1)
        select(window, 0)
        enabled = {action.text(): action.isEnabled() for action in window.findChildren(QAction)}
        assert not enabled["&Show"]
        assert not enabled["S&creenshot…"]
        assert enabled["&Quit viewer"]
        window.rows.doubleClicked.emit(window.table.index(0, 0))
        assert message(window) == ""
    finally:
        relay.close()


def test_what_is_launched_is_napari_unless_another_is_chosen(
    window: ManagerWindow, qtbot: QtBot
) -> None:
    dialog = LaunchDialog(["fiji", "napari"], window)
    qtbot.addWidget(dialog)
    dialog.open()
    qtbot.keyClicks(dialog.title, "plate 3")
    with qtbot.waitSignal(dialog.accepted, timeout=SOON):
        qtbot.keyClick(dialog.title, Qt.Key.Key_Return)
    assert dialog.wanted() == ("napari", "plate 3", None, True, None)


def test_a_launch_under_way_does_not_hold_the_window_open(
    window: ManagerWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_window, "_PATIENCE", 0.1)
    begun, go_on = threading.Event(), threading.Event()

    def launch() -> bool:
        begun.set()
        return go_on.wait(SOON / 1000)

    window._jobs.run(launch, print, print)
    assert begun.wait(SOON / 1000)
    threads = [thread for thread in threading.enumerate() if thread.name == "coverslip-job"]
    window.close()
    assert not window.isVisible()
    assert [thread.is_alive() for thread in threads] == [True]
    go_on.set()


def test_geometry_is_remembered(
    application: object, qtbot: QtBot, runtime_folder: Path, tmp_path: Path
) -> None:
    file = str(tmp_path / "m.ini")
    first = ManagerWindow(QSettings(file, QSettings.Format.IniFormat))
    qtbot.addWidget(first)
    first.show()
    first.resize(901, 333)
    first.rows.setColumnWidth(Column.TITLE, 277)
    first.close()
    second = ManagerWindow(QSettings(file, QSettings.Format.IniFormat))
    qtbot.addWidget(second)
    assert (second.width(), second.height()) == (901, 333)
    assert second.rows.columnWidth(Column.TITLE) == 277
    second.close()


def make_state(number: int, **fields: object) -> ViewerState:
    with_key = {"key": f"viewer-{number}", "port": 5555 + number, **fields}
    return ViewerState(
        **{  # type: ignore[arg-type]  # fields are given by name and of mixed types
            "endpoint": None,
            "connection": None,
            "kind": "napari",
            "title": "",
            "host": "127.0.0.1",
            "health": Health.READY,
            **with_key,
        }
    )


def test_a_hundred_viewers_change_only_where_something_changed(
    application: object, qtbot: QtBot
) -> None:
    table = ViewerTable()
    tester = QAbstractItemModelTester(table, QAbstractItemModelTester.FailureReportingMode.Fatal)
    states = [make_state(number) for number in range(100)]
    table.update(states)
    changed: list[int] = []
    table.dataChanged.connect(lambda top, _: changed.append(top.row()))
    states[40] = states[40]._replace(shown=7)
    table.update(states)
    assert changed == [40]
    table.update([*states[:10], *states[50:], make_state(200)])
    assert table.rowCount() == 61
    assert [state.key for state in table.states()][9:11] == ["viewer-9", "viewer-50"]
    assert table.states()[-1].key == "viewer-200"
    del tester


def test_an_error_that_looks_like_markup_is_read_whole(application: object) -> None:
    table = ViewerTable()
    table.update([make_state(1, last_error="no place for <class 'dict'>\nhere")])
    said = table.index(0, Column.ERROR).data(Qt.ItemDataRole.ToolTipRole)
    document = QTextDocument()
    document.setHtml(said)
    assert document.toPlainText() == "no place for <class 'dict'>\nhere"


def test_files_dropped_on_a_row_go_to_that_viewer(application: object) -> None:
    table = ViewerTable()
    table.update([make_state(1), make_state(2)])
    dropped: list[tuple[str, list[Path]]] = []
    table.files_dropped.connect(lambda state, paths: dropped.append((state.key, paths)))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/plate/a.tif"), QUrl.fromLocalFile("/plate/b.tif")])
    copy = Qt.DropAction.CopyAction
    assert table.dropMimeData(data, copy, -1, -1, table.index(1, 0))
    assert not table.dropMimeData(data, copy, -1, -1, QModelIndex())
    assert not table.dropMimeData(QMimeData(), copy, -1, -1, table.index(0, 0))
    assert dropped == [("viewer-2", [Path("/plate/a.tif"), Path("/plate/b.tif")])]


def test_a_log_is_followed_line_by_line(application: object, qtbot: QtBot, tmp_path: Path) -> None:
    log = tmp_path / "viewer.log"
    log.write_text("one\ntw")
    view = LogView(log, "napari on port 5555")
    qtbot.addWidget(view)
    assert view.toPlainText() == "one"
    with log.open("a") as file:
        file.write("o\nthree\n")
    until(qtbot, lambda: view.toPlainText() == "one\ntwo\nthree")
    log.write_text("anew\n")
    until(qtbot, lambda: view.toPlainText() == "anew")
    view.close()


def test_a_line_that_is_longer_than_is_read_at_once_does_not_end_a_log(
    application: object, qtbot: QtBot, tmp_path: Path
) -> None:
    log = tmp_path / "viewer.log"
    log.write_text("one\n")
    view = LogView(log, "napari on port 5555")
    qtbot.addWidget(view)
    with log.open("a") as file:
        file.write("x" * 600_000 + "\nlast\n")
    until(qtbot, lambda: view.toPlainText().endswith("\nlast"))
    assert view.toPlainText().count("x") == 600_000
    view.close()


def test_a_closed_log_is_freed_and_opens_anew(
    window: ManagerWindow, process: HeadlessVisualizer, qtbot: QtBot
) -> None:
    select(window, 0)
    for _ in range(2):
        window.open_logs()
        (log,) = window._logs.values()
        assert log.isVisible()
        log.close()
        until(qtbot, lambda: not window._logs)
        assert sip.isdeleted(log)
