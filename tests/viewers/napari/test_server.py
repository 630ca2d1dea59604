"""The viewer's process: it starts, says when it is ready, and ends whichever way it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coverslip.transport import (
    Connection,
    Picture,
    Pong,
    Screenshot,
    list_connections,
    ping,
    request,
    stop,
    wait_ready,
)
from coverslip.transport.process import Launched, launch, new_launch_id

pytestmark = pytest.mark.gui

MODULE = "coverslip.viewers.napari"
START = 60.0
END = 20.0


class Viewer:
    """One napari process of this test."""

    def __init__(self, folder: Path, port: int) -> None:
        self.launch_id = new_launch_id()
        self.launched: Launched = launch(
            [sys.executable, "-m", MODULE, "--port", str(port), "--launch-id", self.launch_id],
            detached=True,
            log=folder / "viewer.log",
        )

    def wait(self, state: Any = "ready") -> Connection:
        return wait_ready(self.launched, self.launch_id, START, state=state)

    def ended(self) -> int | None:
        status = self.launched.wait(END)
        assert status is not None, self.launched.log_tail()
        return status


@pytest.fixture
def viewer(
    display: str,
    napari_settings: Path,
    runtime_folder: Path,
    tmp_path: Path,
    free_port: Callable[[], int],
) -> Iterator[Viewer]:
    """A napari process that is starting."""
    one = Viewer(tmp_path, free_port())
    yield one
    if one.launched.poll() is None:
        os.kill(one.launched.pid, signal.SIGKILL)
        one.launched.wait(END)


def test_it_is_reached_while_it_starts_then_ready_pictured_and_shut_down(viewer: Viewer) -> None:
    connection = viewer.wait(state=None)
    starting: Pong = ping(connection.endpoint, 5.0)
    assert (starting.kind, starting.pid) == ("napari", viewer.launched.pid)
    viewer.wait()
    assert ping(connection.endpoint, 5.0).state == "ready"
    picture = request(connection.endpoint, Screenshot(), Picture, timeout=30.0)
    assert picture.png.startswith(b"\x89PNG")
    stop(connection, timeout=END)
    assert viewer.ended() == 0
    assert list_connections() == []
    assert "Traceback" not in viewer.launched.log_tail(1000)
    assert "WARNING" not in viewer.launched.log_tail(1000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly_also_twice(viewer: Viewer, number: signal.Signals) -> None:
    viewer.wait()
    os.kill(viewer.launched.pid, number)
    os.kill(viewer.launched.pid, number)
    assert viewer.ended() == 0
    assert list_connections() == []


def test_it_can_be_stopped_while_it_starts(viewer: Viewer) -> None:
    viewer.wait(state=None)
    os.kill(viewer.launched.pid, signal.SIGTERM)
    assert viewer.ended() == 0
    assert list_connections() == []


def test_a_taken_port_is_one_line_that_names_the_holder(viewer: Viewer, tmp_path: Path) -> None:
    connection = viewer.wait(state=None)
    second = run("--port", str(connection.endpoint.port))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert str(viewer.launched.pid) in second.stderr


def test_without_a_display_it_says_so_in_one_line(runtime_folder: Path) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    answer = run(environment=environment)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "xvfb-run" in answer.stderr
    assert list_connections() == []


def test_without_napari_it_says_what_to_install(display: str, runtime_folder: Path) -> None:
    program = (
        "import sys; sys.modules['napari'] = None  # as if it were not installed\n"
        f"from {MODULE}.__main__ import main\n"
        "sys.exit(main([]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert 'pip install "coverslip-viewers[napari]"' in answer.stderr


def run(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a viewer that is to fail at once."""
    return subprocess.run(
        [sys.executable, "-m", MODULE, *arguments],
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
        env=environment,
    )


def test_it_ends_when_the_user_closes_the_window_and_outlives_errors_in_it(
    qt_application: Any, runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    from qtpy.QtCore import QTimer

    from coverslip.viewers.napari.server import NapariViewerServer

    server = NapariViewerServer(port=free_port(), title="mine")
    failed: list[str | None] = []

    def fail() -> None:
        raise RuntimeError("a plugin's slot")

    def close() -> None:
        failed.append(server.last_error)
        server._shown._main.close()

    def when_ready() -> None:
        if server.state != "ready":
            QTimer.singleShot(20, when_ready)
            return
        QTimer.singleShot(10, fail)
        QTimer.singleShot(100, close)

    QTimer.singleShot(0, when_ready)
    server.run()
    assert failed == ["RuntimeError: a plugin's slot"]
    assert list_connections() == []
    with pytest.raises(RuntimeError, match="the window is closed"):
        server.take_screenshot()
