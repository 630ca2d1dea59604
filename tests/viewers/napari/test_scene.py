"""What a napari window shows of planes that come in any order, and tells clients of them."""

from __future__ import annotations

import itertools
import logging
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coverslip.viewers.napari.snapshot import snapshot_of
from tests.viewers.napari.conftest import Show, plane
from tests.viewers.napari.looking import drawn, follows, values

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui


def test_planes_in_any_order_make_the_same_stacks(window: LiveWindow, show: Show) -> None:
    places = list(itertools.product(("A2", "A10", "B1"), (1, 2, 10), ("DAPI", "GFP")))
    for well, z, channel in random.Random(3).sample(places, len(places)):
        show(hash_of(well, z, channel), well=well, z_index=z, channel=channel)
    assert sorted(layer.name for layer in window.viewer.layers) == ["Channel_DAPI", "Channel_GFP"]
    for channel in ("DAPI", "GFP"):
        data = window.viewer.layers[f"Channel_{channel}"].data
        assert data.shape == (3, 3, 16, 24)
        for (i, well), (j, z) in itertools.product(
            enumerate(("A2", "A10", "B1")), enumerate((1, 2, 10))
        ):
            assert data[i, j, 5, 5] == hash_of(well, z, channel)
    assert window.viewer.dims.axis_labels == ("well", "z_index", "y", "x")


def hash_of(well: str, z: int, channel: str) -> int:
    return 1000 * len(channel) + 100 * ("A2", "A10", "B1").index(well) + z


def test_a_layer_that_napari_refuses_leaves_nothing_behind(
    window: LiveWindow, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(5, well="A1")

    def refuse(*_: Any) -> None:
        raise ValueError("no such look")

    with monkeypatch.context() as patch:
        # After the layer was inserted, and before.
        patch.setattr(window.scene._steps, "know", refuse)
        with pytest.raises(ValueError, match="no such look"):
            show(6, well="A2", channel="GFP")
        patch.setattr(window.scene.looks, "dress", refuse)
        with pytest.raises(ValueError, match="no such look"):
            show(6, well="A3", channel="GFP")
    assert [layer.name for layer in window.scene.projection] == ["Image"]
    assert [layer.name for layer in window.viewer.layers] == ["Image"]
    assert list(window.scene.projection.axes["well"].values) == ["A1"]
    show(7, well="A2", channel="GFP")
    assert drawn(window, "Channel_GFP")[5, 5] == 7
    window.scene.clear()
    assert not window.viewer.layers
    assert not window.scene.projection.axes.names


def test_a_layer_that_is_added_and_removed_in_part_leaves_nothing_behind(
    window: LiveWindow, show: Show
) -> None:
    show(5, name="a")

    def refuse(event: Any) -> None:
        raise OverflowError("too many steps")

    larger = plane(6, shape=(50, 60))
    window.viewer.dims.events.range.connect(refuse)
    with pytest.raises(OverflowError, match="too many steps"):
        show(larger, name="b")
    window.viewer.dims.events.range.disconnect(refuse)
    assert [layer.name for layer in window.scene.projection] == ["a"]
    assert [live.drawn.name for live in window.scene.layers()] == ["a"]
    assert window.scene.planes == 1
    show(larger, name="b")
    assert drawn(window, "b")[5, 5] == 6
    window.scene.clear()
    assert not window.viewer.layers


def test_a_value_inserted_in_the_middle_leaves_the_eye_on_the_same_plane(
    window: LiveWindow, show: Show
) -> None:
    show(10, z_index=10, well="A1")
    show(30, z_index=30, well="A1")
    window.scene.follow(False)
    show(20, z_index=20, well="A1")
    show(5, z_index=5, well="A0")
    assert values(window) == {"well": "A1", "z_index": 30}
    assert drawn(window, "Image")[5, 5] == 30
    assert window.viewer.dims.current_step[:2] == (1, 3)


def test_an_axis_that_appears_late_grows_in_every_layer(window: LiveWindow, show: Show) -> None:
    show(11, channel="DAPI", z_index=1)
    show(12, channel="DAPI", z_index=2)
    window.viewer.layers["Channel_DAPI"].scale = (3, 0.5, 0.5)
    window.viewer.dims.set_current_step(0, 1)  # napari keeps the place in micrometres
    assert not follows(window)
    show(20, channel="DAPI", z_index=1, timepoint=7)
    show(21, channel="DAPI", z_index=1, timepoint=8)
    assert window.viewer.dims.axis_labels == ("timepoint", "z_index", "y", "x")
    assert values(window)["z_index"] == 2
    without, late = (layer for layer in window.viewer.layers)
    assert late.name == "Channel_DAPI (with timepoint)"
    assert without.visible
    assert not late.visible, "of two layers of one channel in one picture the first stays"
    assert tuple(without.scale) == tuple(late.scale) == (1, 3, 0.5, 0.5)
    assert without.data.shape == late.data.shape == (2, 2, 16, 24)
    for step in (0, 1):
        window.viewer.dims.set_current_step(0, step)
        assert drawn(window, "Channel_DAPI")[5, 5] == 12


def test_an_axis_in_the_middle_carries_scale_and_order_by_name(
    window: LiveWindow, show: Show
) -> None:
    show(1, well="A1", z_index=1)
    show(2, well="A2", z_index=2)
    image = window.viewer.layers["Image"]
    image.scale = (7, 3, 0.5, 0.5)
    window.viewer.dims.order = (1, 0, 2, 3)
    show(3, well="A1", z_index=1, site=4)
    assert window.viewer.dims.axis_labels == ("well", "site", "z_index", "y", "x")
    assert tuple(image.scale) == (7, 1, 3, 0.5, 0.5)
    assert window.viewer.dims.order == (1, 2, 0, 3, 4)


def test_ragged_planes_are_shown_as_they_come(window: LiveWindow, show: Show) -> None:
    show(1, channel="w1", z_index=1)
    show(2, channel="w1", z_index=2)
    show(3, channel="w3")
    show(9, channel="w1")
    assert [layer.name for layer in window.viewer.layers] == [
        "Channel_w1 (no z_index)",
        "Channel_w3",
        "Channel_w1",
    ]
    window.viewer.dims.set_current_step(0, 0)
    assert drawn(window, "Channel_w1")[5, 5] == 1
    assert drawn(window, "Channel_w3")[5, 5] == 3
    assert not window.viewer.layers["Channel_w1 (no z_index)"].visible  # one picture of w1


def test_channels_stand_in_their_order_whatever_order_they_come_in(
    window: LiveWindow, show: Show
) -> None:
    for channel in (10, 2, 1):
        show(1, channel=channel)
    for channel in (2, 1):
        show(1, channel=channel, z_index=1)
    show(1)
    assert [layer.name for layer in window.viewer.layers] == [
        "Channel_1",
        "Channel_2",
        "Channel_10",
        "Channel_1 (with z_index)",
        "Channel_2 (with z_index)",
        "Image",
    ]
    show(1, channel=3)
    assert window.viewer.layers.index("Channel_3") == 2


def test_other_shapes_and_dtypes_have_layers_of_their_own(window: LiveWindow, show: Show) -> None:
    show(plane(1), z_index=1)
    show(plane(1, shape=(8, 9)), z_index=2)
    show(plane(0.5, np.float32), z_index=3)
    assert [layer.name for layer in window.viewer.layers] == [
        "Image",
        "Image (float32)",
        "Image (9 x 8)",
    ]
    assert {layer.data.shape[0] for layer in window.viewer.layers} == {3}


def test_every_dtype_is_drawn(window: LiveWindow, show: Show) -> None:
    kinds = "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64"
    for dtype in kinds.split():
        show(plane(1, dtype), name=dtype, z_index=1)
        show(plane(1, dtype), name=dtype, z_index=2)
        assert window.viewer.layers[dtype].get_value((1, 5, 5)) == 1
        assert window.screenshot().startswith(b"\x89PNG")


def test_rgb_is_drawn(window: LiveWindow, show: Show) -> None:
    for dtype, colours in (("uint8", 3), ("uint8", 4), ("uint16", 3), ("float32", 3)):
        name = f"{dtype} {colours}"
        show(np.ones((16, 24, colours), dtype), name=name, z_index=1)
        show(np.ones((16, 24, colours), dtype), name=name, z_index=2)
        layer = window.viewer.layers[name]
        assert layer.rgb
        assert layer.data.shape == (2, 16, 24, colours)
        assert window.screenshot().startswith(b"\x89PNG")


def test_a_plane_without_components(window: LiveWindow, show: Show) -> None:
    show(1)
    show(2)
    assert len(window.viewer.layers) == 1
    assert drawn(window, "Image")[5, 5] == 2


def test_in_three_dimensions_the_stack_of_one_well_is_built(window: LiveWindow, show: Show) -> None:
    for well, z in itertools.product(("A1", "A2"), (1, 2, 3)):
        show(10 * int(well[1]) + z, well=well, z_index=z)
    window.viewer.dims.ndisplay = 3
    show.process_events()
    assert drawn(window, "Image").shape == (3, 16, 24)
    assert drawn(window, "Image")[:, 5, 5].tolist() == [21, 22, 23]
    show(99, well="A2", z_index=2)  # in view, though no slider stands at it
    assert drawn(window, "Image")[:, 5, 5].tolist() == [21, 99, 23]
    assert follows(window)


def test_a_view_along_another_axis(window: LiveWindow, show: Show) -> None:
    for z in (1, 2, 3):
        show(z, z_index=z)
    window.viewer.dims.order = (1, 0, 2)
    window.viewer.dims.set_current_step(1, 5)
    assert drawn(window, "Image").shape == (3, 24)
    assert drawn(window, "Image")[:, 5].tolist() == [1, 2, 3]


def test_a_replaced_plane_is_drawn_if_it_is_in_view(window: LiveWindow, show: Show) -> None:
    show(1, z_index=1)
    show(2, z_index=2)
    show(22, z_index=2)
    assert drawn(window, "Image")[5, 5] == 22
    window.scene.follow(False)
    before = drawn(window, "Image")
    show(11, z_index=1)
    assert drawn(window, "Image") is before


def test_a_collision_is_counted_and_named_once_a_burst(
    window: LiveWindow, show: Show, caplog: pytest.LogCaptureFixture
) -> None:
    show(1, z_index=1, origin="a.tif")
    with caplog.at_level(logging.WARNING):
        show(2, z_index=1, origin="b.tif")
        show(3, z_index=1, origin="c.tif")
    assert window.scene.projection.collisions == 2
    window.scene.say()
    from qtpy.QtWidgets import QLabel

    (words,) = window.scene.bar.findChildren(QLabel)
    assert "2 replaced by another file's or step's" in words.text()
    (said,) = [record.message for record in caplog.records if "replaced" in record.message]
    assert said.startswith("1 plane(s) replaced one of another step or output; the last: b.tif")


def test_a_thousand_planes_out_of_view_repaint_nothing(window: LiveWindow, show: Show) -> None:
    for z in range(1000):
        show(1, z_index=z, paint=False)
    show.paint()
    window.viewer.dims.set_current_step(0, 0)
    image = window.viewer.layers["Image"]
    redraws: list[Any] = []
    image.events.set_data.connect(redraws.append)
    for z in range(1, 1000):
        show(2, z_index=z, paint=z % 100 == 0)
    assert redraws == []
    show(2, z_index=0)
    assert len(redraws) == 1
    assert image.data.shape == (1000, 16, 24)


def test_a_burst_in_view_is_one_repaint(window: LiveWindow, show: Show) -> None:
    show(1, z_index=1)
    redraws: list[Any] = []
    window.viewer.layers["Image"].events.set_data.connect(redraws.append)
    for value in range(2, 50):
        show(value, z_index=1, paint=False)
    show.paint()
    assert len(redraws) == 1
    assert drawn(window, "Image")[5, 5] == 49


# ---- what is told to clients ----------------------------------------------------------


def test_a_snapshot_says_all_and_holds_the_very_pixels(window: LiveWindow, show: Show) -> None:
    sent = plane(4)
    show(plane(3), channel="DAPI", well="A10", z_index=1)
    show(sent, channel="DAPI", well="A2", z_index=2, paint=False)
    (told,) = map(snapshot_of, window.scene.layers())
    assert told.name == "Channel_DAPI"
    assert told.axes == ("well", "z_index", "y", "x")
    assert told.labels == {"well": ("A2", "A10"), "z_index": (1, 2)}
    assert told.shape == (2, 2, 16, 24)
    assert told.dtype == "<u2"
    assert [components for components, _ in told.planes] == [
        {"channel": "DAPI", "well": "A2", "z_index": 2},
        {"channel": "DAPI", "well": "A10", "z_index": 1},
    ]
    assert told.planes[0][1] is sent
    assert told.contrast_limits is not None


def test_a_snapshot_of_rgb(window: LiveWindow, show: Show) -> None:
    show(np.ones((16, 24, 3), np.uint8), z_index=1)
    (told,) = map(snapshot_of, window.scene.layers())
    assert told.axes == ("z_index", "y", "x", "c")
    assert told.shape == (1, 16, 24, 3)
    assert told.contrast_limits is None
