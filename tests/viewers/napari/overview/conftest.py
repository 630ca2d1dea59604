"""One window for all tests of the overview: to open one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from coverslip.viewers.napari.overview import Overview
from tests.viewers.napari.conftest import Show
from tests.viewers.napari.overview.looking import overview_button
from tests.waiting import eventually

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow


@pytest.fixture(scope="package")
def one_window(qt_application: Any) -> Iterator[LiveWindow]:
    """A window for all tests here."""
    from coverslip.viewers.napari.window import LiveWindow

    live = LiveWindow("overview")
    # What a window makes once, with its first layers, is no test's.
    first = Show(live, qt_application.processEvents)
    for well in ("A1", "A2"):
        first(1, well=well)
    overview_button(live).click()
    first.paint()
    live.scene.clear()
    yield live
    live.close()
    qt_application.processEvents()


@pytest.fixture
def window(one_window: LiveWindow) -> Iterator[LiveWindow]:
    """That window, with nothing in it."""
    yield one_window
    one_window.viewer.dims.ndisplay = 2
    one_window.scene.clear()
    one_window.viewer.layers.clear()
    one_window.paint()
    assert not one_window.viewer.canvas.grid.enabled


@pytest.fixture
def overview(window: LiveWindow) -> Overview:
    return window.scene.overview


@pytest.fixture
def settle(window: LiveWindow, show: Show) -> Callable[[], None]:
    """Paint until all that is due was drawn and handed over."""

    def paint() -> bool:
        show.paint()
        overview = window.scene.overview
        return not overview._due and not overview._changed

    def settle() -> None:
        eventually(paint, "the overview is drawn")

    return settle
