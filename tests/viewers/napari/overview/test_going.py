"""Which well is framed, and what a click on a tile does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from coverslip.viewers.napari.overview import Overview
from tests.viewers.napari.conftest import Show
from tests.viewers.napari.overview.looking import FULL, click, color_at, is_framed, well_in_view

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui


def test_the_well_in_view_is_framed(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    for well in ("A1", "A2", "B1"):
        show(1, well=well)
    overview.choose(True)
    settle()
    assert [is_framed(overview, well) for well in ("A1", "A2", "B1")] == [False, False, True]
    window.viewer.dims.set_current_step(0, 1)
    settle()
    assert [is_framed(overview, well) for well in ("A1", "A2", "B1")] == [False, True, False]
    show(2, well="A2")
    settle()
    assert is_framed(overview, "A2")


def test_a_click_on_a_tile_goes_to_its_well(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    for number, well in enumerate(("A1", "A2", "B3")):
        for z in (1, 2):
            show(10 * number + z, well=well, z_index=z)
    window.viewer.dims.set_current_step(1, 0)
    window.scene.follow()
    overview.choose(True)
    settle()
    click(window, show, "A2")
    assert well_in_view(window) == "A2"
    assert not window.scene.following
    assert window.viewer.layers["Image"]._slice.image.raw[5, 5] == 11, "z stays"
    show(99, well="B3", z_index=2)
    assert well_in_view(window) == "A2"
    click(window, show, "B3", drag=40)
    assert well_in_view(window) == "A2", "a drag moves the picture"


def test_where_a_well_has_nothing_at_the_place_its_newest_plane_is_shown(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    show(5, well="A1", site=1)
    show(6, well="A2", site=7)
    overview.choose(True)
    settle()
    click(window, show, "A1")
    assert window.viewer.layers["Image"]._slice.image.raw[5, 5] == 5


def test_a_click_beside_the_tiles_goes_nowhere(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    for well in ("A1", "B3"):
        show(1, well=well)
    overview.choose(True)
    settle()
    mosaic = overview._mosaic
    assert mosaic is not None
    assert mosaic.well_at(*mosaic.center_of("A1")) == "A1"
    assert mosaic.well_at(0, 0) is None
    assert mosaic.well_at(-1e6, 1e6) is None
    assert mosaic.well_at(mosaic.center_of("A1")[0], mosaic.center_of("B3")[1]) is None
    window.viewer.dims.ndisplay = 3
    click(window, show, "A1")
    assert window.scene.following


def test_where_wells_are_layers_a_click_shows_those_of_its_well(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    modes = {"well": "slice"}
    for value, well in ((20, "A1"), (60, "A2"), (100, "A3")):
        for channel in ("1", "2"):
            show(value, well=well, channel=channel, modes=modes, display=FULL)
    overview.choose(True)
    settle()
    assert [color_at(overview, well)[0] for well in ("A1", "A2")] == pytest.approx(
        [102, 255], abs=3
    )
    assert is_framed(overview, "A3")
    window.viewer.layers["Well_A3_Channel_2"].visible = False
    click(window, show, "A2")
    settle()
    shown = [live.drawn.name for live in window.scene.layers() if live.drawn.visible]
    assert shown == ["Well_A2_Channel_1"]
    assert is_framed(overview, "A2")
    assert not is_framed(overview, "A3")
