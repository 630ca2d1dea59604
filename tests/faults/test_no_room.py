"""Fault 5: no shared memory to be had, no room on the disk, no descriptor left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coverslip.transport import Counts, Delivery
from tests.faults.case import Case

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts file systems of Linux")


def alone_with(size: str, folder: Path | str, command: list[str]) -> list[str]:
    """Return a command line that runs another where `folder` is a disk of `size`."""
    mount = f'mount -t tmpfs -o size={size} tmpfs "$1" && shift && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh", str(folder), *command]


@pytest.fixture(scope="session")
def mounts() -> None:
    """Mounts of one's own, in a namespace; only root may, and not in every container."""
    probe = subprocess.run(
        alone_with("1m", "/dev/shm", ["true"]), capture_output=True, text=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"no mounts of one's own here: {probe.stderr.strip()}")


def run(how: str, size: str, folder: Path | str) -> dict[str, Any]:
    """Run a scene of `tests.faults.scarce` where a folder is a small disk."""
    return said_by(how, folder, lambda scene: alone_with(size, folder, scene))


def said_by(
    how: str, folder: Path | str, within: Callable[[list[str]], list[str]] = lambda scene: scene
) -> dict[str, Any]:
    """Run a scene, and return what it says."""
    scene = [sys.executable, "-m", "tests.faults.scarce", how, str(folder)]
    done = subprocess.run(within(scene), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(
            "small-segment",
            marks=pytest.mark.fault("5", "/dev/shm with 4 MiB free, named segments", holds=(1, 2)),
        ),
        pytest.param(
            "no-segment",
            marks=pytest.mark.fault("5", "/dev/shm full: no segment at all", holds=(1, 2)),
        ),
    ],
)
def test_no_shared_memory(mounts: None, runtime_folder: Path, case: Case, how: str) -> None:
    found = run(how, "4m", "/dev/shm")
    assert found["scarce"] == [60, 60, 0, 0]
    assert found["said"] == 1, "that pixels travel inline is said once"
    assert found["inline"]
    assert found["back"] == [120, 120, 0, 0]
    assert found["shared again"], "there is room again: pixels travel in shared memory"
    assert found["crc"], "what is shown is what was sent"
    assert found["left"] == []
    case.longest = found["longest"]
    case.check(Delivery(*found["delivery"]), Counts(**found["counts"]))


@pytest.mark.fault("5", "the system refuses memory at the allocation", holds=(1, 2))
def test_a_limit_at_the_allocation(runtime_folder: Path, case: Case) -> None:
    found = said_by("limit", runtime_folder)
    assert found["scarce"] == [60, 60, 0, 0]
    assert (found["said"], found["inline"], found["shared again"]) == (1, True, True)
    assert found["crc"]
    case.longest = found["longest"]
    case.check(Delivery(*found["delivery"]), Counts(**found["counts"]))


@pytest.mark.fault("5", "the pipeline has no descriptor left for seconds", holds=(1, 2))
def test_no_descriptor_left(runtime_folder: Path, case: Case) -> None:
    found = said_by("no-descriptors", runtime_folder)
    case.longest = found["longest"]
    case.check(Delivery(*found["delivery"]), Counts(**found["counts"]))
    assert found["delivery"] == [150, 150, 0, 0]
    assert found["the viewer's own"], "a viewer takes as many as the system allows"


@pytest.mark.fault("5", "a full disk for logs and connection files", holds=(5,))
def test_a_full_disk(mounts: None, tmp_path: Path, case: Case) -> None:
    found = run("full-disk", "64k", tmp_path)
    error = found["error"]
    assert "No space left" in error
    assert "free some space" in error
    assert "COVERSLIP_RUNTIME_DIR" in error
    assert found["then"] == [10, 10, 0, 0], "with room again the viewer starts"
    case.take(Delivery(10, 10, 0, 0))


@pytest.mark.fault("5", "the disk fills up while viewer and stream run", holds=(1, 2))
def test_the_disk_fills_up_meanwhile(mounts: None, tmp_path: Path, case: Case) -> None:
    found = run("filling-disk", "256k", tmp_path)
    case.take(Delivery(*found["delivery"]))
    assert found["delivery"] == [100, 100, 0, 0]
    assert found["stopped"], "its connection file is gone with it"
