"""A napari of the user's that listens: reached as any other, its own layers untouched, never ended.

It is a process of its own, `open_napari.py`, since what is held here is that process's fate.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from coverslip.transport import list_connections
from coverslip.viewers import connect
from coverslip.viewers.cli.app import app
from coverslip.viewers.contrast import limits_of
from tests.waiting import eventually

pytestmark = pytest.mark.gui

ROOT = Path(__file__).parents[3]
START = 120.0
MINE = np.arange(5 * 32 * 40, dtype=np.uint16).reshape(5, 32, 40)


class OpenNapari:
    """The user's napari, and what its user does."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def do(self, *words: str) -> Any:
        """Do one thing and return what came of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n".join(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def listen(self) -> int:
        """Choose the menu's entry, and return the port."""
        self.do("listen")
        return self.port()

    def port(self) -> int:
        (connection,) = list_connections("napari")
        assert connection.pid == self.process.pid
        return connection.endpoint.port


@pytest.fixture
def open_napari(
    display: str, napari_settings: Path, runtime_folder: Path, tmp_path: Path
) -> Iterator[OpenNapari]:
    """A napari that was opened without coverslip."""
    log = (tmp_path / "napari.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.viewers.napari.open_napari"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        cwd=ROOT,
    )
    with log, process:
        yield OpenNapari(process)
        process.kill()
        log.seek(0)
        print(log.read())


def test_it_becomes_the_viewer_and_stays_its_users(open_napari: OpenNapari) -> None:
    before = open_napari.do("look")
    assert before["layers"] == ["mine"]
    port = open_napari.listen()
    assert open_napari.do("look")["words"] == "my own words"

    view = connect("napari", port=port, start=False)
    image = np.arange(32 * 40, dtype=np.uint16).reshape(32, 40)
    for well in ("A01", "A02"):
        for site in (1, 2, 3):
            view.show(image + site, well=well, site=site, channel="DAPI")
    assert view.flush(START).shown == 6
    (layer,) = view.layers()
    assert (layer.axes, layer.shape) == (("well", "site", "y", "x"), (2, 3, 32, 40))
    assert len(view.screenshot()) > 1000

    during = open_napari.do("look")
    assert during["layers"] == ["mine", layer.name]
    assert during["mine"] == before["mine"]
    # His slider is where it was, on an axis of its own; ours follow beside it.
    assert (during["labels"], during["steps"]) == (
        ["well", "site", "axis 1 (your layers)"],
        [1, 2, 3],
    )
    assert (during["seen"], during["ranges"]) == (before["seen"], [1, 2, 4])
    for step in (0, 4):
        open_napari.do("step", f"2 {step}")
        moved = open_napari.do("look")
        assert moved["seen"] == zlib.crc32(MINE[step].tobytes())
        assert moved["streamed"] == {layer.name: int(image.max()) + 3}
    view.show(image + 9, well="A03", site=1, channel="DAPI")
    assert view.flush(START).shown == 7
    view.screenshot()  # whatever was to be drawn is drawn
    assert open_napari.do("look")["steps"] == [2, 0, 4]
    open_napari.do("step", "2 3")
    assert "well A02" in during["words"]
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    assert [(each["port"], each["title"]) for each in listed["viewers"]] == [(port, "at my desk")]

    view.clear()
    cleared = open_napari.do("look")
    assert (cleared["layers"], cleared["mine"]) == (["mine"], before["mine"])
    assert (cleared["steps"], cleared["seen"]) == ([3], before["seen"])
    assert cleared["words"] == "my own words"
    view.close()


def test_stopped_from_outside_it_stays_open_with_what_it_shows(open_napari: OpenNapari) -> None:
    port = open_napari.listen()
    open_napari.do("press", "Copy line for another machine")
    assert open_napari.do("look")["clipboard"].startswith("coverslip://")
    view = connect("napari", port=port, start=False)
    view.show(np.eye(32, 40, dtype=np.uint8), name="live")
    assert view.flush(START).shown == 1
    view.stop()
    assert list_connections() == []
    assert open_napari.process.poll() is None
    eventually(
        lambda: any("Not listening" in each for each in open_napari.do("look")["dock"]),
        "the dock says so",
    )
    assert open_napari.do("look")["layers"] == ["mine", "live"]

    open_napari.do("press", "Listen")
    again = connect("napari", port=open_napari.port(), start=False)
    again.show(np.ones((32, 40), np.uint8), name="live")
    assert again.flush(START).shown == 1
    assert open_napari.do("look")["layers"] == ["mine", "live"]
    stopped = CliRunner().invoke(app, ["stop", str(open_napari.port()), "--force"])
    assert (stopped.exit_code, list_connections()) == (0, [])
    assert open_napari.do("look")["layers"] == ["mine", "live"]
    again.close()


def test_the_docks_buttons_are_about_what_is_streamed(open_napari: OpenNapari) -> None:
    port = open_napari.listen()
    view = connect("napari", port=port, start=False)
    dim = np.linspace(100, 200, 32 * 40).astype(np.uint16).reshape(32, 40)
    for well, image in {"A01": dim, "A02": dim * 10}.items():
        view.show(image, well=well, name="live")
    assert view.flush(START).shown == 2
    before = open_napari.do("look")

    # What the user has spoilt is as for a new layer again, of the plane that is in view.
    for step, image in enumerate((dim, dim * 10)):
        open_napari.do("contrast", "live 3 4")
        open_napari.do("step", f"0 {step}")
        open_napari.do("press", "Reset contrast")
        contrast = open_napari.do("look")["contrast"]
        assert contrast["live"] == pytest.approx(limits_of(image), rel=0.01)
        assert contrast["mine"] == before["contrast"]["mine"]

    # A slider was moved, so new planes are not followed until that is asked for.
    assert open_napari.do("look")["following"] == [False]
    open_napari.do("press", "Follow the newest plane")
    assert open_napari.do("look")["following"] == [True]
    view.show(dim, well="A00", name="live")
    assert view.flush(START).shown == 3
    view.screenshot()  # whatever was to be drawn is drawn
    assert open_napari.do("look")["steps"][0] == 0

    open_napari.do("press", "Clear")
    cleared = open_napari.do("look")
    assert (cleared["layers"], cleared["mine"]) == (["mine"], before["mine"])
    assert view.layers() == ()
    view.show(dim, well="A01", name="live")
    assert view.flush(START).shown == 4
    assert open_napari.do("look")["layers"] == ["mine", "live"]
    view.close()


@pytest.mark.parametrize("what", ["dock", "close"])
def test_the_listening_ends_with_the_dock_and_with_the_window(
    open_napari: OpenNapari, what: str, free_port: Callable[[], int]
) -> None:
    open_napari.listen()
    open_napari.do(what)
    eventually(lambda: not list_connections(), "the connection file is gone")
    if what == "dock":
        assert open_napari.do("look")["layers"] == ["mine"]
        open_napari.do("close")
    assert open_napari.process.wait(START) == 0
