"""No file, variable or folder of the user's reaches a configuration under test."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder and a user's configuration folder that are empty, and no variables."""
    for variable in os.environ:
        if variable.startswith(("COVERSLIP_NAPARI", "COVERSLIP_STREAMING", "COVERSLIP_CONFIG")):
            monkeypatch.delenv(variable)
    work = tmp_path / "project" / "deep"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))


@pytest.fixture
def project_file(tmp_path: Path) -> Write:
    """Write the ``coverslip.toml`` of the project, a folder above the working one."""

    def write(text: str) -> Path:
        path = tmp_path / "project" / "coverslip.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
