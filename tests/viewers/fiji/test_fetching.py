"""Fetching ImageJ: one process at a time, never from half a jar, and by several viewers at once."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from coverslip.viewers.fiji.choice import IMAGEJ, ImageJUnavailable
from coverslip.viewers.fiji.fetching import discard_half, fetched_jar, one_at_a_time, repository
from tests.viewers.contract.process import ViewerProcess

pytest.importorskip("scyjava", reason="without the extra fiji")

HOLDER = """
from coverslip.viewers.fiji.fetching import one_at_a_time
with one_at_a_time():
    print("held", flush=True)
    input()
"""
JAR = Path("net", "imagej", "ij", "1.54p", "ij-1.54p.jar")


@pytest.fixture
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders of Maven's and jgo's; returns Maven's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    return tmp_path / "m2"


def test_another_process_s_lock_is_waited_for_and_goes_when_it_dies(nothing_fetched: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(ImageJUnavailable, match="another process has been fetching"),
            one_at_a_time(patience=0.2),
        ):
            pass
        holder.kill()
        holder.wait()
        with one_at_a_time(patience=30.0):
            pass


def test_a_folder_that_cannot_be_written_says_what_to_do(
    nothing_fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("M2_REPO", str(tmp_path / "file" / "m2"))
    with (
        pytest.raises(ImageJUnavailable, match="--fiji, or another folder in M2_REPO"),
        one_at_a_time(),
    ):
        pass


def test_half_a_jar_is_none_and_is_fetched_again(nothing_fetched: Path) -> None:
    assert repository() == nothing_fetched
    jar = nothing_fetched / JAR
    jar.parent.mkdir(parents=True)
    with zipfile.ZipFile(jar, "w") as whole:
        whole.writestr("ij/IJ.class", bytes(1000))
    assert fetched_jar(IMAGEJ) == jar
    discard_half(IMAGEJ)
    assert jar.exists()
    jar.write_bytes(jar.read_bytes()[:500])
    assert fetched_jar(IMAGEJ) is None
    discard_half(IMAGEJ)
    assert not jar.exists()
    discard_half(IMAGEJ)
    assert fetched_jar("net.imagej:ij") is None


@pytest.mark.gui
def test_viewers_that_start_at_once_with_nothing_fetched_all_start(
    imagej: None,
    nothing_fetched: Path,
    runtime_folder: Path,
    tmp_path: Path,
    free_port: Callable[[], int],
) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    viewers = [ViewerProcess("coverslip.viewers.fiji", folder, free_port()) for folder in folders]
    try:
        for viewer in viewers:
            viewer.wait()
        assert fetched_jar(IMAGEJ) == nothing_fetched / JAR
    finally:
        for viewer in viewers:
            viewer.end()
