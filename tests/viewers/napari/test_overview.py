"""The plate at a glance: what its tiles show, where it stands, what a click on one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coverslip.payload import Display, Kind, Source, as_points, place
from coverslip.viewers.napari.overview import Overview
from tests.viewers.napari.conftest import Show, plane
from tests.waiting import eventually

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui

FULL = Display(contrast_limits=(0, 100), colormap="gray")


def overview_button(window: LiveWindow) -> Any:
    return window.scene.bar._overview


def is_shown(window: LiveWindow) -> bool:
    return "Plate overview" in [layer.name for layer in window.viewer.layers]


@pytest.fixture(scope="module")
def one_window(qt_application: Any) -> Iterator[LiveWindow]:
    """A window for all tests here: to open one takes longer than most of them."""
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


# ---- shown, and not -------------------------------------------------------------------


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


# ---- what the tiles show --------------------------------------------------------------


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


# ---- which well, and going there ------------------------------------------------------


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
