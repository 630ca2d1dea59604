"""Which ImageJ the viewer's process says it has, and what it says of one that is none.

How it starts and ends is every viewer's: `tests/viewers/contract/test_process.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from coverslip.transport import RequestRefused, find, list_connections, ping, request, stop
from coverslip.viewers import connect
from coverslip.viewers.messages import MacroResult, RunMacro
from tests.commands import run
from tests.viewers.contract.process import END, ViewerProcess, run_viewer_process
from tests.waiting import DEADLINE

pytestmark = pytest.mark.gui

MODULE = "coverslip.viewers.fiji"


@pytest.fixture
def process(
    imagej: None, runtime_folder: Path, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[ViewerProcess]:
    """An ImageJ process that is starting."""
    one = ViewerProcess(MODULE, tmp_path, free_port())
    yield one
    one.end()


def test_it_says_which_imagej_it_is_and_runs_no_macros_unless_allowed(
    process: ViewerProcess,
) -> None:
    connection = process.wait()
    pong = ping(connection.endpoint, 5.0)
    assert pong.versions["imagej"].startswith("1.54")
    assert pong.versions["java"]
    assert any("net.imagej:ij:1.54p through scyjava" in one for one in pong.capabilities)
    assert "macros" not in pong.capabilities
    with pytest.raises(RequestRefused, match="--allow-macros"):
        request(connection.endpoint, RunMacro(text="1"), MacroResult, timeout=5.0)
    stop(connection, timeout=END)
    assert process.ended() == 0
    log = process.launched.log_tail(1000)
    assert "net.imagej:ij:1.54p through scyjava (asked for by --fiji or COVERSLIP_FIJI)" in log


def test_no_more_windows_than_asked_for_and_one_that_is_closed_makes_room(
    imagej: None, runtime_folder: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    arguments = ("--max-layers", "2", "--allow-macros")
    process = ViewerProcess(MODULE, tmp_path, free_port(), *arguments)
    try:
        connection = process.wait()
        with connect(connection=connection.endpoint) as view:
            for well in ("A1", "A2", "A3"):
                view.show(np.zeros((8, 8), np.uint8), well=well)
            delivery = view.flush(DEADLINE)
            assert (delivery.shown, delivery.failed) == (2, 1)
            (reason,) = view.statistics().reasons
            assert 'give well the mode "stack"' in reason
            assert "--max-layers" in reason
            view.run_macro("close();", timeout=DEADLINE)
            view.show(np.zeros((8, 8), np.uint8), well="A3")
            delivery = view.flush(DEADLINE)
            assert (delivery.shown, delivery.failed) == (3, 1)
            assert [layer.name for layer in view.layers()] == ["Well_A1", "Well_A3"]
        stop(connection, timeout=END)
        assert process.ended() == 0
    finally:
        process.end()


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
    assert reason in line_of_refusal(asked, tmp_path)


def test_a_folder_that_only_looks_like_a_fiji_fails_with_words(
    imagej: None, runtime_folder: Path, tmp_path: Path
) -> None:
    jars = tmp_path / "Fiji.app" / "jars"
    jars.mkdir(parents=True)
    for name in ("imagej-2.17.0.jar", "imagej-legacy-2.0.2.jar"):
        (jars / name).write_bytes(b"no jar")
    line = line_of_refusal(str(tmp_path / "Fiji.app"), tmp_path)
    assert "Fiji.app through PyImageJ" in line


def test_launch_starts_one_that_runs_macros(
    imagej: None, runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    coverslip = (sys.executable, "-m", "coverslip.viewers")
    run(*coverslip, "launch", "--viewer", "fiji", "--allow-macros", "--port", str(port))
    connection = find(None, port)
    try:
        ran = request(connection.endpoint, RunMacro(text="return 'ran'"), MacroResult, timeout=END)
        assert ran.text == "ran"
    finally:
        stop(connection, timeout=END)


def line_of_refusal(asked: str, folder: Path) -> str:
    """Return the one line with which a viewer ends that was given a wrong ImageJ."""
    answer = run_viewer_process(MODULE, "--fiji", asked, folder=folder)
    assert answer.returncode == 1
    assert list_connections() == []
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("coverslip fiji")]
    return line
