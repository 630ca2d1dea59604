"""What a test sees of the overview, and how it clicks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coverslip.payload import Display
from coverslip.viewers.napari.overview import Overview
from tests.viewers.napari.conftest import Show

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

FULL = Display(contrast_limits=(0, 100), colormap="gray")


def overview_button(window: LiveWindow) -> Any:
    return window.scene.bar._overview


def is_shown(window: LiveWindow) -> bool:
    return "Plate overview" in [layer.name for layer in window.viewer.layers]


def color_at(overview: Overview, well: Any) -> tuple[int, ...]:
    """Return the colour in the middle of a well's tile, as napari has sliced it."""
    assert overview.layer is not None
    assert overview._mosaic is not None
    y, x = overview._mosaic.center_of(well)
    pixels: Any = overview.layer._slice.image.raw
    return tuple(int(value) for value in pixels[int(y), int(x)])


def is_framed(overview: Overview, well: Any) -> bool:
    assert overview._mosaic is not None
    corner: Any = overview._mosaic._cell_of(well)[0, 0]
    return tuple(corner) == (255, 209, 26)


def click(window: LiveWindow, show: Show, well: Any, *, drag: int = 0) -> None:
    """Click in the middle of a well's tile, with Qt's mouse; or drag from there."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    overview = window.scene.overview
    assert overview.layer is not None
    assert overview._mosaic is not None
    world = overview.layer.data_to_world(overview._mosaic.center_of(well))
    canvas: Any = window.viewer.window._qt_viewer.canvas
    x, y = canvas.view.scene.transform.map(world[::-1])[:2]
    point, button = QPoint(round(x), round(y)), Qt.MouseButton.LeftButton
    mouse: Any = QTest  # its stubs take none of its functions for a static one
    mouse.mousePress(canvas.native, button, pos=point)
    if drag:
        mouse.mouseMove(canvas.native, point + QPoint(drag, drag))
    mouse.mouseRelease(canvas.native, button, pos=point + QPoint(drag, drag))
    show.process_events()


def well_in_view(window: LiveWindow) -> Any:
    return window.scene._sliders.looked_at["well"]
