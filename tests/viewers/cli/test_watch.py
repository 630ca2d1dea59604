"""`watch`: a folder that an instrument, a process of its own, writes to while it is watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from coverslip.transport import list_connections
from coverslip.viewers.cli import watch
from coverslip.viewers.plates import changes, naming
from coverslip.viewers.plates.changes import watch_folder
from coverslip.viewers.view import View
from tests.viewers.cli import instrument
from tests.viewers.cli.instrument import name, plane, tiff
from tests.viewers.cli.program import Command, Ended, QuietVisualizer
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("no_window")

DEADLINE = 90.0


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "plate"
    made.mkdir()
    return made


Watched = Callable[..., dict[str, Any]]


@pytest.fixture
def watched(
    command: Command,
    folder: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> Watched:
    """Watch while an instrument writes, until the viewer holds what it wrote, then end."""

    def run(how: str, planes: dict[tuple[tuple[str, Any], ...], int]) -> dict[str, Any]:
        port, stop = free_port(), threading.Event()
        monkeypatch.setattr(watch, "watch_folder", lambda where: watch_folder(where, stop))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.viewers.cli.instrument", str(folder), how]
        )

        def end() -> None:
            try:
                process.wait(DEADLINE)
                # Not an assertion: it would end the thread; what is held is compared below.
                with suppress(AssertionError):
                    eventually(lambda: held(port) == planes, "all is shown", DEADLINE)
            finally:
                stop.set()

        ending = threading.Thread(target=end)
        ending.start()
        try:
            done = command("watch", folder, "--port", port, "--json")
        finally:
            ending.join()
            process.kill()
            process.wait()
        assert done.status == 0, done
        assert held(port) == planes
        return told(done)

    return run


def told(done: Ended) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(done.out)
    return read


def held(port: int) -> dict[tuple[tuple[str, Any], ...], int]:
    """Return the checksum of each plane that the viewer holds, by its components."""
    visualizer = QuietVisualizer(port=port)
    if not visualizer.find_viewer():
        return {}
    with View(visualizer) as view:
        return {
            tuple(sorted(each.components.items())): each.crc32 or 0
            for layer in view.layers(checksums=True)
            for each in layer.planes
        }


def expected(*numbers: int) -> dict[tuple[tuple[str, Any], ...], int]:
    return {
        (
            ("channel", 1),
            ("plate", "plate"),
            ("site", number),
            ("well", "A01"),
        ): zlib.crc32(plane(number).tobytes())
        for number in numbers
    }


@pytest.mark.parametrize(
    ("how", "files"),
    [
        ("slowly", (1, 2, 3)),
        ("preallocated", (1,)),
        ("renamed", (1, 2, 3, 4, 5)),
        ("burst", tuple(range(1, instrument.BURST + 1))),
        ("deleted", (1, 3)),
    ],
)
def test_every_file_is_shown_once_it_is_complete(
    watched: Watched, how: str, files: tuple[int, ...]
) -> None:
    found = watched(how, expected(*files))
    assert (found["files"], found["files_shown"]) == (len(files), len(files))
    # Nothing was sent that was broken, nothing twice.
    counts = tuple(found[key] for key in ("sent", "shown", "dropped", "failed"))
    assert counts == (len(files), len(files), 0, 0)


def test_a_file_that_is_written_anew_is_shown_anew(watched: Watched, folder: Path) -> None:
    found = watched("rewritten", expected(1))
    assert (found["files"], found["sent"]) == (1, 2)


def test_folders_that_come_later_say_timepoint_and_z(watched: Watched) -> None:
    watched(
        "folders",
        {
            (
                ("channel", 1),
                ("plate", "plate"),
                ("site", site),
                ("timepoint", timepoint),
                ("well", "A01"),
                ("z_index", 3),
            ): zlib.crc32(plane(10 * timepoint + site).tobytes())
            for timepoint in (1, 2)
            for site in (1, 2, 3)
        },
    )


def write(folder: Path, *numbers: int) -> None:
    for number in numbers:
        (folder / name(number)).write_bytes(tiff(plane(number)))


def test_what_is_there_comes_first_and_a_later_run_goes_on(command: Command, folder: Path) -> None:
    write(folder, 10, 9)
    done = command("watch", folder, "--idle", 0.5, "--json")
    found = told(done)
    assert (done.status, found["files_shown"], found["files_shown_before"]) == (0, 2, 0)

    write(folder, 11)
    again = told(command("watch", folder, "--resume", "--idle", 0.5, "--json"))
    assert (again["files"], again["files_shown"], again["files_shown_before"]) == (1, 1, 2)
    assert held(found["port"]) == expected(9, 10, 11)

    anew = told(command("watch", folder, "--idle", 0.5, "--json"))
    assert (anew["files_shown"], anew["files_shown_before"]) == (3, 0)


def test_ctrl_c_ends_with_the_counts(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, 1, 2)
    shown: list[int] = []
    settle = watch._Watch.settle

    def interrupted(self: watch._Watch) -> None:
        settle(self)
        shown.append(len(self.shown))
        if shown[-1] == 2 and shown.count(2) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(watch._Watch, "settle", interrupted)
    done = command("watch", folder)
    assert done.status == 0
    assert "interrupted: `coverslip watch --resume` goes on from here" in done.err
    rows = [line.split()[1::2] for line in done.out.splitlines() if line.startswith("│")]
    assert rows == [["2", "2", "0", "0", "0", "0"], ["2", "2", "0", "0"]]


def test_a_file_that_never_becomes_one_is_named(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.5)
    write(folder, 1)
    (folder / name(2)).write_bytes(b"no TIFF")
    (folder / name(3)).touch()
    tifffile.imwrite(folder / name(4), np.ones((8, 8), np.complex64))
    (folder / "overview.tif").touch()
    done = command("watch", folder, "--idle", 0.5)
    assert done.status == 1
    assert f"{name(2)}: this is no TIFF file" in done.err
    assert f"{name(3)}: the file is empty" in done.err
    assert f"{name(4)}: dtype complex64 cannot be shown" in done.err
    assert "1 file not shown: no parser reads names such as overview.tif" in done.err


def test_names_that_nobody_reads_so_far(command: Command, folder: Path) -> None:
    (folder / "overview.tif").touch()
    done = command("watch", folder, "--idle", 0.5, "--json")
    assert done.status == 1
    assert "no name can be read so far: no parser can read the names 'overview.tif'" in done.err
    assert told(done)["unknown"] == [str(folder / "overview.tif")]


def test_a_viewer_that_is_killed_is_waited_for_and_the_rest_stays_on_the_disk(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ABSENCE", 1.0)
    write(folder, *range(1, 9))
    sends: list[Path] = []
    send = watch._Watch._send

    def killing(self: watch._Watch, path: Path) -> None:
        if len(sends) == 4:
            for connection in list_connections():
                os.kill(connection.pid, signal.SIGKILL)
        sends.append(path)
        send(self, path)

    monkeypatch.setattr(watch._Watch, "_send", killing)
    done = command("watch", folder, "--json")
    found = told(done)
    assert done.status == 1
    assert "has not answered for 1 s" in found["ended"]
    assert found["files"] == 8
    assert found["sent"] == found["shown"] + found["dropped"] + found["failed"]
    shown = found["files_shown"]
    assert shown < 8

    monkeypatch.setattr(watch._Watch, "_send", send)
    again = told(command("watch", folder, "--resume", "--idle", 0.5, "--json"))
    assert (again["files_shown"], again["files_shown_before"]) == (8 - shown, shown)
    assert len(held(again["port"])) == 8 - shown


def test_a_folder_that_goes_ends_it(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "WALK_INTERVAL", 0.1)
    learn = naming.Naming.learn

    def going(self: naming.Naming, files: list[Path]) -> None:
        learn(self, files)
        if folder.exists() and list_connections():
            folder.rmdir()

    monkeypatch.setattr(naming.Naming, "learn", going)
    done = command("watch", folder, "--json")
    assert told(done)["ended"] == f"{folder} is gone"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.touch(), "is a file: watch its folder"),
        (lambda path: (path.mkdir(), (path / ".zgroup").touch()), "is OME-Zarr: `coverslip view`"),
    ],
)
def test_what_cannot_be_watched(
    command: Command, tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    make(tmp_path / "x")
    done = command("watch", tmp_path / "x")
    assert done.status == 2
    assert words in done.error
