"""One real ImageJ for all of these tests, in a process of its own: each start costs seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from coverslip.viewers import FijiStreamVisualizer, View
from coverslip.viewers.messages import LayerInfo
from tests.conftest import free_pair
from tests.viewers.contract.on_fiji import Fiji
from tests.viewers.contract.subject import START
from tests.waiting import DEADLINE


@pytest.fixture(scope="session")
def imagej(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of a viewer: which ImageJ, its display, and preferences that are nobody's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", display)
        for name, value in Fiji().environment(tmp_path_factory.mktemp("home")).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def fiji(imagej: None, session_runtime_folder: Path) -> Iterator[FijiStreamVisualizer]:
    """A running ImageJ that runs macros."""
    visualizer = FijiStreamVisualizer(
        viewer_title="under test", persistent=False, fiji_port=free_pair(), allow_macros=True
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
