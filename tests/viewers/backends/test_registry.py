"""Backends by name: ours, and those of packages that ours never heard of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from coverslip.viewers import (
    FijiStreamingBackend,
    NapariStreamingBackend,
    StreamingBackend,
    backend_names,
    get_backend,
    register_backend,
)
from coverslip.viewers.errors import UnknownBackend

WALL = """
from coverslip.viewers import StreamingBackend

class Wall(StreamingBackend):
    def __init__(self):
        self.saved = []
    def save_batch(self, data_list, file_paths, **kwargs):
        self.saved += file_paths
    def close(self, linger=5.0):
        self.saved = []
"""

PROGRAM = """
import sys
from coverslip.viewers import backend_names, get_backend
from coverslip.viewers.errors import UnknownBackend
assert "wall" in backend_names() and "wall_display" not in sys.modules
wall = get_backend("wall")
wall.save([[1]], "a.tif")
assert wall.saved == ["a.tif"] and get_backend("wall") is wall
try:
    get_backend("broken")
except UnknownBackend as error:
    assert "wall_display:Missing" in str(error), error
else:
    raise AssertionError
"""


def test_ours_by_the_names_that_pipelines_use() -> None:
    assert isinstance(get_backend("napari_stream"), NapariStreamingBackend)
    assert isinstance(get_backend("fiji_stream"), FijiStreamingBackend)
    assert get_backend("napari_stream") is get_backend("napari_stream")
    with pytest.raises(UnknownBackend, match="'napari'; there are: napari_stream, fiji_stream"):
        get_backend("napari")


def test_a_third_partys_by_entry_point(tmp_path: Path) -> None:
    (tmp_path / "wall_display.py").write_text(WALL, encoding="utf-8")
    info = tmp_path / "wall_display-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wall-display\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[coverslip.backends]\nwall = wall_display:Wall\nbroken = wall_display:Missing\n"
    )
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}){PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_one_of_ones_own_at_run_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(StreamingBackend):
        def save_batch(
            self, data_list: Sequence[Any], file_paths: Sequence[Any], **kwargs: Any
        ) -> None:
            raise NotImplementedError

        def close(self, linger: float = 5.0) -> None:
            raise NotImplementedError

    from coverslip.viewers.backends import registry

    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    monkeypatch.setattr(registry, "_made", {})
    register_backend("mine", Mine)
    assert "mine" in backend_names()
    assert isinstance(get_backend("mine"), Mine)
