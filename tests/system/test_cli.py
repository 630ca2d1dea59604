"""The command line as a user and a script meet it: a process, its streams and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from coverslip.transport import list_connections
from coverslip.viewers.demo import count

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


NO_DISPLAY = {"DISPLAY": None, "WAYLAND_DISPLAY": None, "QT_QPA_PLATFORM": None}


@pytest.mark.usefixtures("runtime_folder")
def test_version_and_help() -> None:
    assert coverslip("--version").stdout == f"coverslip {version('coverslip-viewers')}\n"
    text = coverslip("--help").stdout
    assert all(command in text for command in ("demo", "view", "list", "stop", "Exit status"))


@pytest.mark.usefixtures("runtime_folder")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop is always there")
def test_view_without_a_display_names_xvfb_run(tmp_path: Path) -> None:
    (tmp_path / "x_A01_s1_w1.tif").touch()
    done = coverslip("view", tmp_path, **NO_DISPLAY)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("coverslip: ")
    assert "DISPLAY" in line
    assert "xvfb-run" in line


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
    done = coverslip("view", folder, "--json", "--screenshot", picture)
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
        (row,) = json.loads(coverslip("list", "--json").stdout)["viewers"]
        assert (row["kind"], row["port"], row["state"]) == ("napari", port, "ready")

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


def assert_all_shown(done: subprocess.CompletedProcess[str], picture: Path) -> None:
    planes = str(count())
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if planes in line]
    assert [cell for cell in row.split() if cell.isdigit()] == [planes, planes, "0", "0"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in done.stderr
    assert list_connections() == []


@pytest.mark.gui
@pytest.mark.usefixtures("display", "runtime_folder")
def test_the_demo_on_a_display(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    done = coverslip("demo", "--close", "--rate", "0", "--screenshot", picture)
    assert_all_shown(done, picture)
    assert "Xvfb" not in done.stderr


@pytest.mark.gui
@pytest.mark.usefixtures("display", "runtime_folder")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop is always there")
def test_the_demo_on_a_machine_without_a_display(tmp_path: Path) -> None:
    """It runs on an Xvfb of its own, says so, leaves its screenshot and nothing else."""
    done = coverslip("demo", "--rate", "0", cwd=tmp_path, **NO_DISPLAY)
    assert_all_shown(done, tmp_path / "coverslip-demo.png")
    assert "Xvfb" in done.stderr
