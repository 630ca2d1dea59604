"""The viewer's process: it starts, says which ImageJ it has, and ends whichever way it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from coverslip.transport import RequestRefused, list_connections, ping, request, stop
from coverslip.viewers import FijiStreamVisualizer, View
from coverslip.viewers.messages import MacroResult, RunMacro
from tests.viewers.fiji.viewer import END, MODULE, START, Viewer

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer(
    imagej: None, runtime_folder: Path, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Viewer]:
    """An ImageJ process that is starting."""
    one = Viewer(tmp_path, free_port())
    yield one
    one.kill()


def test_it_is_reached_while_it_starts_says_which_imagej_it_is_and_is_shut_down(
    viewer: Viewer,
) -> None:
    connection = viewer.wait(state=None)
    starting = ping(connection.endpoint, 5.0)
    assert (starting.kind, starting.pid) == ("fiji", viewer.launched.pid)
    viewer.wait()
    pong = ping(connection.endpoint, 5.0)
    assert pong.versions["imagej"].startswith("1.54")
    assert pong.versions["java"]
    assert any("net.imagej:ij:1.54p through scyjava" in one for one in pong.capabilities)
    assert "macros" not in pong.capabilities
    with pytest.raises(RequestRefused, match="--allow-macros"):
        request(connection.endpoint, RunMacro(text="1"), MacroResult, timeout=5.0)
    stop(connection, timeout=END)
    assert viewer.ended() == 0
    assert list_connections() == []
    log = viewer.launched.log_tail(1000)
    assert "net.imagej:ij:1.54p through scyjava (asked for by COVERSLIP_FIJI)" in log
    assert "Traceback" not in log
    assert "WARNING" not in log


def test_signals_end_it_cleanly_also_twice(viewer: Viewer) -> None:
    viewer.wait()
    os.kill(viewer.launched.pid, signal.SIGTERM)
    os.kill(viewer.launched.pid, signal.SIGINT)
    assert viewer.ended() == 0
    assert list_connections() == []


def test_it_can_be_stopped_while_it_starts(viewer: Viewer) -> None:
    viewer.wait(state=None)
    os.kill(viewer.launched.pid, signal.SIGTERM)
    assert viewer.ended() == 0
    assert list_connections() == []


@pytest.mark.parametrize("way", ["quit", "stop"])
def test_quitting_imagej_ends_it_and_stopping_asks_nobody_to_save(
    imagej: None, runtime_folder: Path, free_port: Callable[[], int], way: str
) -> None:
    visualizer = FijiStreamVisualizer(persistent=False, fiji_port=free_port(), allow_macros=True)
    visualizer.start_viewer(timeout=START)
    view = View(visualizer)
    asked = threading.Thread(target=_quietly, args=(view, "run('Quit')"))
    try:
        for z in range(3):
            view.show(np.full((64, 64), z, np.uint16), z_index=z)
        assert view.flush(END).shown == 3
        if way == "quit":
            asked.start()  # beside, since ImageJ ends under the macro
        else:
            # Changed, and so a reason to ask.
            view.run_macro("run('Add...', 'value=5'); newImage('own', '8-bit noise', 9, 9, 1)")
            visualizer.stop_viewer(END)
        deadline = time.monotonic() + END
        pause = threading.Event()
        while visualizer.is_running:
            assert time.monotonic() < deadline
            pause.wait(0.05)
    finally:
        view.close(0.0)
        visualizer.stop_viewer()
        if way == "quit":
            asked.join(END)
    assert list_connections() == []


def _quietly(view: View, macro: str) -> None:
    try:
        view.run_macro(macro, timeout=5.0)
    except Exception as error:  # noqa: BLE001
        print(error)  # it went before it could answer


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("/nowhere/Fiji.app", "is not there; give a Fiji folder or an endpoint"),
        (".", "neither jars"),
    ],
)
def test_a_wrong_fiji_is_one_line(
    imagej: None, runtime_folder: Path, tmp_path: Path, asked: str, reason: str
) -> None:
    answer = run("--fiji", asked, folder=tmp_path)
    assert answer.returncode == 1
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("coverslip fiji")]
    assert reason in line
    assert list_connections() == []


def test_a_folder_that_only_looks_like_a_fiji_fails_with_words(
    imagej: None, runtime_folder: Path, tmp_path: Path
) -> None:
    jars = tmp_path / "Fiji.app" / "jars"
    jars.mkdir(parents=True)
    for name in ("imagej-2.17.0.jar", "imagej-legacy-2.0.2.jar"):
        (jars / name).write_bytes(b"no jar")
    answer = run("--fiji", str(tmp_path / "Fiji.app"), folder=tmp_path)
    assert answer.returncode == 1
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("coverslip fiji")]
    assert "Fiji.app through PyImageJ" in line
    assert list_connections() == []


def test_without_a_display_it_says_so_in_one_line(
    imagej: None, runtime_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    answer = run(folder=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "xvfb-run" in answer.stderr


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a viewer that is to fail at once."""
    return subprocess.run(
        [sys.executable, "-m", MODULE, *arguments],
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
        cwd=folder,
    )
