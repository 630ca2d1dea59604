"""Annotations to tables and back, and everything that is no such table."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coverslip.payload import (
    MAX_POSITIONS,
    Inline,
    InvalidMessage,
    Plane,
    ShapeType,
    Source,
    UnsupportedArray,
    as_points,
    as_rois,
    as_shapes,
    as_tracks,
    check_table,
    decode,
    encode,
    positions,
    roi_records,
    shapes_of,
)
from coverslip.payload.placement import Mode, Placement, place
from coverslip.payload.projection import Layer, Projection
from coverslip.payload.schema import Display
from tests.payload.planes import batch_of

TRIANGLE: Any = [[0, 0], [0, 9.5], [4, 4]]
SQUARE: Any = [[1, 1], [1, 5], [5, 5], [5, 1]]
ANY: list[Any] = [3, None, {1: 2}]
"""What no caller gives that a type checker has seen."""


def plane_of(kind: Any, table: Any, **fields: Any) -> Plane:
    return Plane(table.shape, table.dtype.str, Inline(1), kind=kind, **fields)


# ---- to tables ------------------------------------------------------------------------


def test_points_keep_every_number() -> None:
    given = np.random.default_rng(1).normal(0, 1000, (50, 3))
    assert np.array_equal(as_points(given, along=1), given)
    assert as_points([], along=1).shape == (0, 3)
    assert as_points([[1, 2]]).tolist() == [[1.0, 2.0]]


def test_a_table_is_a_copy() -> None:
    given = np.zeros((2, 2))
    table = as_points(given)
    given[:] = 7
    assert not table.any()


def test_shapes_come_back_with_type_and_vertices() -> None:
    table = as_shapes([TRIANGLE, SQUARE, SQUARE[:2]], ["polygon", "ellipse", "line"])
    found = list(shapes_of(table))
    assert [shape.type for shape in found] == [
        ShapeType.POLYGON,
        ShapeType.ELLIPSE,
        ShapeType.LINE,
    ]
    assert [shape.vertices.tolist() for shape in found] == [TRIANGLE, SQUARE, SQUARE[:2]]
    assert list(shapes_of(as_shapes([]))) == []


def test_two_corners_make_a_rectangle() -> None:
    (shape,) = shapes_of(as_shapes([[[1, 2], [5, 9]]], "rectangle"))
    assert shape.vertices.tolist() == [[1, 2], [1, 9], [5, 9], [5, 2]]


def test_a_shape_along_an_axis_lies_in_one_plane() -> None:
    flat: Any = [[3, *vertex] for vertex in TRIANGLE]
    (shape,) = shapes_of(as_shapes([flat], along=1))
    assert (shape.along, shape.vertices.tolist()) == ((3.0,), TRIANGLE)
    leaning = [[4, 0, 0], *flat[1:]]
    with pytest.raises(UnsupportedArray, match="in two planes"):
        as_shapes([leaning], along=1)


def test_regions_keep_every_byte() -> None:
    records = [b"Iout" + bytes(range(n)) for n in (60, 3, 0, 255)]
    assert roi_records(as_rois(records)) == records
    assert roi_records(as_rois([])) == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: as_points([[1, 2, 3]]), r"rows of 2 numbers"),
        (lambda: as_points([1, 2]), "rows of 2"),
        (lambda: as_points([[1, float("nan")]]), "finite"),
        (lambda: as_points([[1, float("inf")]]), "finite"),
        (lambda: as_points([[1, 1e300]]), "beyond"),
        (lambda: as_points([[2**31 - 1, 1]]), "at y or x beyond 16777216"),
        (lambda: as_points("text"), "rows of numbers"),
        (lambda: as_points([[1, 2], [3]]), "rows of numbers"),
        (lambda: as_tracks([[1, 0, 2, 3]], along=0), "needs its time"),
        (lambda: as_tracks([[1.5, 0, 2, 3]]), "not whole"),
        (lambda: as_tracks(np.zeros((4, 2))), 'track\'s number the first, .*"timepoint", "y", "x"'),
        (lambda: as_shapes([SQUARE], "blob"), "polygon, path, rectangle"),
        (lambda: as_shapes([SQUARE, SQUARE], ["path"]), "2 shapes and 1 types"),
        (lambda: as_shapes([SQUARE], ANY[0]), "shape_type 3; there are: polygon"),
        (lambda: as_shapes([SQUARE], [ANY[1]]), "shape_type None"),
        (lambda: as_shapes([SQUARE, [["1", "y"]]]), "shape 1 is no list of vertices"),
        (lambda: as_shapes([SQUARE, [[1, 2], [3]]]), "shape 1 is no list of vertices"),
        (lambda: as_shapes([SQUARE, ANY[2]]), "shape 1 is no list of vertices"),
        (lambda: as_shapes([SQUARE[:2]]), "a polygon, has 2 vertices: it takes 3 at least"),
        (lambda: as_shapes([SQUARE[:1]]), "a polygon, has 1 vertex: it takes 3 at least"),
        (lambda: as_shapes([SQUARE], "line"), "a line, has 4 vertices: it takes 2 at most"),
        (lambda: as_shapes([TRIANGLE], "ellipse"), "an? ellipse, has 3 vertices: it takes 4"),
        (lambda: as_shapes(np.asarray(SQUARE)), r"shape 0 is \(2,\)"),
        (lambda: as_shapes([SQUARE], along=1), "3 numbers"),
        (lambda: as_rois([b"PK\x03\x04"]), "Iout"),
        (lambda: as_points(np.arange(2 * (MAX_POSITIONS + 1) * 3).reshape(-1, 3), 1), "values on"),
        (lambda: as_points(np.array([[1 + 2j, 1]])), "complex128: give real numbers"),
        (lambda: as_tracks(np.ones((1, 4), np.complex64)), "tracks of dtype complex64"),
        (lambda: as_shapes([np.ones((3, 2)) * 1j]), "shape 0 of dtype complex128"),
    ],
)
def test_what_is_no_annotation_is_refused(make: Any, said: str) -> None:
    with pytest.raises(UnsupportedArray, match=said):
        make()


# ---- from the wire --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "table", "along"),
    [
        ("points", as_points([[1, 2], [3, 4]]), ()),
        ("points", as_points([]), ()),
        ("points", as_points([[7, 1, 2]], along=1), ("z_index",)),
        ("shapes", as_shapes([TRIANGLE, SQUARE]), ()),
        ("shapes", as_shapes([]), ()),
        ("tracks", as_tracks([[1, 0, 5, 5], [1, 1, 6, 6]]), ("timepoint",)),
        ("rois", as_rois([b"Iout1234"]), ()),
        ("rois", as_rois([]), ()),
        ("labels", np.full((4, 5), -1, "<i8"), ()),
    ],
)
def test_each_kind_travels(kind: Any, table: Any, along: tuple[str, ...]) -> None:
    message = batch_of(plane_of(kind, table, along=along))
    assert decode(encode(message, [table.tobytes() or b"\0"])) == message


@pytest.mark.parametrize(
    ("kind", "shape", "dtype", "along", "said"),
    [
        ("points", (2, 3), "<f8", (), r"\(rows, 2\)"),
        ("points", (2, 2), "<f4", (), "<f8"),
        ("points", (2, 2, 3), "<f8", (), "shape"),
        ("points", (2, 3), "<f8", ("well",), "twice"),
        ("points", (2, 4), "<f8", ("z", "z"), "twice"),
        ("points", (1 << 25, 2), "<f8", (), "rows, more"),
        ("shapes", (4, 2), "<f8", (), r"\(rows, 4\)"),
        ("tracks", (4, 3), "<f8", (), "axis of time"),
        ("rois", (9, 1), "<f8", (), "u1"),
        ("rois", (9, 1), "|u1", ("z",), "columns"),
        ("labels", (4, 5), "<f4", (), "whole numbers"),
        ("labels", (4, 5), "|b1", (), "whole numbers"),
        ("labels", (0, 5), "<i4", (), "shape"),
        ("image", (4, 5), "<u2", ("z",), "only a table"),
        ("surface", (4, 5), "<u2", (), "no batch"),
    ],
)
def test_a_header_that_does_not_go_together_is_refused(
    kind: Any, shape: tuple[int, ...], dtype: str, along: tuple[str, ...], said: str
) -> None:
    plane = Plane(shape, dtype, Inline(1), {"well": "A1"}, kind=kind, along=along)
    with pytest.raises(InvalidMessage, match=said):
        decode(encode(batch_of(plane), [bytes(8)]))


def shapes_with(row: int, column: int, value: float) -> Any:
    table = as_shapes([TRIANGLE, SQUARE])
    table[row, column] = value
    return table


@pytest.mark.parametrize(
    ("kind", "table", "said"),
    [
        ("points", np.array([[1, np.nan]]), "finite"),
        ("points", np.array([[-np.inf, 1]]), "finite"),
        ("points", np.array([[1e10, 1]]), "beyond"),
        ("tracks", np.array([[0.5, 0, 1, 1]]), "not whole"),
        ("shapes", shapes_with(0, 0, 1), "numbered"),
        ("shapes", shapes_with(5, 0, 0), "numbered"),
        ("shapes", shapes_with(6, 0, 9), "numbered"),
        ("shapes", shapes_with(6, 0, 2), "has 3 vertices|has 1 vertex"),
        ("shapes", shapes_with(1, 1, 2), "two types"),
        ("shapes", shapes_with(1, 1, 0.5), "none of"),
        ("shapes", shapes_with(1, 1, 9), "none of"),
        ("shapes", shapes_with(1, 1, -1), "none of"),
        ("rois", np.frombuffer(b"Iout", np.uint8)[:, None], "region"),
        ("rois", np.frombuffer(struct.pack("<I", 9) + b"Iout", np.uint8)[:, None], "no .roi"),
        ("rois", np.frombuffer(struct.pack("<I", 2**32 - 1), np.uint8)[:, None], "no .roi"),
        ("rois", np.frombuffer(struct.pack("<I", 0), np.uint8)[:, None], "no .roi"),
    ],
)
def test_a_table_that_does_not_hold_is_refused(kind: Any, table: Any, said: str) -> None:
    along = 1 if kind == "tracks" else 0
    with pytest.raises(InvalidMessage, match=said):
        check_table(kind, along, table)


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 12), st.just(4)),
        elements=st.one_of(st.floats(), st.integers(-2, 6).map(float)),
    )
)
def test_any_table_of_shapes_is_read_or_refused(table: Any) -> None:
    try:
        check_table("shapes", 0, table)
    except InvalidMessage:
        return
    assert sum(len(shape.vertices) for shape in shapes_of(table)) == len(table)


@given(st.binary(max_size=64))
def test_any_bytes_are_regions_or_refused(data: bytes) -> None:
    table = np.frombuffer(data, np.uint8).reshape(-1, 1)
    try:
        check_table("rois", 0, table)
    except InvalidMessage:
        return
    assert as_rois(roi_records(table)).tobytes() == data


# ---- places ---------------------------------------------------------------------------


def at(
    kind: Any, along: tuple[str, ...] = (), source: Source | None = None, **components: Any
) -> Placement:
    return place(
        source or Source(),
        components,
        shape=(9, 9),
        dtype="<f8",
        rgb=False,
        defaults={"channel": Mode.SLICE},
        own_layer=frozenset({Mode.SLICE}),
        kind=kind,
        along=along,
        pads=True,
    )


def held(layer: Layer) -> tuple[int, ...]:
    table = layer.store.get(("A1",))
    assert table is not None
    return table.shape


def test_tables_of_any_length_share_a_layer_of_their_kind() -> None:
    projection = Projection()
    for count in (3, 0, 500):
        projection.insert(at("points", well=f"A{count}"), as_points(np.zeros((count, 2))))
    projection.insert(at("shapes", well="A1"), as_shapes([TRIANGLE]))
    assert [layer.name for layer in projection] == ["Points", "Shapes"]
    assert [len(layer.store) for layer in projection] == [3, 1]


def test_a_table_without_rows_takes_away_what_stood_there() -> None:
    projection = Projection()
    projection.insert(at("points", well="A1"), as_points([[1, 1]]))
    change = projection.insert(at("points", well="A1"), as_points([]))
    assert change.replaced
    assert held(change.layer) == (0, 2)


def test_an_annotation_and_an_image_of_one_name_are_two_layers() -> None:
    projection = Projection()
    named = Source(name="cells")
    projection.insert(at("image", source=named), np.zeros((9, 9)))
    projection.insert(at("points", source=named), as_points([]))
    assert [layer.name for layer in projection] == ["cells", "cells (points)"]


def test_rows_make_positions_where_they_are_whole() -> None:
    table = as_points(np.array([[2, 0, 0], [10, 0, 0], [3.4, 0, 0]]), along=1)
    projection = Projection()
    projection.insert(at("image", z_index=5), np.zeros((9, 9)))
    change = projection.insert(at("points", ("z_index",)), table)
    assert change.grown_axes == ("z_index",)
    assert projection.axes["z_index"].values == (2, 5, 10)
    assert positions(as_points([[0.6, 0, 0], [1.2, 0, 0]], along=1), 0) == (1,)


def test_an_axis_of_rows_cannot_be_the_picture_s() -> None:
    with pytest.raises(InvalidMessage, match="own axis"):
        at("points", ("y",))


def test_padded_planes_of_any_size_share_a_layer() -> None:
    padded = Source(display=Display(pad=True))
    projection = Projection()
    for well, shape in (("A1", (4, 9)), ("A2", (7, 3))):
        placement = at("image", source=padded, well=well)
        projection.insert(placement, np.zeros(shape))
    (layer,) = projection
    assert layer.store.shape == (7, 9)
    assert held(layer) == (4, 9), "the plane stays as it came"


def test_a_replacement_takes_the_place_of_what_its_layer_held() -> None:
    projection = Projection()
    first, second = (Source(replace=token) for token in ("first", "second"))
    for source, wells in ((first, ("A1", "A2")), (second, ("B1", "B2"))):
        for well in wells:
            projection.insert(at("image", source=source, well=well), np.zeros((9, 9)))
    (layer,) = projection
    assert list(layer.store) == [("B1",), ("B2",)]
    projection.insert(at("image", well="C1"), np.zeros((9, 9)))
    assert len(layer.store) == 3, "without a replacement nothing goes"
