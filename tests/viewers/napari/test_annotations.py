"""Annotations in a napari window: in place, scrolling with the images, above them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import roifile

from coverslip.payload import InvalidMessage, as_points, as_rois, as_shapes, as_tracks
from coverslip.viewers.napari.snapshot import snapshot_of
from tests.viewers.napari.conftest import Show, plane
from tests.viewers.napari.looking import values

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui

SQUARE = np.array([[2, 2], [2, 8], [8, 8], [8, 2]])


def go(window: LiveWindow, show: Show, **place: Any) -> None:
    """Move the sliders, as the user does."""
    names = window.viewer.dims.axis_labels
    grid = window.scene._sliders.grid
    for name, value in place.items():
        position = grid.values[grid.names.index(name)].index(value)
        window.viewer.dims.set_current_step(names.index(name), position)
    show.process_events()


def drawn_points(window: LiveWindow, name: str = "Points") -> Any:
    return window.viewer.layers[name]._view_data.tolist()


def test_points_scroll_with_the_images(window: LiveWindow, show: Show) -> None:
    for well, z in (("A1", 1), ("A1", 2), ("A2", 1), ("A2", 2)):
        show(5, well=well, z_index=z)
        if (well, z) != ("A2", 2):
            show(
                as_points([[z, len(well)], [ord(well[1]), 4]]), kind="points", well=well, z_index=z
            )
    go(window, show, well="A1", z_index=2)
    assert drawn_points(window) == [[2, 2], [49, 4]]
    go(window, show, well="A2", z_index=1)
    assert drawn_points(window) == [[1, 2], [50, 4]]
    go(window, show, z_index=2)
    assert drawn_points(window) == []
    assert window.viewer.layers["Points"].visible


def test_a_value_inserted_before_the_others_takes_the_points_along(
    window: LiveWindow, show: Show
) -> None:
    show(5, z_index=7)
    show(as_points([[7, 7]]), kind="points", z_index=7)
    show(as_points([[9, 1, 1], [7, 2, 2]], along=1), kind="points", along=("z_index",), name="rows")
    window.scene.follow(False)
    go(window, show, z_index=7)
    show(5, z_index=3)
    show(5, z_index=7, site=4)
    assert window.viewer.dims.axis_labels == ("site", "z_index", "y", "x")
    assert drawn_points(window) == [[7, 7]]
    assert drawn_points(window, "rows") == [[2, 2]]
    go(window, show, z_index=3)
    assert drawn_points(window) == drawn_points(window, "rows") == []
    go(window, show, z_index=9)
    assert drawn_points(window, "rows") == [[1, 1]]


def test_annotations_without_an_axis_stand_at_each_of_its_positions(
    window: LiveWindow, show: Show
) -> None:
    for z in (1, 2, 3):
        show(5, well="A1", z_index=z)
    show(as_points([[3, 3]]), kind="points", well="A1")
    show(as_points([[4, 4]]), kind="points", name="everywhere")
    for z in (1, 2, 3):
        go(window, show, z_index=z)
        assert drawn_points(window) == [[3, 3]]
        assert drawn_points(window, "everywhere") == [[4, 4]]


def test_a_table_replaces_the_one_before_and_an_empty_one_takes_it_away(
    window: LiveWindow, show: Show
) -> None:
    show(5, well="A1")
    for table in ([[1, 1]], [[2, 2], [3, 3]], []):
        show(as_points(table), kind="points", well="A1")
        assert drawn_points(window) == table


def test_outlines_are_closed_where_shapes_are(window: LiveWindow, show: Show) -> None:
    show(5)
    shapes = [SQUARE, SQUARE[:3] + 10, SQUARE[:2], SQUARE]
    table = as_shapes(shapes, ["polygon", "path", "line", "ellipse"])
    show(table, kind="shapes")
    lines = window.viewer.layers["Shapes"].data
    assert len(lines) == 4 + 2 + 1 + 48
    assert lines[:4, 0].tolist() == SQUARE.tolist()
    assert lines[:4].sum(axis=1).tolist() == np.roll(SQUARE, -1, axis=0).tolist()
    ellipse = lines[-48:, 0]
    assert np.allclose(np.linalg.norm(ellipse - [5, 5], axis=1), 3)


def test_thousands_of_outlines_are_drawn_whole_and_others_after_them(
    window: LiveWindow, show: Show
) -> None:
    show(5)
    for count, reach in ((4000, 4007), (3, 10)):
        table = as_shapes([SQUARE + number for number in range(count)])
        show(table, kind="shapes")
        layer = window.viewer.layers["Shapes"]
        assert len(layer._view_data) == 4 * count
        assert layer.extent.data.tolist() == [[2, 2], [reach, reach]]


def test_regions_of_imagej_are_drawn_as_outlines(window: LiveWindow, show: Show) -> None:
    show(5, well="A1")
    regions = [roifile.ImagejRoi.frompoints(SQUARE[:, ::-1] + k) for k in (0, 4)]
    show(as_rois(region.tobytes() for region in regions), kind="rois", well="A1")
    lines = window.viewer.layers["Rois"].data
    assert lines[:4, 0].tolist() == (SQUARE - 0.5).tolist()
    assert len(lines) == 8
    show(as_rois([]), kind="rois", well="A1")
    assert len(window.viewer.layers["Rois"].data) == 0


def test_regions_are_parsed_where_they_are_received_and_once(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from coverslip.viewers.napari import rows
    from coverslip.viewers.napari.server import NapariViewerServer

    region = roifile.ImagejRoi.frompoints(SQUARE[:, ::-1]).tobytes()
    server = NapariViewerServer(port=free_port())
    with pytest.raises(InvalidMessage, match="region 1"):
        server.prepare_table("rois", as_rois([region, b"Iout"]))
    table = as_rois([region])
    server.prepare_table("rois", table)
    server.close()
    monkeypatch.setattr(rows, "outlines", None)  # nothing is parsed from here on
    assert rows.as_vertices("rois", table)[:, -2:].tolist() == (SQUARE - 0.5).tolist()
    del table
    gc.collect()
    assert not rows._of_regions


def test_tracks_run_along_their_time(window: LiveWindow, show: Show) -> None:
    for well in ("A1", "A2"):
        for timepoint in (1, 2, 10):
            for z in (1, 2):
                show(5, well=well, timepoint=timepoint, z_index=z)
    table = as_tracks([[7, 1, 2, 2], [7, 2, 3, 3], [7, 10, 4, 4], [8, 10, 9, 9]])
    show(table, kind="tracks", along=("timepoint",), well="A1")
    go(window, show, well="A1", timepoint=10)
    layer = window.viewer.layers["Tracks"]
    assert tuple(layer.axis_labels) == ("timepoint", "z_index", "y", "x")
    assert layer.data[:, [0, 1, 3, 4]].tolist() == [
        [0, 0, 2, 2],
        [0, 1, 3, 3],
        [0, 2, 4, 4],
        [1, 2, 9, 9],
    ]
    assert layer.features["track_id"].tolist() == [7, 7, 7, 8]
    assert layer.current_time == 2
    show(5, well="A1", timepoint=0, z_index=1)
    assert layer.data[:, 1].tolist() == [1, 2, 3, 3]
    go(window, show, well="A2")
    assert len(layer.data) == 1, "one position alone, which napari draws nothing of"


def test_tracks_that_come_with_the_last_planes_leave_the_eye_on_the_newest(
    window: LiveWindow, show: Show
) -> None:
    for timepoint in (0, 1, 2, 3):
        show(5, well="A2", timepoint=timepoint, paint=False)
    table = as_tracks([[7, timepoint, 2, 2 + timepoint] for timepoint in (0, 1, 2, 3)])
    show(table, kind="tracks", along=("timepoint",), well="A2")
    assert values(window) == {"well": "A2", "timepoint": 3}
    assert window.viewer.layers["Tracks"].current_time == 3
    show(5, well="A1", timepoint=1)
    show(table, kind="tracks", along=("timepoint",), well="A2")
    assert values(window) == {"well": "A2", "timepoint": 1}, "no further than it says"


def test_tracks_among_more_axes_than_napari_s_have_are_seen_up_to_the_moment(
    window: LiveWindow, show: Show
) -> None:
    for timepoint in (1, 2, 3):
        for channel in ("DAPI", "GFP"):
            for z in (1, 2):
                modes = {"channel": "stack"}
                show(5, modes=modes, timepoint=timepoint, channel=channel, z_index=z)
    table = as_tracks([[7, 1, 2, 2], [7, 2, 3, 3], [7, 3, 4, 4], [8, 3, 9, 9]])
    show(table, kind="tracks", along=("timepoint",))
    layer = window.viewer.layers["Tracks"]
    assert tuple(layer.axis_labels) == ("z_index", "y", "x")
    for z, position in ((1, 0), (2, 1)):
        go(window, show, timepoint=2, z_index=z)
        assert layer.data.tolist() == [[0, position, 2, 2], [0, position, 3, 3]]
        assert layer.current_time == position
    go(window, show, timepoint=3)
    assert layer.data[:, -2:].tolist() == [[2, 2], [3, 3], [4, 4], [9, 9]]
    assert window.screenshot().startswith(b"\x89PNG")


def test_numbers_of_tracks_may_be_any_and_cost_nothing(window: LiveWindow, show: Show) -> None:
    table = as_tracks([[2**31 - 1, 2, 3, 3], [-1, 1, 2, 2], [2**31 - 1, 1, 4, 4]])
    show(table, kind="tracks", along=("timepoint",))
    layer = window.viewer.layers["Tracks"]
    assert layer.data[:, [0, 2, 3]].tolist() == [[0, 2, 2], [1, 4, 4], [1, 3, 3]]
    assert layer.features["track_id"].tolist() == [-1, 2**31 - 1, 2**31 - 1]


@pytest.mark.parametrize("place", [{}, {"well": "A1"}, {"well": "A1", "z_index": 1}])
def test_tracks_may_begin_with_none(window: LiveWindow, show: Show, place: dict[str, Any]) -> None:
    show(as_tracks([]), kind="tracks", along=("timepoint",), **place)
    assert [layer.kind for layer in map(snapshot_of, window.scene.layers())] == ["tracks"]
    show(as_tracks([[7, 1, 2, 2], [7, 2, 3, 3]]), kind="tracks", along=("timepoint",), **place)
    layer = window.viewer.layers["Tracks"]
    assert layer.data[:, -2:].tolist() == [[2, 2], [3, 3]]
    show(5, **place)
    assert "timepoint" in window.viewer.dims.axis_labels
    assert layer.data[:, -2:].tolist() == [[2, 2], [3, 3]]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.uint64])
def test_labels_have_all_their_values(window: LiveWindow, show: Show, dtype: Any) -> None:
    info = np.iinfo(dtype)
    mask = np.zeros((16, 24), dtype)
    mask[2, 3], mask[4, 5], mask[6, 7] = info.max, info.max - 1, max(info.min, 1 - info.max)
    show(5, well="A1")
    show(mask, kind="labels", well="A1")
    show(5, well="A2")
    layer = window.viewer.layers["Labels"]
    go(window, show, well="A1")
    for place in ((2, 3), (4, 5), (6, 7), (0, 0)):
        assert layer.get_value((0, *place)) == mask[place]
    go(window, show, well="A2")
    assert layer.get_value((1, 2, 3)) == 0
    assert not layer.editable


def test_annotations_stand_above_images_that_come_later(window: LiveWindow, show: Show) -> None:
    show(5, channel="DAPI")
    show(np.eye(16, 24, dtype=np.int32), kind="labels")
    show(as_points([[1, 1]]), kind="points")
    show(as_shapes([SQUARE]), kind="shapes")
    show(5, channel="GFP")
    names = [layer.name for layer in window.viewer.layers]
    assert names == ["Channel_DAPI", "Channel_GFP", "Labels", "Shapes", "Points"]


def test_annotations_alone_have_sliders_too(window: LiveWindow, show: Show) -> None:
    for well in ("A1", "A2"):
        show(as_points([[30, 40 + int(well[1])]]), kind="points", well=well)
    assert window.viewer.dims.axis_labels == ("well", "y", "x")
    assert drawn_points(window) == [[30, 42]]
    go(window, show, well="A1")
    assert drawn_points(window) == [[30, 41]]
    assert [layer.kind for layer in map(snapshot_of, window.scene.layers())] == ["points"]
    show(5, well="A1")
    assert [layer.name for layer in window.viewer.layers] == ["Image", "Points"]
    assert window.viewer.dims.axis_labels == ("well", "y", "x")


def test_the_last_annotation_takes_the_backdrop_with_it(window: LiveWindow, show: Show) -> None:
    show(as_points([[3, 4]]), kind="points", well="A1")
    del window.viewer.layers["Points"]
    show.paint()
    assert not window.viewer.layers
    show(as_points([[3, 4]]), kind="points", well="A1")
    window.scene.clear()
    assert not window.viewer.layers


def test_points_of_each_plane_stand_at_their_depth_in_3d(window: LiveWindow, show: Show) -> None:
    for z in (1, 2, 5):
        show(5, z_index=z, well="A1")
        show(as_points([[z, z]]), kind="points", z_index=z, well="A1")
    window.viewer.dims.ndisplay = 3
    show.process_events()
    assert window.viewer.layers["Points"].data.tolist() == [[0, 1, 1], [1, 2, 2], [2, 5, 5]]
    window.viewer.dims.ndisplay = 2
    go(window, show, z_index=5)
    assert window.viewer.layers["Points"].data.tolist() == [[5, 5]]


def test_what_the_user_chose_for_points_stays(window: LiveWindow, show: Show) -> None:
    show(5, well="A1")
    show(as_points([[1, 1]]), kind="points", well="A1")
    layer = window.viewer.layers["Points"]
    layer.opacity, layer.blending, layer.name = 0.3, "additive", "spots"
    layer.current_size = 21
    show(5, well="A2", site=1)
    show(as_points([[1, 1], [2, 2]]), kind="points", well="A2", site=1)
    show(as_points([[1, 1], [2, 2], [3, 3]]), kind="points", well="A1")
    go(window, show, well="A1")
    assert (layer.opacity, layer.blending, layer.name) == (0.3, "additive", "spots")
    assert layer.size.tolist() == [21, 21, 21]


def test_a_hidden_layer_costs_nothing_and_is_right_when_shown(
    window: LiveWindow, show: Show
) -> None:
    show(5, well="A1")
    show(as_points([[1, 1]]), kind="points", well="A1")
    layer = window.viewer.layers["Points"]
    layer.visible = False
    show(as_points([[2, 2]]), kind="points", well="A1")
    assert layer.data.tolist() == [[1, 1]]
    layer.visible = True
    assert layer.data.tolist() == [[2, 2]]


@pytest.mark.parametrize("channel", [{"channel": "DAPI"}, {}])
@pytest.mark.parametrize("mode", ["slice", "separate"])
def test_annotations_are_shown_with_the_images_of_their_well(
    window: LiveWindow, show: Show, mode: str, channel: dict[str, Any]
) -> None:
    def shown() -> list[str]:
        return [layer.name for layer in window.viewer.layers if layer.visible]

    for well in ("A01", "B02"):
        apart: dict[str, Any] = {"well": well, "modes": {"well": mode}}
        show(5, **apart, **channel)
        show(plane(3), kind="labels", name="cells", **apart)
        show(as_points([[1, 1]]), kind="points", **apart)
        show(as_shapes([SQUARE]), kind="shapes", **apart)
    over = ["cells_Well_{}", "Well_{}_Shapes", "Well_{}_Points"]
    images = [live.drawn.name for live in window.scene.layers() if live.layer.key.kind == "image"]
    in_a01 = [images[0], *(name.format("A01") for name in over)]
    in_b02 = [images[1], *(name.format("B02") for name in over)]
    assert shown() == in_b02
    layers = window.viewer.layers
    layers[images[1]].visible = False
    assert shown() == in_b02[1:], "an image is hidden to look at what lies over it"
    layers[images[0]].visible = True
    assert shown() == in_a01
    layers["Well_B02_Points"].visible = True
    layers[images[0]].visible = False
    layers[images[1]].visible = True
    show(6, **apart, **channel)
    assert shown() == in_b02
    layers[images[1]].visible = False
    layers[images[0]].visible = True
    assert shown() == [*in_a01, "Well_B02_Points"], "the user's choice stays"


def test_a_description_has_the_tables_as_they_came(window: LiveWindow, show: Show) -> None:
    show(plane(5), well="A1")
    table = as_shapes([SQUARE])
    show(table, kind="shapes", well="A1")
    image, shapes = (snapshot_of(live).described(np.asarray) for live in window.scene.layers())
    assert (image.kind, shapes.kind) == ("image", "shapes")
    assert shapes.axes == image.axes == ("well", "y", "x")
    assert shapes.shape == (1, 9, 9)
    assert shapes.contrast_limits is None
    assert shapes.planes[0].shape == (4, 4)
