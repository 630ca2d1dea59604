"""Annotations through a real stream: counted, checked and kept as planes are."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile

from coverslip.payload import (
    ArenaUnreachable,
    Source,
    UnsupportedArray,
    as_points,
    as_rois,
    as_shapes,
    as_tracks,
)
from coverslip.viewers import View, annotate
from coverslip.viewers.messages import LayerInfo
from coverslip.viewers.stream import Image
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving

DEADLINE = 30.0
NOTHING: Any = None
"""What no caller gives that a type checker has seen."""
TRIANGLE = np.array([[0, 0], [0, 9.5], [4, 4]])


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessServer]:
    with serving(port=free_port()) as running:
        yield running


@pytest.fixture(params=["shared memory", "inline"])
def view(
    request: pytest.FixtureRequest, server: HeadlessServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[View]:
    if request.param == "inline":
        monkeypatch.setattr("coverslip.payload.segment.open_at", _unreachable)
    visualizer = HeadlessVisualizer(port=server.connection.endpoint.port)
    visualizer.start_viewer()
    with View(visualizer) as made:
        yield made


def _unreachable(address: object) -> Any:
    raise ArenaUnreachable("as if on another machine")


def the_layer(view: View) -> LayerInfo:
    (layer,) = view.layers(checksums=True)
    return layer


def crc(pixels: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).tobytes())


def test_points_of_any_number_arrive_in_their_places(view: View) -> None:
    clouds = {"A1": np.random.default_rng(1).normal(50, 20, (4000, 2)), "A2": np.empty((0, 2))}
    for well, points in clouds.items():
        view.points(points, well=well, step_name="spots", step_index=2)
    assert view.flush(DEADLINE) == (2, 2, 0, 0)
    layer = the_layer(view)
    assert (layer.name, layer.kind, layer.dtype) == ("Step_02_spots_Points", "points", "<f8")
    assert {plane.components["well"]: plane.crc32 for plane in layer.planes} == {
        well: crc(points) for well, points in clouds.items()
    }
    assert {plane.shape for plane in layer.planes} == {(4000, 2), (0, 2)}


def test_an_empty_table_takes_its_turn_among_the_others(view: View) -> None:
    view.points([[1, 1]], well="A1")
    view.points([], well="A1")
    assert view.flush(DEADLINE) == (2, 2, 0, 0)
    (plane,) = the_layer(view).planes
    assert plane.shape == (0, 2)


def test_columns_may_stand_in_any_order(view: View) -> None:
    view.points([[3, 1, 2]], axes=("x", "z_index", "y"))
    view.tracks([[7, 3, 2, 1]], axes=("x", "y", "timepoint"))
    view.shapes([[[5, 1, 2], [6, 1, 3], [7, 1, 4]]], axes=("x", "z_index", "y"))
    assert view.flush(DEADLINE) == (3, 3, 0, 0)
    found = {layer.kind: layer.planes[0].crc32 for layer in view.layers(checksums=True)}
    assert found == {
        "points": crc(as_points([[1, 2, 3]], 1)),
        "tracks": crc(as_tracks([[7, 1, 2, 3]])),
        "shapes": crc(as_shapes([[[1, 2, 5], [1, 3, 6], [1, 4, 7]]], along=1)),
    }


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.uint64])
def test_labels_keep_all_their_values(view: View, dtype: Any) -> None:
    info = np.iinfo(dtype)
    mask = np.array([[0, 1, info.max], [info.max - 1, info.min, 40_000 % info.max]], dtype)
    view.labels(mask, well="A1")
    view.labels(np.stack([mask, mask]), axes=("z_index", "y", "x"), z_index=[4, 9], well="B1")
    assert view.flush(DEADLINE) == (3, 3, 0, 0)
    for layer in view.layers(checksums=True):
        assert layer.kind == "labels"
        assert {plane.crc32 for plane in layer.planes} == {crc(mask)}


def test_a_mask_is_labels_too(view: View) -> None:
    view.labels(np.eye(5, dtype=bool))
    assert view.flush(DEADLINE) == (1, 1, 0, 0)
    assert the_layer(view).dtype == "|u1"


def test_regions_arrive_byte_by_byte(view: View, tmp_path: Path) -> None:
    regions = [roifile.ImagejRoi.frompoints(TRIANGLE + n, name=str(n)) for n in (0, 9)]
    roifile.roiwrite(tmp_path / "set.zip", regions)
    view.rois(tmp_path / "set.zip", well="A1")
    view.rois(regions, well="A2")
    assert view.flush(DEADLINE) == (2, 2, 0, 0)
    expected = crc(as_rois(region.tobytes() for region in regions))
    assert [plane.crc32 for plane in the_layer(view).planes] == [expected, expected]


def test_a_table_that_lies_fails_and_the_next_is_shown(view: View) -> None:
    wrong = as_shapes([TRIANGLE])
    wrong[0, 2] = np.nan
    view.stream.send([Image({}, wrong, kind="shapes")], Source())
    view.shapes([TRIANGLE])
    assert view.flush(DEADLINE) == (2, 1, 0, 1)
    assert any("finite" in reason for reason in view.statistics().reasons)
    assert the_layer(view).planes[0].crc32 == crc(as_shapes([TRIANGLE]))


def test_what_a_viewer_cannot_show_fails_with_that_reason(
    view: View, server: HeadlessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "kinds", frozenset({"image"}))
    view.points([[1, 2]])
    assert view.flush(DEADLINE) == (1, 0, 0, 1)
    assert list(view.statistics().reasons) == ["a headless viewer shows no points"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda view: view.labels(np.zeros((4, 4))), "astype"),
        (lambda view: view.labels(np.zeros((4, 4, 3), np.uint8), axes="yxc"), "one whole number"),
        (lambda view: view.points([[1, 2]], axes="yx"), "name each column"),
        (lambda view: view.points([[1, 2]], axes=("y", "y")), "name each column"),
        (lambda view: view.points([[1, 2]], axes=NOTHING), "name each column"),
        (lambda view: view.points([[1, 2]], axes=(["y"], "x")), "name each column"),
        (lambda view: view.labels(np.ones((4, 4), int), axes=5), "axes=5: give a name for each"),
        (lambda view: view.labels(np.ones((4, 4), int), origin=5), "origin=5: give text or a path"),
        (lambda view: view.shapes(NOTHING), "a NoneType is no list of shapes"),
        (lambda view: view.points([[1, 2, 3]], axes=("z", "y", "x"), z=4), "by row and for all"),
        (lambda view: view.points([[1, 2, 3]], axes=("", "y", "x")), "name"),
        (lambda view: view.tracks([[1, 2, 3]], axes=("y", "x")), "time"),
        (lambda view: view.shapes([TRIANGLE], well=None), "well"),
        (lambda view: view.rois([b"nothing"]), "Iout"),
    ],
)
def test_what_cannot_be_sent_is_said_at_once(
    server: HeadlessServer, call: Callable[[View], None], said: str
) -> None:
    visualizer = HeadlessVisualizer(port=server.connection.endpoint.port)
    visualizer.start_viewer()
    with View(visualizer) as view:
        with pytest.raises(UnsupportedArray, match=said):
            call(view)
        assert view.statistics().sent == 0


@pytest.mark.parametrize(
    ("outline", "said"),
    [
        ([1, 2, 3], r"shape 0 is \(3,\)"),
        ([[1], [2]], r"shape 0 is \(2, 1\)"),
        ([["a", "b"], ["c", "d"]], "shape 0 is no list"),
        ([[1, 2], [3]], "shape 0 is no list"),
    ],
)
@pytest.mark.parametrize("axes", [("y", "x"), ("x", "y")])
def test_what_is_no_outline_is_refused_whatever_its_columns(
    outline: Any, said: str, axes: tuple[str, str]
) -> None:
    with pytest.raises(UnsupportedArray, match=said):
        annotate.shapes([outline], axes, "polygon", {})
