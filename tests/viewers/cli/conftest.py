"""The command line in this process, with viewers that have no window."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from coverslip.transport import list_connections, stop
from coverslip.viewers import kinds
from coverslip.viewers.cli.app import main
from tests.viewers.cli.program import Command, Ended, QuietVisualizer


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], runtime_folder: Path
) -> Command:
    """Run ``coverslip`` as its process would, up to the exit status."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["coverslip", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def no_window(monkeypatch: pytest.MonkeyPatch, runtime_folder: Path) -> Iterator[None]:
    """Let commands start viewers that draw nothing; end those that are there after the test."""
    where = f"{QuietVisualizer.__module__}:{QuietVisualizer.__name__}"
    monkeypatch.setitem(kinds._OURS, "napari", where)
    yield
    for connection in list_connections():
        os.kill(connection.pid, signal.SIGCONT)
        stop(connection, timeout=10.0, force=True)
