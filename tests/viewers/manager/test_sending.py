"""Files on their way from the manager to viewers that are slow, start, or meet a fault of ours."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PyQt6")

import tifffile
from pytestqt.qtbot import QtBot

from coverslip.transport import Delivery, Endpoint, Pong, RequestTimeout, ping, request
from coverslip.viewers import ViewerGone, settle
from coverslip.viewers.manager import sending
from coverslip.viewers.manager.plate import read_plate
from coverslip.viewers.manager.sending import Sender, describe
from coverslip.viewers.messages import DescribeLayers, Layers
from coverslip.viewers.plates.contents import Entry
from coverslip.viewers.plates.stored import StoredImage
from coverslip.viewers.roster import Roster, ViewerState
from tests.viewers.headless import HeadlessVisualizer, serving
from tests.viewers.manager.looking import SOON, until
from tests.waiting import eventually

pytestmark = pytest.mark.gui

SITES = 8


@pytest.fixture
def files(tmp_path: Path) -> tuple[Entry, ...]:
    """Some files of one well."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for site in range(1, SITES + 1):
        name = f"scan_A01_s{site}_w1.tif"
        tifffile.imwrite(folder / name, np.full((8, 8), site, np.uint16))
    return read_plate(folder).files


@pytest.fixture
def sender(application: object, runtime_folder: Path) -> Iterator[Sender]:
    """A sender to this test's viewers."""
    sender = Sender()
    yield sender
    sender.close(SOON / 1000)


def the_viewer() -> ViewerState:
    with closing(Roster()) as roster:
        (state,) = roster.look()
    return state


def test_a_fault_of_ours_is_told_and_what_is_sent_later_is_shown(
    sender: Sender,
    files: tuple[Entry, ...],
    qtbot: QtBot,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def faulty() -> Iterator[StoredImage]:
        raise ZeroDivisionError("a fault of ours")

    with serving():
        state = the_viewer()
        with qtbot.waitSignal(sender.failed, timeout=SOON) as told:
            sender.send(state, [Entry(Path("x.tif"), {}, faulty)])
        assert told.args is not None
        assert isinstance(told.args[1], ZeroDivisionError)
        assert any(record.exc_info for record in caplog.records)
        with qtbot.waitSignal(sender.settled, timeout=SOON) as settled:
            sender.send(state, files)
        assert settled.args is not None
        assert settled.args[1].shown == SITES


def test_files_are_shown_as_is_configured(
    sender: Sender, files: tuple[Entry, ...], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_STREAMING_KEEP", "3")
    with serving():
        state = the_viewer()
        with qtbot.waitSignal(sender.settled, timeout=SOON):
            sender.send(state, files)
        reply = request(state.endpoint, DescribeLayers(), Layers, timeout=20.0)
        assert [len(layer.planes) for layer in reply.layers] == [3]


def test_a_viewer_that_does_not_answer_while_it_starts_is_waited_for(
    sender: Sender, files: tuple[Entry, ...], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    silences: list[RequestTimeout] = []

    def listening(endpoint: Endpoint, timeout: float) -> Pong:
        try:
            return ping(endpoint, timeout)
        except RequestTimeout as error:
            silences.append(error)
            raise

    monkeypatch.setattr(sending, "ping", listening)
    visualizer = HeadlessVisualizer(persistent=False)
    visualizer.start_viewer()
    state, pid = the_viewer(), visualizer.connection.pid
    os.kill(pid, signal.SIGSTOP)  # as one that holds Python's lock while it imports
    try:
        with qtbot.waitSignal(sender.settled, timeout=SOON) as settled:
            sender.send(state, files)
            until(qtbot, lambda: len(silences) > 0)
            os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)
        visualizer.stop_viewer()
    assert settled.args is not None
    assert settled.args[1].shown == SITES


def test_a_slow_viewer_is_waited_for_as_long_as_it_gets_on(
    sender: Sender, files: tuple[Entry, ...], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "STANDSTILL", 2.5)
    with serving(slow=0.5):  # all of them take longer than a standstill may
        with qtbot.waitSignal(sender.settled, timeout=SOON) as settled:
            sender.send(the_viewer(), files)
        assert settled.args is not None
        assert settled.args[1].shown == SITES


def test_a_viewer_that_has_ended_is_sent_nothing_more(
    sender: Sender, files: tuple[Entry, ...], qtbot: QtBot
) -> None:
    visualizer = HeadlessVisualizer(persistent=False)
    visualizer.start_viewer()
    read: list[Entry] = []
    slow_disk = threading.Event()

    def until_shown(planes: int) -> None:
        with closing(Roster()) as roster:
            eventually(lambda: roster.look()[0].shown == planes, "the first file is shown")

    def after(file: Entry) -> Entry:
        def images() -> Iterator[StoredImage]:
            read.append(file)
            if len(read) == 2:
                until_shown(1)
                visualizer.stop_viewer()
            if len(read) > 2:
                slow_disk.wait(0.02)
            return file.images()

        return Entry(file.path, file.components, images)

    with qtbot.waitSignal(sender.failed, timeout=SOON) as told:
        sender.send(the_viewer(), [after(file) for file in files * 100])
    assert told.args is not None
    assert isinstance(told.args[1], ViewerGone)
    assert "files not sent: " in str(told.args[1])
    assert len(read) < 100 * SITES


def test_one_file_is_not_many() -> None:
    delivery = Delivery(sent=3, shown=2, dropped=1, failed=0)
    assert describe(delivery, {"a.tif": "a.tif: not a TIFF"}) == (
        "2 of 3 planes shown, 1 not; 1 file could not be read: a.tif: not a TIFF"
    )
    assert "2 files could not be read, such as x" in describe(delivery, {"a": "x", "b": "y"})
