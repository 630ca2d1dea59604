"""What the overview's tiles show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coverslip.payload import Display, Kind, Source, place
from coverslip.viewers.napari.overview import Overview
from tests.viewers.napari.conftest import Show, plane
from tests.viewers.napari.overview.looking import FULL, click, color_at, is_framed

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui


def test_each_well_has_the_tile_of_its_newest_plane_at_its_place(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    wells = {"A1": 20, "B3": 60, "A3": 100}
    for well, value in wells.items():
        show(7, well=well, site=1, display=FULL)
        show(value, well=well, site=2, display=FULL)
    overview.choose(True)
    settle()
    assert overview._mosaic is not None
    assert overview._mosaic.layout.plate == (2, 3)
    for well, value in wells.items():
        assert color_at(overview, well) == pytest.approx((255 * value / 100,) * 3, abs=3)
    show(80, well="A1", site=1, display=FULL)
    settle()
    assert color_at(overview, "A1") == pytest.approx((204,) * 3, abs=3)


def test_it_is_drawn_as_the_pictures_are(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    for well in ("A1", "A2"):
        for channel, color, value in (("1", "red", 100), ("2", "green", 50)):
            display = Display(colormap=color, contrast_limits=(0, 100))
            show(value, well=well, channel=channel, display=display)
    overview.choose(True)
    settle()
    assert color_at(overview, "A2") == pytest.approx((255, 127, 0), abs=3)
    red, green = (window.viewer.layers[f"Channel_{number}"] for number in (1, 2))
    red.visible = False
    settle()
    assert color_at(overview, "A2") == pytest.approx((0, 127, 0), abs=3)
    green.contrast_limits = (0, 200)
    settle()
    assert color_at(overview, "A1") == pytest.approx((0, 64, 0), abs=3)
    green.colormap, green.opacity = "blue", 0.5
    settle()
    assert color_at(overview, "A1") == pytest.approx((0, 0, 32), abs=3)


def test_of_several_steps_the_one_that_is_shown_is_seen(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    for number, name, value in ((0, "raw", 100), (1, "blur", 40)):
        for well in ("A1", "A2"):
            display = Display(colormap="gray", contrast_limits=(0, 100))
            show(value, well=well, step=(number, name), channel="1", display=display)
    overview.choose(True)
    settle()
    assert color_at(overview, "A1") == pytest.approx((102,) * 3, abs=3)
    window.scene._steps.choose(0)
    settle()
    assert color_at(overview, "A1") == pytest.approx((255,) * 3, abs=3)
    window.scene._steps.choose(2)
    settle()
    assert color_at(overview, "A1") == pytest.approx((102,) * 3, abs=3), "side by side: the last"


def test_planes_of_any_size_and_rgb_have_tiles_and_labels_have_none(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    show(plane(100, shape=(300, 400)), well="A1", display=FULL)
    show(plane(50, shape=(64, 16)), well="A2", display=FULL)
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[..., 2] = 200
    show(rgb, well="A3", name="stained")
    show(plane(9), well="B1", kind="labels")
    overview.choose(True)
    settle()
    assert overview.tiles.on_plate(None).keys() == {"A1", "A2", "A3"}
    assert color_at(overview, "A1") == pytest.approx((255,) * 3, abs=3)
    assert color_at(overview, "A2") == pytest.approx((127,) * 3, abs=3)
    assert color_at(overview, "A3") == pytest.approx((0, 0, 200), abs=3)


def test_wells_that_are_no_positions_stand_in_natural_order(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    show(20, well="w1", display=FULL)
    show(100, well="w10", display=FULL)
    overview.choose(True)
    settle()
    show(60, well="w2", display=FULL)
    settle()
    assert overview._mosaic is not None
    assert overview._mosaic.layout.places == {"w1": (0, 0), "w2": (0, 1), "w10": (0, 2)}
    for well, value in (("w1", 20), ("w2", 60), ("w10", 100)):
        assert color_at(overview, well) == pytest.approx((255 * value / 100,) * 3, abs=3)


def test_a_plate_that_grows_keeps_its_tiles(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    show(20, well="A1", display=FULL)
    show(40, well="A2", display=FULL)
    overview.choose(True)
    settle()
    for well, plate in (("B3", (2, 3)), ("H12", (8, 12)), ("P24", (16, 24)), ("AF48", (32, 48))):
        show(100, well=well, display=FULL)
        settle()
        assert overview._mosaic is not None
        assert overview._mosaic.layout.plate == plate
        assert overview._mosaic.pixels.size <= 9 << 20
        assert color_at(overview, "A1") == pytest.approx((51,) * 3, abs=3)
        assert color_at(overview, well) == pytest.approx((255,) * 3, abs=3)


@pytest.mark.parametrize("mode", ["stack", "slice"])
def test_of_two_plates_the_one_in_view_is_seen(
    window: LiveWindow,
    show: Show,
    overview: Overview,
    settle: Callable[[], None],
    mode: str,
) -> None:
    plates = {"one": {"A1": 20, "A2": 40}, "two": {"A1": 60, "A2": 80, "A3": 100}}
    for plate_name, wells in plates.items():
        for well, value in wells.items():
            show(value, plate=plate_name, well=well, display=FULL, modes={"plate": mode})
    overview.choose(True)
    settle()

    def assert_seen(plate_name: str) -> None:
        wells = plates[plate_name]
        assert overview._mosaic is not None
        assert overview._mosaic.layout.places.keys() == wells.keys()
        for well, value in wells.items():
            assert color_at(overview, well) == pytest.approx((255 * value / 100,) * 3, abs=3)

    def look_at(plate_name: str) -> None:
        if mode == "stack":
            window.viewer.dims.set_current_step(0, list(plates).index(plate_name))
        else:
            for name in plates:
                window.viewer.layers[f"Plate_{name}"].visible = name == plate_name
        settle()

    assert_seen("two")
    look_at("one")
    assert_seen("one")
    click(window, show, "A2")
    (picture,) = (live.drawn for live in window.scene.layers() if live.drawn.visible)
    assert picture._slice.image.raw[5, 5] == 40
    look_at("two")
    assert_seen("two")
    assert is_framed(overview, "A2")


def test_what_is_removed_or_replaced_leaves_the_overview(
    window: LiveWindow, show: Show, overview: Overview, settle: Callable[[], None]
) -> None:
    for well in ("A1", "A2"):
        show(50, well=well, channel="1", display=FULL, replace="first")
        show(50, well=well, channel="2", display=FULL)
    overview.choose(True)
    settle()
    assert color_at(overview, "A2") == pytest.approx((255,) * 3, abs=3)
    window.viewer.layers.remove(window.viewer.layers["Channel_2"])
    settle()
    assert color_at(overview, "A2") == pytest.approx((127,) * 3, abs=3)
    show(100, well="A1", channel="1", display=FULL, replace="second")
    settle()
    assert overview.tiles.on_plate(None).keys() == {"A1"}
    assert color_at(overview, "A1") == pytest.approx((255,) * 3, abs=3)


def test_tiles_are_made_of_images_with_wells_by_the_thread_that_receives(
    free_port: Callable[[], int],
) -> None:
    from coverslip.viewers.napari.server import NapariViewerServer

    def tile(kind: Kind = "image", **components: Any) -> Any:
        placement = place(
            Source(),
            components,
            shape=(300, 400),
            dtype="<u2",
            rgb=False,
            defaults={},
            own_layer=frozenset(),
            kind=kind,
        )
        return server.reduce(placement, plane(7, shape=(300, 400)))

    server = NapariViewerServer(port=free_port())
    try:
        assert tile(well="A1").shape == (75, 100)
        assert tile(site=1) is None
        assert tile("labels", well="A1") is None
    finally:
        server.close()
