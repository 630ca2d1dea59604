"""A viewer's process: found, shared, outliving or dying with its starter, ended in every way."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from coverslip.transport import (
    Picture,
    Pong,
    Screenshot,
    is_alive,
    list_connections,
    ping,
    request,
    stop,
)
from coverslip.viewers import StreamVisualizer, View
from tests.viewers.contract.process import END, ViewerProcess, run_viewer_process
from tests.viewers.contract.subject import START, Subject
from tests.waiting import DEADLINE, eventually

pytestmark = pytest.mark.gui

posix = pytest.mark.skipif(sys.platform == "win32", reason="ended by signals")


def test_it_is_reached_while_it_starts_then_ready_pictured_and_shut_down(
    subject: Subject, process: ViewerProcess
) -> None:
    connection = process.wait(state=None)
    starting: Pong = ping(connection.endpoint, 5.0)
    assert (starting.kind, starting.pid) == (subject.kind, process.launched.pid)
    process.wait()
    assert ping(connection.endpoint, 5.0).state == "ready"
    picture = request(connection.endpoint, Screenshot(), Picture, timeout=30.0)
    assert picture.png.startswith(b"\x89PNG")
    stop(connection, timeout=END)
    assert process.ended() == 0
    assert list_connections() == []
    log = process.launched.log_tail(1000)
    assert "Traceback" not in log
    assert "WARNING" not in log


@posix
@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM, signal.SIGINT)],
    ids=["terminate", "interrupt"],
)
def test_signals_end_it_cleanly_however_often(
    process: ViewerProcess, numbers: tuple[signal.Signals, ...]
) -> None:
    process.wait()
    process.signal(*numbers)
    assert process.ended() == 0
    assert list_connections() == []


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_it_starts(process: ViewerProcess, number: signal.Signals) -> None:
    process.wait(state=None)
    process.signal(number)
    assert process.ended() == 0
    assert list_connections() == []
    assert "Traceback" not in process.launched.log_tail(1000)


def test_a_taken_port_is_one_line_that_names_the_holder(
    subject: Subject, running: StreamVisualizer
) -> None:
    second = run_viewer_process(subject.visualizer.module, "--port", str(running.port))
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert line.startswith(f"coverslip {subject.kind} viewer: ")
    assert str(running.connection.pid) in line


@pytest.mark.needs("window")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_it_says_so_in_one_line(
    subject: Subject, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    answer = run_viewer_process(subject.visualizer.module)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert "xvfb-run" in line
    assert list_connections() == []


STARTER = """
import sys
import numpy
from coverslip.viewers import View
from {module} import {name}

visualizer = {name}(port={port}, persistent={persistent})
visualizer.start_viewer(timeout={timeout})
view = View(visualizer)
view.show(numpy.eye(32), well="A01")
assert view.flush(60).shown == 1
print("shown", flush=True)
sys.stdin.read()
"""


@posix
@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "not persistent"])
def test_its_starter_is_killed(
    subject: Subject, runtime_folder: Path, free_port: Callable[[], int], persistent: bool
) -> None:
    """A persistent one stays, with what it shows; another ends, and leaves nothing."""
    port, starts = free_port(), subject.visualizer
    code = STARTER.format(
        module=starts.__module__,
        name=starts.__qualname__,
        port=port,
        persistent=persistent,
        timeout=START,
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "shown\n"
        visualizer = starts(port=port)
        assert visualizer.find_viewer()
        identity = visualizer.connection.identity
        starter.kill()
        starter.wait(DEADLINE)
    if persistent:
        try:
            with View(visualizer) as view:
                (layer,) = view.layers()
            assert len(layer.planes) == 1
        finally:
            visualizer.stop_viewer()
    eventually(lambda: not is_alive(identity), "the viewer's process ended", END)
    assert list_connections() == []


def test_two_that_start_one_at_once_share_it(
    subject: Subject, runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    class Elsewhere(subject.visualizer):  # type: ignore[name-defined,misc]  # a class at run time
        """Without a port of its own, and not where a user's viewers are."""

        default_port = free_port()

    first, second = (Elsewhere(persistent=False) for _ in range(2))
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: one.start_viewer(timeout=START), (first, second)))
        assert first.port == second.port
        assert len(list_connections(subject.kind)) == 1
        assert first.is_running
        assert second.is_running
    finally:
        first.stop_viewer()
        second.stop_viewer()


@pytest.mark.needs("window")
def test_its_window_bears_its_title_and_port(subject: Subject, running: StreamVisualizer) -> None:
    assert ping(running.endpoint, DEADLINE).title == running.connection.title == "under test"
    with View(running) as view:
        title = subject.hands(view).title()
    assert "under test" in title
    assert str(running.port) in title


@pytest.mark.needs("window")
def test_quit_by_the_user_it_ends_cleanly(subject: Subject, own: StreamVisualizer) -> None:
    connection = own.connection
    view = View(own)
    hands = subject.hands(view)
    for number in range(3):
        view.show(np.full((64, 64), number, np.uint16), z_index=number)
    assert view.flush(DEADLINE).shown == 3
    hands.quit()
    eventually(lambda: not is_alive(connection.identity), "the process ended", END)
    assert list_connections() == []
    assert connection.log is not None
    assert "Traceback" not in Path(os.fspath(connection.log)).read_text(errors="replace")
    view.close(0.0)


@pytest.mark.needs("window")
def test_a_stop_asks_nobody_whether_to_save(
    subject: Subject, own: StreamVisualizer, caplog: pytest.LogCaptureFixture
) -> None:
    identity = own.connection.identity
    view = View(own)
    hands = subject.hands(view)
    view.show(np.eye(64, dtype=np.uint16), z_index=1)
    assert view.flush(DEADLINE).shown == 1
    hands.leave_work_unsaved()
    with caplog.at_level(logging.WARNING, "coverslip.transport"):
        view.stop(END)
    assert not is_alive(identity)
    # It had to be told once: neither terminated nor killed.
    assert [record.message for record in caplog.records] == []
