"""Outlines over a real ImageJ's hyperstacks: where they belong, and there they stay."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import roifile

from coverslip.payload import Source
from coverslip.viewers.stream import Image
from tests.viewers.fiji.conftest import Bench

pytestmark = pytest.mark.gui

PLANE = np.full((60, 80), 7, np.uint16)
SQUARE = np.array([[10, 10], [10, 30], [30, 30], [30, 10]])
BOUNDS = """
Overlay.activateSelection(parseInt(getArgument()));
if (selectionType() == 0) getSelectionBounds(x, y, w, h);
else {
    getSelectionCoordinates(xs, ys);
    Array.getStatistics(xs, x, right); Array.getStatistics(ys, y, bottom);
    w = right - x; h = bottom - y;
}
run("Select None");
return "" + x + " " + y + " " + w + " " + h;
"""
SPOTS = """
found = "";
for (i = 0; i < Overlay.size; i++) {
    Overlay.activateSelection(i); Roi.getPosition(c, z, t);
    found = found + Roi.getType + " " + c + " " + z + " " + t + " " + getInfo("roi.name") + ";";
    run("Select None");
}
return found;
"""


def overlay(bench: Bench) -> list[str]:
    return [part.strip() for part in bench.macro(SPOTS).split(";") if part]


def test_outlines_are_at_their_places_and_stay_there_when_axes_grow(bench: Bench) -> None:
    for channel, z, t in itertools.product(("DAPI", "GFP"), (2, 4), (1, 2)):
        bench.show(PLANE, well="A1", channel=channel, z_index=z, timepoint=t)
    bench.view.shapes([SQUARE], well="A1", channel="GFP", z_index=4, timepoint=2, name="one")
    bench.view.shapes([SQUARE], well="A1", z_index=4, name="all times and channels")
    bench.settle()
    assert overlay(bench) == ["polygon 2 2 2", "polygon 0 2 0"]
    bench.macro("makeOval(3, 3, 9, 9); Roi.setPosition(1, 1, 1); Overlay.addSelection;")
    for channel, z, t in itertools.product(("CFP", "DAPI", "GFP"), (1, 2, 3, 4), (0, 1, 2)):
        bench.show(PLANE, well="A1", channel=channel, z_index=z, timepoint=t)
        bench.settle()
    assert overlay(bench) == ["polygon 3 4 3", "polygon 0 4 0", "oval 2 2 2"]


def test_a_stack_along_one_axis_becomes_a_hyperstack_under_its_outlines(bench: Bench) -> None:
    for z in (2, 4):
        bench.show(PLANE, z_index=z, timepoint=5)
        bench.view.shapes([SQUARE], z_index=z, timepoint=5, name=f"at {z}")
    bench.view.shapes([SQUARE], name="everywhere")
    bench.settle()
    bench.macro(
        "setSlice(2); makeOval(3, 3, 9, 9); Overlay.addSelection; "
        "Overlay.setPosition(2); run('Select None')"
    )
    bench.show(PLANE, z_index=3, timepoint=4)
    bench.settle()
    assert overlay(bench) == ["polygon 0 1 2", "polygon 0 3 2", "polygon 0 0 0", "oval 0 3 0"]


def test_outlines_come_before_their_planes_and_before_their_window(bench: Bench) -> None:
    bench.view.shapes([SQUARE], well="B2", z_index=3)
    bench.settle()
    bench.show(PLANE, well="B2", z_index=1)
    bench.settle()
    assert bench.macro("return '' + Overlay.size") == "0"
    bench.show(PLANE, well="B2", z_index=3)
    bench.settle()
    assert bench.macro("return '' + Overlay.size") == "1"


def test_they_lie_over_every_step_s_window_of_their_well_alone(bench: Bench) -> None:
    for step, well in itertools.product(("raw", "blur"), ("A1", "A2")):
        bench.show(PLANE, step_name=step, well=well)
    bench.view.points([[5, 5], [7, 9]], step_name="spots", well="A2")
    names = [window.name for window in bench.settle() if window.kind == "image"]
    sizes = {
        name: bench.view.run_macro("selectImage(getArgument()); return '' + Overlay.size", name)
        for name in names
    }
    assert sizes == {name: "1" if name.endswith("A2") else "0" for name in names}


def test_a_table_takes_the_place_of_the_one_before_and_an_empty_one_takes_it_away(
    bench: Bench,
) -> None:
    bench.show(PLANE, z_index=1)
    bench.settle()
    bench.macro("makeOval(3, 3, 9, 9); Overlay.addSelection; run('Select None')")
    bench.view.shapes([SQUARE, SQUARE + 5], z_index=1)
    bench.settle()
    assert len(overlay(bench)) == 3
    bench.view.shapes([SQUARE + 9], z_index=1)
    bench.settle()
    assert sorted(line.split()[0] for line in overlay(bench)) == ["oval", "polygon"]
    bench.view.shapes([], z_index=1)
    bench.settle()
    assert [line.split()[0] for line in overlay(bench)] == ["oval"]


def test_what_the_user_took_away_does_not_come_back(bench: Bench) -> None:
    for z in (1, 3):
        bench.show(PLANE, z_index=z)
        bench.view.shapes([SQUARE], z_index=z, name=str(z))
    bench.settle()
    bench.macro("Overlay.removeSelection(0)")
    bench.show(PLANE, z_index=0)
    bench.show(PLANE, z_index=4)
    bench.settle()
    assert bench.macro("return '' + Overlay.size") == "1"


def test_every_type_of_shape_covers_the_pixels_that_it_should(bench: Bench) -> None:
    bench.show(PLANE)
    corners = [[10, 20], [19, 39]]
    bench.view.shapes(
        [corners, corners, [[1, 1], [1, 9], [9, 9]], [[2, 3], [5, 7]], SQUARE],
        shape_type=["rectangle", "ellipse", "path", "line", "polygon"],
    )
    bench.settle()
    kinds = [line.split()[0] for line in overlay(bench)]
    assert kinds == ["polygon", "freehand", "polyline", "line", "polygon"]
    # From the first pixel's centre to the last one's, as ImageJ counts: from corners.
    for number in "01":
        bounds = tuple(map(float, bench.view.run_macro(BOUNDS, number).split()))
        assert bounds == pytest.approx((20.5, 10.5, 19, 9), abs=0.02)


def test_points_are_one_roi_for_each_place(bench: Bench) -> None:
    for z in range(3):
        bench.show(PLANE, z_index=z)
    points = np.array([[0, 5, 6], [2, 7, 8], [2, 9, 9], [1.2, 3, 3]])
    bench.view.points(points, axes=("z_index", "y", "x"))
    layers = bench.settle()
    assert bench.macro("return '' + Overlay.size") == "3"
    (table,) = [layer for layer in layers if layer.kind == "points"]
    assert table.planes[0].shape == (4, 3)
    count = "Overlay.activateSelection(2); getSelectionCoordinates(x, y); run('Select None'); "
    assert bench.macro(count + "return '' + x.length + ' ' + x[0] + ' ' + y[0]") == "2 8 7"


def test_tracks_are_lines_with_a_point_at_each_time(bench: Bench) -> None:
    for t in range(3):
        bench.show(PLANE, timepoint=t)
    bench.view.tracks([[1, 0, 5, 5], [1, 1, 6, 9], [1, 2, 8, 12], [7, 1, 40, 40]])
    bench.settle()
    kinds = [line.split()[0] for line in overlay(bench)]
    assert kinds == ["polyline", "point", "point", "point"]


def test_rois_are_what_imagej_wrote_and_keep_their_own_positions(bench: Bench) -> None:
    for z, t in itertools.product((1, 2), (1, 2, 3)):
        bench.show(PLANE, z_index=z, timepoint=t)
    roi = roifile.ImagejRoi.frompoints(SQUARE[:, ::-1].astype(np.float32), name="nucleus 1")
    placed = roifile.ImagejRoi.frompoints(SQUARE[:, ::-1].astype(np.float32), name="nucleus 2")
    placed.c_position, placed.z_position, placed.t_position = 1, 2, 3
    bench.view.rois([roi, placed], well="A1")
    bench.settle()
    assert [line.split()[1:4] for line in overlay(bench)] == [["0", "0", "0"], ["1", "2", "3"]]
    assert [line.split(" ", 4)[4] for line in overlay(bench)] == ["nucleus 1", "nucleus 2"]
    bench.show(PLANE, z_index=0, timepoint=3)
    bench.settle()
    assert overlay(bench)[1].split()[1:4] == ["1", "3", "3"]


HOSTILE = {
    "cut off": lambda record: record[:70],
    "a million vertices and none": lambda record: record[:16] + b"\xff\xff" + record[18:64],
    "a shape of 2 GB": lambda record: record[:36] + b"\x7f\xff\xff\xff" + record[40:64],
    "junk": lambda record: record[:8] + bytes(range(256)),
    "header 2 elsewhere": lambda record: record[:60] + b"\x7f\x00\x00\x00" + record[64:],
    "an image": lambda record: record[:48] + b"\x00\x04" + record[50:],
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_record_that_is_none_fails_with_words_and_the_viewer_goes_on(
    bench: Bench, way: str
) -> None:
    bench.show(PLANE)
    good = roifile.ImagejRoi.frompoints(SQUARE[:, ::-1].astype(np.float32)).tobytes()
    record = HOSTILE[way](good)
    packed = np.frombuffer(len(record).to_bytes(4, "little") + record, np.uint8).reshape(-1, 1)
    before = bench.view.flush(30)
    bench.view.stream.send([Image({}, packed, kind="rois")], Source())
    delivery = bench.view.flush(30)
    if delivery.failed == before.failed:
        # ImageJ reads it: then it is an outline, and no harm.
        assert bench.macro("return '' + Overlay.size") == "1"
    else:
        assert delivery.failed == before.failed + 1
        assert bench.macro("return '' + Overlay.size") == "0"
        assert any("roi" in reason for reason in bench.view.statistics().reasons)
    bench.view.shapes([SQUARE], name="after")
    assert bench.view.flush(30).shown == before.shown + 1 + (delivery.failed == before.failed)


def test_labels_have_a_window_of_their_own_in_colours_that_differ(bench: Bench) -> None:
    mask = np.zeros((60, 80), np.int32)
    mask[5:20, 5:20] = 1
    mask[30:50, 40:70] = 70_000
    bench.show(PLANE, well="A1", z_index=1)
    bench.view.labels(mask, well="A1", z_index=1)
    image, labels = bench.settle()
    assert (image.kind, labels.kind) == ("image", "labels")
    assert labels.name == "Well_A1_Labels"
    assert labels.dtype == "<f4"
    assert labels.contrast_limits == (0.0, 70_000.0)
    look = (
        "selectImage('Well_A1_Labels'); getLut(r, g, b); return '' + r[0] + ' ' + g[0] + ' ' + b[0]"
    )
    assert bench.macro(look) == "0 0 0"
    colors: Any = bench.macro(
        "selectImage('Well_A1_Labels'); getLut(r, g, b); text = ''; for (i = 0; i < 256; i++) "
        "text = text + r[i] + ',' + g[i] + ',' + b[i] + ' '; return '' + text"
    )
    assert len(set(colors.split())) > 200
    assert bench.macro("selectImage('Well_A1_Labels'); return '' + getPixel(50, 40)") == "70000"


def test_five_thousand_outlines_are_shown(bench: Bench) -> None:
    bench.show(PLANE)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack([np.sin(angles), np.cos(angles)], -1) * 4
    centres = np.random.default_rng(3).uniform(5, 55, (5000, 1, 2))
    bench.view.shapes(list(centres + circle))
    bench.settle()
    assert bench.macro("return '' + Overlay.size") == "5000"


MANAGED = """
found = "";
for (i = 0; i < RoiManager.size; i++) {
    RoiManager.select(i);
    Roi.getPosition(c, z, t);
    found = found + Roi.getName + " " + c + " " + z + " " + t + ";";
}
run("Select None");
return found;
"""


def test_the_roi_manager_gets_them_on_request_once_and_they_stay_at_their_places(
    bench: Bench,
) -> None:
    for step, z, t in itertools.product(("raw", "blur"), (2, 3), (1, 2)):
        bench.show(PLANE, step_name=step, z_index=z, timepoint=t)
    roi = roifile.ImagejRoi.frompoints(SQUARE[:, ::-1].astype(np.float32), name="nucleus")
    try:
        bench.view.rois([roi], roi_manager=True, z_index=3, timepoint=2)
        bench.settle()
        assert bench.macro("return '' + Overlay.size") == "0"
        assert bench.macro(MANAGED) == "nucleus 0 2 2;"
        for step in ("raw", "blur"):
            bench.show(PLANE, step_name=step, z_index=1, timepoint=0)
        bench.settle()
        assert bench.macro(MANAGED) == "nucleus 0 3 3;"
        bench.view.rois([], roi_manager=True, z_index=3, timepoint=2)
        bench.settle()
        assert bench.macro("return '' + RoiManager.size") == "0"
    finally:
        bench.macro(
            "roiManager('reset'); if (isOpen('ROI Manager')) { selectWindow('ROI Manager'); "
            "run('Close'); }"
        )


def test_outlines_have_the_colour_that_they_ask_for(bench: Bench) -> None:
    bench.show(PLANE)
    bench.view.shapes([SQUARE], name="a", colormap="#ff8000")
    bench.view.shapes([SQUARE], name="b", colormap="cyan", opacity=0.5)
    bench.view.shapes([SQUARE], name="c")
    bench.settle()
    look = "Overlay.activateSelection(parseInt(getArgument())); return '' + Roi.getStrokeColor"
    colors = [bench.view.run_macro(look, number).casefold() for number in "012"]
    bench.macro("run('Select None')")
    assert colors[:2] == ["#ff8000", "#8000ffff"]
    assert colors[2] in {"none", "yellow"}


def test_labels_have_the_calibration_of_their_image(bench: Bench) -> None:
    bench.show(PLANE, well="A1", scale={"y": 0.5, "x": 0.5}, unit="um")
    bench.settle()
    bench.view.labels(np.eye(60, 80, dtype=np.int32), well="A1")
    bench.view.labels(np.eye(60, 80, dtype=np.int32), well="A2")
    bench.settle()
    look = "selectImage(getArgument()); getVoxelSize(x, y, z, unit); return '' + x + ' ' + unit"
    assert bench.view.run_macro(look, "Well_A1_Labels") == "0.5 \u00b5m"
    assert bench.view.run_macro(look, "Well_A2_Labels") == "1 pixels"
