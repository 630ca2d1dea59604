"""When the overview is shown, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from coverslip.payload import Display, as_points
from coverslip.viewers.napari.overview import Overview
from tests.viewers.napari.conftest import Show, plane
from tests.viewers.napari.overview.looking import click, is_shown, overview_button, well_in_view
from tests.waiting import eventually

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui


def test_it_is_offered_from_the_second_well_on_and_not_shown_unasked(
    window: LiveWindow, show: Show, overview: Overview
) -> None:
    show(1, well="A1")
    assert overview_button(window).isHidden()
    overview.toggle()
    assert overview.layer is None
    show(2, well="A2")
    assert not overview_button(window).isHidden()
    assert len(window.viewer.layers) == 1
    overview_button(window).click()
    assert [layer.name for layer in window.viewer.layers] == ["Image", "Plate overview"]
    overview_button(window).click()
    assert [layer.name for layer in window.viewer.layers] == ["Image"]


def test_it_stands_beside_the_picture_and_disturbs_nothing(
    window: LiveWindow, show: Show, overview: Overview
) -> None:
    for well in ("A1", "A2"):
        show(1, well=well, z_index=1)
    image = window.viewer.layers["Image"]
    window.viewer.layers.selection.active = image
    before = (image.extent.world.tolist(), window.viewer.dims.current_step[:2])
    overview.choose(True)
    show.paint()
    assert overview.layer is not None
    assert window.viewer.layers.selection.active is image
    assert (image.extent.world.tolist(), window.viewer.dims.current_step[:2]) == before
    assert window.viewer.dims.ndim == 4
    assert window.scene.following
    assert [live.drawn.name for live in window.scene.layers()] == ["Image"]
    assert stands(overview, below=0, right_of=24)
    show(2, well="A3", z_index=2)
    assert well_in_view(window) == "A3"
    for shape, beyond in (((64, 96), {"right_of": 96}), ((64, 200), {"below": 64})):
        show(plane(3, shape=shape), well="A3", z_index=2)

        def has_made_way(beyond: dict[str, int] = beyond) -> bool:
            show.paint()
            return stands(overview, **beyond)

        eventually(has_made_way, "it has made way for a larger picture")


def stands(overview: Overview, below: int = 0, right_of: int = 0) -> bool:
    """Whether it reaches from there on, where the first pixel begins at 0."""
    assert overview.layer is not None
    edges = overview.layer.extent.world[0] - overview.layer.scale / 2 + 0.5
    return all(
        edge > at if at else edge == pytest.approx(0)
        for edge, at in zip(edges, (below, right_of), strict=True)
    )


def test_new_layers_stand_below_it_in_the_list(
    window: LiveWindow, show: Show, overview: Overview
) -> None:
    for well in ("A1", "A2"):
        show(1, well=well, channel="DAPI")
    overview.choose(True)
    show(1, well="A1", channel="GFP")
    show(as_points([[1, 1]]), kind="points", well="A1")
    assert window.viewer.layers[-1] is overview.layer


def test_planes_may_ask_for_it_until_the_user_has_switched(window: LiveWindow, show: Show) -> None:
    asks = Display(overview=True)
    show(1, well="A1", display=asks)
    assert not is_shown(window)
    show(1, well="A2", display=asks)
    assert is_shown(window)
    window.viewer.layers.remove(window.viewer.layers["Plate overview"])
    assert not is_shown(window)
    assert not overview_button(window).isChecked()
    show(1, well="A3", display=asks)
    assert not is_shown(window)
    window.scene.clear()
    for well in ("A1", "A2"):
        show(1, well=well, display=asks)
    assert is_shown(window)


def test_it_goes_with_the_last_layer(window: LiveWindow, show: Show, overview: Overview) -> None:
    for well in ("A1", "A2"):
        show(1, well=well)
    overview.choose(True)
    window.viewer.layers.remove(window.viewer.layers["Image"])
    assert not window.viewer.layers
    assert not overview.tiles.places
    assert overview_button(window).isHidden()
    for well in ("A1", "A2"):
        show(1, well=well)
    overview.choose(True)
    window.scene.clear()
    assert not window.viewer.layers
    assert overview.tiles.nbytes == 0
    show(1, well="A1")
    assert [layer.name for layer in window.viewer.layers] == ["Image"]


def test_beside_layers_of_the_user_s_it_lies_over_none(
    window: LiveWindow, show: Show, overview: Overview
) -> None:
    window.viewer.add_image(np.zeros((3, 100, 50)), name="mine")
    for well in ("A1", "A2"):
        show(1, well=well, display=Display(scale={"y": 0.5, "x": 0.5}, unit="um"))
    overview.choose(True)
    show.paint()
    assert overview.layer is not None
    assert overview.layer.extent.world[0, 1] > 50
    assert [str(unit) for unit in overview.layer.units] == ["micrometer", "micrometer"]
    assert window.viewer.layers["mine"].data.shape == (3, 100, 50)
    assert len(window.scene._sliders.grid.beside) == 1


def test_seen_along_another_axis_it_harms_nothing(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    for number, well in enumerate(("A1", "A2", "A3")):
        show(number + 1, well=well, z_index=1)
    overview.choose(True)
    settle()
    window.viewer.dims.order = (1, 2, 0, 3)
    settle()
    assert window.viewer.layers["Image"]._slice.image.raw[:, 5].tolist() == [1, 2, 3]
    click(window, show, "A1")
    assert window.scene.following, "there is nothing to be clicked at"
    window.viewer.dims.order = (0, 1, 2, 3)
    settle()
    assert window.screenshot().startswith(b"\x89PNG")
