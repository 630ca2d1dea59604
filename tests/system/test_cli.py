"""The command line as a user and a script meet it, as far as no viewer's kind matters.

With each kind: `tests/viewers/contract/test_commands.py`.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import tifffile

from coverslip.transport import list_connections
from tests.system.program import NO_DISPLAY, coverslip
from tests.viewers.contract.test_commands import assert_all_shown
from tests.waiting import eventually

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop is always there")


@pytest.mark.usefixtures("runtime_folder")
def test_version_and_help() -> None:
    assert coverslip("--version").stdout == f"coverslip {version('coverslip-viewers')}\n"
    text = coverslip("--help").stdout
    assert all(command in text for command in ("demo", "view", "list", "stop", "Exit status"))


@linux
@pytest.mark.usefixtures("runtime_folder")
def test_view_without_a_display_names_xvfb_run(tmp_path: Path) -> None:
    (tmp_path / "x_A01_s1_w1.tif").touch()
    done = coverslip("view", tmp_path, environment=NO_DISPLAY)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("coverslip: ")
    assert "DISPLAY" in line
    assert "xvfb-run" in line


@linux
@pytest.mark.gui
@pytest.mark.usefixtures("runtime_folder")
def test_view_under_xvfb_run_says_when_its_viewer_ends_and_then_it_does(tmp_path: Path) -> None:
    if shutil.which("xvfb-run") is None:
        pytest.skip("xvfb-run is not installed (Debian, Ubuntu: apt-get install xvfb xauth)")
    tifffile.imwrite(tmp_path / "x_A01_s1_w1.tif", np.eye(40, dtype=np.uint16))
    done = coverslip("view", tmp_path, under=("xvfb-run", "-a"), environment=NO_DISPLAY)
    assert done.returncode == 0, done.stderr
    assert "ends with xvfb-run" in done.stderr
    assert "stays open" not in done.stderr
    # The files of the dead are swept by whoever lists.
    eventually(lambda: list_connections() == [], "the viewer ended with its display")


@linux
@pytest.mark.gui
@pytest.mark.usefixtures("display", "runtime_folder")
def test_the_demo_on_a_machine_without_a_display(tmp_path: Path) -> None:
    """It runs on an Xvfb of its own, says so, leaves its screenshot and nothing else."""
    done = coverslip("demo", "--rate", "0", cwd=tmp_path, environment=NO_DISPLAY)
    assert_all_shown(done, tmp_path / "coverslip-demo.png")
    assert "Xvfb" in done.stderr
