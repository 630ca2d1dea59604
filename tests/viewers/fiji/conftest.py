"""One real ImageJ for all of these tests, in a process of its own: each start costs seconds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coverslip.viewers import FijiStreamVisualizer, View
from coverslip.viewers.messages import LayerInfo
from tests.conftest import _free_pair

START = 120.0
"""Seconds: the first start on a machine fetches ImageJ."""

DEADLINE = 30.0
IMAGEJ = "net.imagej:ij:1.54p"


@pytest.fixture(scope="session")
def imagej(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of a viewer: which ImageJ, its display, and preferences that are nobody's."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DISPLAY", display)
    patch.setenv("COVERSLIP_FIJI", IMAGEJ)
    home = tmp_path_factory.mktemp("home")
    patch.setenv("JAVA_TOOL_OPTIONS", f"-Duser.home={home}")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def fiji(imagej: None, session_runtime_folder: Path) -> Iterator[FijiStreamVisualizer]:
    """A running ImageJ that runs macros."""
    visualizer = FijiStreamVisualizer(
        viewer_title="under test", persistent=False, fiji_port=_free_pair(), allow_macros=True
    )
    visualizer.start_viewer(timeout=START)
    yield visualizer
    visualizer.stop_viewer()
    assert not visualizer.is_running


class Bench:
    """An empty ImageJ, and what a test asks of it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.show = view.show

    def settle(self) -> tuple[LayerInfo, ...]:
        """Wait until all that was sent is shown, and return the windows with checksums."""
        delivery = self.view.flush(DEADLINE)
        assert delivery.shown == delivery.sent, self.view.statistics().reasons
        return self.view.layers(checksums=True)

    def macro(self, text: str) -> str:
        """Run a macro."""
        return self.view.run_macro(text, timeout=DEADLINE)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for something that happens beside."""
        deadline = time.monotonic() + DEADLINE
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
            pause.wait(0.02)

    def log(self) -> str:
        """Return what the process has logged."""
        path = self.view.visualizer.connection.log
        assert path is not None
        return Path(os.fspath(path)).read_text(encoding="utf-8", errors="replace")


@pytest.fixture
def bench(fiji: FijiStreamVisualizer) -> Iterator[Bench]:
    """An ImageJ without images."""
    with View(fiji) as view:
        view.clear()
        yield Bench(view)
        view.clear()
