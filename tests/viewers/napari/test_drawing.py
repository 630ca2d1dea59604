"""Planes are drawn as they ask to be, until the user has another opinion."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest

from coverslip.payload import Display, UnsupportedArray, as_points
from coverslip.viewers.napari import retention
from tests.viewers.napari.conftest import Show, plane
from tests.viewers.napari.looking import drawn
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui

MICROMETRES = Display(scale={"z": 2.0, "y": 0.325, "x": 0.325}, unit="um")


def test_a_layer_looks_as_its_planes_ask(window: LiveWindow, show: Show) -> None:
    display = Display(
        colormap="magma", contrast_limits=(10, 90), opacity=0.7, blending="translucent"
    )
    show(5, display=display, channel="DAPI")
    show(3000, display=display, channel="DAPI", z_index=1)
    layer = window.viewer.layers["Channel_DAPI"]
    assert (layer.colormap.name, layer.opacity, layer.blending) == ("magma", 0.7, "translucent")
    assert list(layer.contrast_limits) == [10, 90]
    show(4000, display=display, channel="DAPI")
    assert list(layer.contrast_limits) == [10, 90], "what was declared is not widened"


def test_what_the_user_touched_is_the_user_s(window: LiveWindow, show: Show) -> None:
    show(5, display=Display(colormap="magma", opacity=0.7))
    layer = window.viewer.layers["Image"]
    layer.colormap, layer.opacity, layer.contrast_limits = "green", 1.0, (3, 4)
    show(9, display=Display(colormap="red", opacity=0.2, contrast_limits=(0, 1)))
    assert (layer.colormap.name, layer.opacity) == ("green", 1.0)
    assert list(layer.contrast_limits) == [3, 4]


def test_unknown_looks_are_counted_and_said_once(
    window: LiveWindow, show: Show, caplog: pytest.LogCaptureFixture
) -> None:
    odd = Display(colormap="no such LUT", blending="swirl")
    told: list[str] = []
    window.scene.looks.tell = told.append
    with caplog.at_level(logging.WARNING):
        for well in ("A1", "A2"):
            show(5, well=well, modes={"well": "separate"}, display=odd)
        show(as_points([[1, 1]]), kind="points", display=odd)
    assert len(window.viewer.layers) == 3
    assert window.scene.looks.unknown == {
        "colormap 'no such LUT'": 2,
        "blending 'swirl'": 3,
        "colour 'no such LUT'": 1,
    }
    assert len(caplog.records) == len(told) == 3
    assert told[-1].startswith("napari has no colormap 'no such LUT', blending 'swirl', colour")


@pytest.mark.parametrize(
    ("asked", "given"), [("Grays", "gray"), ("Green", "green"), ("viridis", "viridis")]
)
def test_imagej_s_spelling_is_understood(
    window: LiveWindow, show: Show, asked: str, given: str
) -> None:
    show(5, display=Display(colormap=asked))
    assert window.viewer.layers["Image"].colormap.name == given


def test_steps_in_micrometres_hold_for_all_layers(window: LiveWindow, show: Show) -> None:
    show(1, well="A1", z_index=3, channel="raw")
    show(as_points([[1, 1]]), kind="points", well="A1", z_index=3)
    for z in (1, 2, 3):
        show(z, well="A1", z_index=z, channel="DAPI", display=MICROMETRES)
    dapi, raw = (window.viewer.layers[f"Channel_{name}"] for name in ("DAPI", "raw"))
    assert tuple(dapi.axis_labels) == ("well", "z_index", "y", "x")
    assert tuple(dapi.scale) == (1, 2, 0.325, 0.325)
    assert [str(unit) for unit in dapi.units] == ["pixel", "micrometer", "micrometer", "micrometer"]
    assert tuple(raw.scale) == tuple(dapi.scale), "its planes say nothing of their own"
    assert window.viewer.canvas.overlays.scale_bar.visible
    for position, z in enumerate((1, 2, 3)):
        window.viewer.dims.set_current_step(1, position)
        assert drawn(window, "Channel_DAPI")[5, 5] == z
    assert drawn(window, "Channel_raw")[5, 5] == 1
    show(7, well="A1", z_index=0, channel="DAPI", display=MICROMETRES)
    assert tuple(dapi.scale) == (1, 2, 0.325, 0.325)


@pytest.mark.parametrize("unit", ["flurbs", "9**9**9**9", "m**"])
def test_planes_in_a_unit_that_nobody_knows_are_shown_in_pixels(
    window: LiveWindow, show: Show, unit: str, caplog: pytest.LogCaptureFixture
) -> None:
    for channel in ("DAPI", "GFP"):
        show(5, channel=channel, display=Display(scale={"x": 0.5, "y": 0.5}, unit=unit))
    assert unit in caplog.text
    for layer in window.viewer.layers:
        assert [str(one) for one in layer.units] == ["pixel", "pixel"]
        assert tuple(layer.scale) == (0.5, 0.5)
    show(5, channel="Cy5", display=MICROMETRES)
    assert str(window.viewer.layers["Channel_Cy5"].units[-1]) == "micrometer"


def test_steps_in_metres_and_none_make_one_world(window: LiveWindow, show: Show) -> None:
    show(1, name="a", z_index=0)
    show(2, name="b", z_index=0, display=Display(scale={"y": 3.25e-7, "x": 3.25e-7}, unit="m"))
    show(3, name="c", z_index=0, display=Display(scale={"y": 650.0, "x": 650.0}, unit="nm"))
    show(4, name="d", z_index=0)
    scales = {layer.name: layer.scale[-1] for layer in window.viewer.layers}
    assert scales == pytest.approx({"a": 0.325, "b": 0.325, "c": 0.65, "d": 0.325})
    assert {str(unit) for layer in window.viewer.layers for unit in layer.units} == {"micrometer"}
    assert len(window.scene.layers()) == 4


@pytest.mark.parametrize("step", [3.25e-7, 1e-300, 1e300])
def test_steps_that_cannot_be_drawn_are_said_and_left(
    window: LiveWindow, show: Show, step: float, caplog: pytest.LogCaptureFixture
) -> None:
    show(1, name="a", z_index=0)
    odd = Display(scale=dict.fromkeys(("y", "x", "z_index"), step))
    for z in (0, 1):
        show(2, name="b", z_index=z, display=odd)
    show(as_points([[2**24, 1]]), kind="points", z_index=0, display=odd)
    assert f"{step:g} on" in caplog.text
    assert all(set(layer.scale) == {1.0} for layer in window.viewer.layers)
    show(3, name="c", z_index=0, display=MICROMETRES)
    assert all(layer.scale[-1] == 0.325 for layer in window.viewer.layers)
    assert drawn(window, "c")[5, 5] == 3
    window.scene.clear()
    assert not window.viewer.layers


def test_what_reaches_too_far_is_refused_and_harms_nothing(window: LiveWindow, show: Show) -> None:
    window.viewer.add_image(plane(1), name="theirs", scale=(1e-5, 1e-5))
    show(1, name="a", z_index=0, display=Display(scale={"y": 2.0, "x": 2.0}))
    for _ in range(2):
        with pytest.raises(UnsupportedArray, match="check scale and coordinates"):
            show(as_points([[2**24, 1]]), kind="points", z_index=0)
        show(as_points([[2, 1]]), kind="points", z_index=0)
    show(1, name="b", z_index=0)
    assert [live.drawn.name for live in window.scene.layers()] == ["a", "b", "Points"]
    window.scene.clear()
    assert [layer.name for layer in window.viewer.layers] == ["theirs"]


def test_an_axis_that_comes_later_has_its_step(window: LiveWindow, show: Show) -> None:
    show(1, well="A1", display=MICROMETRES)
    show(as_points([[2, 2]]), kind="points", well="A1", display=MICROMETRES)
    for z in (4, 5):
        show(z, well="A1", z_index=z, display=MICROMETRES)
    for layer in window.viewer.layers:
        if layer.name != "Points":
            assert tuple(layer.scale) == (1, 2, 0.325, 0.325)
    assert tuple(window.viewer.layers["Points"].scale) == (0.325, 0.325)
    assert window.viewer.dims.current_step[1] == 1


def test_planes_of_several_sizes_are_padded_when_they_are_read(
    window: LiveWindow, show: Show
) -> None:
    pad = Display(pad=True)
    sizes = {"A1": (16, 24), "A2": (40, 12), "A3": (10, 60)}
    for well, size in sizes.items():
        show(plane(int(well[1]), shape=size), well=well, display=pad)
    (layer,) = window.viewer.layers
    assert layer.data.shape == (3, 40, 60)
    for position, (well, size) in enumerate(sizes.items()):
        window.viewer.dims.set_current_step(0, position)
        picture = drawn(window, "Image")
        assert picture.shape == (40, 60)
        assert np.array_equal(picture[: size[0], : size[1]], plane(int(well[1]), shape=size))
        assert picture.sum() == plane(int(well[1]), shape=size).sum()
        held = window.scene.layers()[0].layer.store.get((well,))
        assert held is not None
        assert held.shape == size
    assert layer.extent.data[1].tolist() == [2, 39, 59]


def test_without_padding_each_size_has_a_layer_of_its_own(window: LiveWindow, show: Show) -> None:
    show(plane(1, shape=(16, 24)), well="A1")
    show(plane(1, shape=(8, 8)), well="A2")
    assert [layer.name for layer in window.viewer.layers] == ["Image", "Image (8 x 8)"]


def test_a_replacement_empties_its_layers_and_no_others(window: LiveWindow, show: Show) -> None:
    show(1, well="A1", name="other")
    for well in ("A1", "A2"):
        show(2, well=well, replace="first")
    window.viewer.layers["Image"].opacity = 0.4
    window.scene.follow(False)
    window.viewer.dims.set_current_step(0, 0)
    show(3, well="A2", replace="second")
    assert not drawn(window, "Image").any(), "what was in view is gone"
    assert window.viewer.layers["Image"].opacity == 0.4
    window.viewer.dims.set_current_step(0, 1)
    assert drawn(window, "Image")[5, 5] == 3
    assert {len(live.layer.store) for live in window.scene.layers()} == {1}


def test_the_sliders_have_what_replaced_the_planes_and_no_more_once_it_is_there(
    window: LiveWindow, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    for z in range(5):
        show(1, z_index=z, replace="first")
    dims = window.viewer.dims
    dims.set_current_step(0, 3)
    monkeypatch.setattr(retention, "_ALL_THERE", DEADLINE)
    for z in (0, 1):
        show(2, z_index=z, replace="second")
    assert (dims.nsteps[0], dims.current_step[0]) == (5, 3), "the user's place may come yet"
    monkeypatch.setattr(retention, "_ALL_THERE", 0.0)
    show.paint()
    show.paint()
    assert window.scene.projection.axes["z_index"].values == (0, 1, 3), "it is looked at"
    assert (dims.nsteps[0], dims.current_step[0]) == (3, 2)
    dims.set_current_step(0, 1)
    show.paint()
    show.paint()
    assert dims.nsteps[0] == 2
    assert drawn(window, "Image")[5, 5] == 2


def test_steps_are_shown_one_by_one_or_side_by_side(window: LiveWindow, show: Show) -> None:
    def shown() -> list[str]:
        return [layer.name for layer in window.viewer.layers if layer.visible]

    for number, step in enumerate(("raw", "blur")):
        for channel in ("DAPI", "GFP"):
            show(5, channel=channel, step=(number, step))
    show(as_points([[1, 1]]), kind="points")
    raw = ["Step_00_raw_Channel_DAPI", "Step_00_raw_Channel_GFP"]
    blur = ["Step_01_blur_Channel_DAPI", "Step_01_blur_Channel_GFP"]
    combo = window.scene.bar._steps
    assert [combo.itemText(i) for i in range(combo.count())] == [
        "0 raw",
        "1 blur",
        "all, side by side",
    ]
    combo.activated.emit(0)
    assert shown() == [*raw, "Points"]
    window.scene._steps.next()
    assert shown() == [*blur, "Points"]
    window.scene._steps.next()
    assert shown() == [*raw, *blur, "Points"]
    grid = window.viewer.canvas.grid
    assert (grid.enabled, grid.stride) == (True, 2)
    show(5, channel="DAPI", step=(2, "late"))
    late = ["Step_02_late_Channel_DAPI"]
    assert shown() == [*raw, *blur, *late, "Points"], "the choice holds for what comes later"
    window.scene._steps.choose(2)
    assert shown() == [*late, "Points"]
    assert not grid.enabled
    show(5, channel="GFP", step=(2, "late"))
    show(5, channel="DAPI", step=(3, "later"))
    assert shown() == [*late, "Step_02_late_Channel_GFP", "Points"]


def test_a_stack_and_its_projection_are_to_be_chosen_from(window: LiveWindow, show: Show) -> None:
    def offered() -> list[str]:
        return [combo.itemText(number) for number in range(combo.count())]

    def shown() -> list[str]:
        return [layer.name for layer in window.viewer.layers if layer.visible]

    combo = window.scene.bar._steps
    for channel in (1, 2, 3):
        show(5, well="A1", channel=channel)
    assert combo.isHidden()
    for channel in (1, 2):
        for z in (1, 2):
            show(6, well="A1", channel=channel, z_index=z)
    assert offered() == ["without z_index", "with z_index", "all, side by side"]
    projections = [f"Channel_{number}" for number in (1, 2, 3)]
    stacks = [f"Channel_{number} (with z_index)" for number in (1, 2)]
    assert shown() == projections, "nothing has been chosen yet"
    window.viewer.layers.selection.active = window.viewer.layers["Channel_2"]
    combo.activated.emit(1)
    assert shown() == stacks
    active = window.viewer.layers.selection.active
    assert active is window.viewer.layers["Channel_2 (with z_index)"], "not what is hidden now"
    assert window.viewer.canvas.overlays.text.text == "well A1    z_index 1"
    window.scene._steps.next()
    assert shown() == [*projections, *stacks]
    window.scene._steps.next()
    assert shown() == projections
    for z in (1, 2):
        show(7, well="A1", channel=1, z_index=z, step=(0, "raw"))
    assert offered()[0] == "0 raw"
    combo.activated.emit(0)
    assert shown() == ["Step_00_raw_Channel_1"]
    show(7, well="A1", channel=1, step=(0, "raw"))
    assert offered()[:2] == ["0 raw without z_index", "0 raw with z_index"]
    assert shown() == ["Step_00_raw_Channel_1 (no z_index)"], "the step that was chosen"


def test_one_step_alone_is_nothing_to_choose_from(window: LiveWindow, show: Show) -> None:
    show(5, channel="DAPI", step=(0, "raw"))
    assert window.scene.bar._steps.isHidden()
    window.scene._steps.next()
    assert [layer.visible for layer in window.viewer.layers] == [True]
