"""What only napari's process can meet: no napari, an error in a slot of its window.

How it starts and ends is every viewer's: `tests/viewers/contract/test_process.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coverslip.transport import list_connections
from tests.qt import let_loops_run_again

if TYPE_CHECKING:
    from qtpy.QtWidgets import QApplication

pytestmark = pytest.mark.gui

MODULE = "coverslip.viewers.napari"
START = 60.0


def test_without_napari_it_says_what_to_install(display: str, runtime_folder: Path) -> None:
    program = (
        "import sys; sys.modules['napari'] = None  # as if it were not installed\n"
        f"from {MODULE}.__main__ import main\n"
        "sys.exit(main([]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
    )
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert 'pip install "coverslip-viewers[napari]"' in line


def test_it_outlives_errors_in_its_window_and_ends_with_it(
    qt_application: QApplication, runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    from qtpy.QtCore import QTimer

    from coverslip.viewers.napari.server import NapariViewerServer

    server = NapariViewerServer(port=free_port(), title="mine")
    failed: list[Any] = []

    def fail() -> None:
        raise RuntimeError("a plugin's slot")

    def close() -> None:
        failed.append(server.last_error)
        (window,) = [one for one in qt_application.topLevelWidgets() if "mine" in one.windowTitle()]
        window.close()

    def when_ready() -> None:
        if server.state != "ready":
            QTimer.singleShot(20, when_ready)
            return
        QTimer.singleShot(10, fail)
        QTimer.singleShot(100, close)

    QTimer.singleShot(0, when_ready)
    server.run()
    let_loops_run_again(qt_application)
    assert failed == ["RuntimeError: a plugin's slot"]
    assert list_connections() == []
    with pytest.raises(RuntimeError, match="the window is closed"):
        server.take_screenshot()
