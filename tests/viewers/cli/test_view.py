"""`view`, `list` and `stop`, with viewers that have no window: counts, reasons, exit statuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from coverslip.payload import Value
from coverslip.transport import list_connections, request
from coverslip.viewers import settle
from coverslip.viewers.cli import servers, window
from coverslip.viewers.messages import DescribeLayers, Layers
from coverslip.viewers.plates import contents
from coverslip.viewers.plates.stored import StoredImage
from coverslip.viewers.plates.tiff import read_images
from tests.viewers.cli.program import Command, Ended, QuietVisualizer

pytestmark = pytest.mark.usefixtures("no_window")

FILES = 6


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Six small planes."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for site in range(1, FILES + 1):
        pixels = np.random.default_rng(site).integers(0, 4000, (48, 64)).astype(np.uint16)
        tifffile.imwrite(folder / f"p_A01_s{site}_w1.tif", pixels)
    return folder


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Let something happen when so many files have been read."""

    def arrange(files: int, happens: Callable[[], None]) -> None:
        read: list[Path] = []

        def reading(path: Path, components: Mapping[str, Value]) -> Iterator[StoredImage]:
            if len(read) == files:
                happens()
            read.append(path)
            return read_images(path, components)

        monkeypatch.setattr(contents, "read_images", reading)

    return arrange


def counts(told: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(told[key] for key in ("sent", "shown", "dropped", "failed", "pending"))


def tell_viewers(number: signal.Signals) -> None:
    for connection in list_connections():
        os.kill(connection.pid, number)


def told(done: Ended) -> dict[str, Any]:
    """Return the one object that is all of standard output."""
    read: dict[str, Any] = json.loads(done.out)
    return read


def test_everything_is_shown_and_the_viewer_stays(command: Command, plate: Path) -> None:
    done = command("view", plate)
    assert done.status == 0
    assert "starting napari" in done.err
    (row,) = [line for line in done.out.splitlines() if str(FILES) in line]
    assert [cell for cell in row.split() if cell.isdigit()] == ["6", "6", "0", "0"]
    (connection,) = list_connections()
    port = connection.endpoint.port
    assert f"port {port} stays open" in done.err

    again = command("view", plate / "p_A01_s1_w1.tif", "--json", "--screenshot", plate / "x.png")
    assert f"screenshot: {plate / 'x.png'}" in again.err
    assert again.status == 0
    assert "starting" not in again.err
    assert counts(told(again)) == (1, 1, 0, 0, 0)
    assert (told(again)["port"], told(again)["screenshot"]) == (port, str(plate / "x.png"))
    assert (plate / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_viewer_is_cleared_before_or_by_itself(command: Command, plate: Path) -> None:
    def held() -> list[int]:
        reply = request(connection.endpoint, DescribeLayers(), Layers, timeout=20.0)
        return [len(layer.planes) for layer in reply.layers]

    assert command("view", plate).status == 0
    (connection,) = list_connections()
    port = connection.endpoint.port
    assert held() == [FILES]
    assert command("view", plate / "p_A01_s1_w1.tif", "--clear", "--port", port).status == 0
    assert held() == [1]
    cleared = command("clear", port)
    assert (cleared.status, cleared.err.strip()) == (0, f"cleared headless on port {port}")
    assert held() == []
    command("stop", port)
    gone = command("clear", port)
    assert gone.status == 2
    assert f"no viewer of yours is on port {port}" in gone.error


def test_on_a_display_that_is_xvfb_run_s_the_viewer_is_not_said_to_stay(
    command: Command, plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAUTHORITY", "/tmp/xvfb-run.AbCdEf/Xauthority")
    done = command("view", plate)
    assert done.status == 0
    assert "ends with xvfb-run" in done.err
    assert "stays open" not in done.err


def test_a_viewer_that_ends_with_another_process_is_not_said_to_stay(
    command: Command, plate: Path
) -> None:
    code = (
        "from tests.viewers.headless import HeadlessVisualizer as Viewer\n"
        "Viewer(persistent=False).start_viewer()\n"
        "print('ready', flush=True)\n"
        "input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == b"ready\n"
        done = command("view", plate)
        other.communicate(b"\n")
    assert done.status == 0
    assert f"ends with process {other.pid}, which started it" in done.err
    assert "stays open" not in done.err


def test_each_file_that_cannot_be_shown_is_counted_and_named(command: Command, plate: Path) -> None:
    (plate / "p_B01_s1_w1.tif").write_bytes(b"no TIFF")
    (plate / "p_B02_s1_w1.tif").touch()
    whole = (plate / "p_A01_s1_w1.tif").read_bytes()
    (plate / "p_B03_s1_w1.tif").write_bytes(whole[: len(whole) // 2])
    tifffile.imwrite(plate / "p_B04_s1_w1.tif", np.ones((8, 8), np.complex64))
    (plate / "overview.tif").touch()
    (plate / "p_B04_s1_w1_thumb.tif").touch()

    done = command("view", plate)
    assert done.status == 1
    assert "B01_s1_w1.tif: this is no TIFF file" in done.err
    assert "B02_s1_w1.tif: the file is empty" in done.err
    assert "B03_s1_w1.tif: damaged, not written to its end" in done.err
    assert "B04_s1_w1.tif: dtype complex64 cannot be shown" in done.err
    assert "1 of 12 files not shown" in done.err
    assert "cannot read the names overview.tif; to have them ignored, keep them" in done.err
    assert "1 thumbnail or correction image left out" in done.err

    done = command("view", plate, "--json")
    assert done.status == 1
    assert counts(told(done)) == (FILES + 4, FILES, 0, 4, 0)
    assert [Path(path).name for path in told(done)["unreadable"]] == [
        f"p_B0{number}_s1_w1.tif" for number in (1, 2, 3, 4)
    ]
    assert (told(done)["unknown"], told(done)["left_out"]) == ([str(plate / "overview.tif")], 1)


def test_two_files_of_one_place_are_named(command: Command, plate: Path) -> None:
    (plate / "q_A01_s1_w1.tif").write_bytes((plate / "p_A01_s1_w1.tif").read_bytes())
    done = command("view", plate)
    assert "2 files of one place" in done.err
    assert "q_A01_s1_w1.tif" in done.err


def test_two_plates_named_together_are_told_apart(command: Command, plate: Path) -> None:
    other = plate.with_name("other")
    shutil.copytree(plate, other)
    done = command("view", plate, other, "--json")
    assert (done.status, counts(told(done))) == (0, (12, 12, 0, 0, 0))
    assert told(done)["same_place"] == []
    (connection,) = list_connections()
    reply = request(connection.endpoint, DescribeLayers(), Layers, timeout=20.0)
    planes = [plane.components for layer in reply.layers for plane in layer.planes]
    assert Counter(each["plate"] for each in planes) == {"plate": FILES, "other": FILES}


def test_a_viewer_killed_in_the_middle(
    command: Command, plate: Path, after: Callable[[int, Callable[[], None]], None]
) -> None:
    after(3, lambda: tell_viewers(signal.SIGKILL))
    done = command("view", plate, "--json", "--screenshot", plate / "x.png")
    assert done.status == 1
    sent, shown, dropped, failed, pending = counts(told(done))
    assert (sent, pending) == (FILES, 0)
    assert shown + dropped + failed == sent
    assert shown <= 3
    assert told(done)["reasons"]
    assert "no screenshot" in done.err


def test_a_viewer_that_freezes_in_the_middle(
    command: Command,
    plate: Path,
    after: Callable[[int, Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settle, "STANDSTILL", 1.0)
    for module in (servers, window):
        monkeypatch.setattr(module, "PING_TIMEOUT", 0.5)
    after(3, lambda: tell_viewers(signal.SIGSTOP))
    done = command("view", plate, "--json")
    assert done.status == 1
    sent, shown, dropped, failed, pending = counts(told(done))
    assert (sent, pending) == (FILES, 0)
    assert shown + dropped + failed == sent
    port = told(done)["port"]

    listed = told(command("list", "--json"))["viewers"]
    assert [(row["port"], row["state"]) for row in listed] == [(port, "not answering")]
    refused = command("view", plate, "--port", port)
    assert refused.status == 2
    assert "does not answer" in refused.error
    assert f"coverslip stop {port}" in refused.error
    stopped = command("stop", port, "--force")
    assert (stopped.status, stopped.out) == (0, "")
    assert list_connections() == []


def test_ctrl_c_in_the_middle(
    command: Command, plate: Path, after: Callable[[int, Callable[[], None]], None]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    after(3, interrupt)
    done = command("view", plate, "--json")
    assert done.status == 130
    assert counts(told(done)) == (3, 3, 0, 0, 0)
    assert told(done)["interrupted"]
    assert "interrupted" in done.err


def test_list_and_stop(command: Command, plate: Path, free_port: Callable[[], int]) -> None:
    ports = sorted([free_port(), free_port()])
    for port in ports:
        assert command("view", plate, "--port", port).status == 0
    done = command("list", "--json")
    assert [(row["port"], row["state"]) for row in told(done)["viewers"]] == [
        (port, "ready") for port in ports
    ]
    table = command("list").out
    for connection in list_connections():
        assert str(connection.endpoint.port) in table
        for secret in (connection.endpoint.client_secret, connection.endpoint.server_key):
            assert secret not in table + done.out
    assert f"stopped headless on port {ports[0]}" in command("stop", ports[0]).err
    assert command("stop", "--all").status == 0
    assert list_connections() == []


@pytest.mark.plates
def test_the_real_plates_are_all_shown(command: Command, plates: Path) -> None:
    for name, planes, thumbnails in (
        ("imagexpress-2wells-4channels", 96, 96),
        ("imagexpress-1well-timelapse", 12, 0),
    ):
        done = command("view", plates / name, "--json")
        assert done.status == 0, done.err
        assert counts(told(done)) == (planes, planes, 0, 0, 0)
        assert (told(done)["left_out"], told(done)["same_place"]) == (thumbnails, [])


def test_a_long_title_is_cut_in_the_table_and_whole_in_json(
    command: Command, free_port: Callable[[], int]
) -> None:
    title = f"{'very long ' * 20}[bold]end"
    viewer = QuietVisualizer(viewer_title=title, port=free_port())
    viewer.start_viewer()
    assert [row["title"] for row in told(command("list", "--json"))["viewers"]] == [title]
    (line,) = [line for line in command("list").out.splitlines() if str(viewer.port) in line]
    assert "very long very long very long…" in line
    assert command("stop", viewer.port).status == 0
