"""What users hand over: every dtype, stride and axis is a plane or a clear refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverslip.payload import (
    MAX_ORIGIN,
    WIRE_DTYPES,
    Display,
    Source,
    UnsupportedArray,
    as_components,
    as_origin,
    as_planes,
    as_source,
    as_value,
    wire_dtype,
)

CODES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("order", ["<", ">", "="])
def test_numbers_of_any_byte_order_travel_little_endian(code: str, order: Any) -> None:
    array = np.arange(12).reshape(3, 4).astype(np.dtype(code).newbyteorder(order))
    [(components, view)] = as_planes(array)
    assert components == {}
    wire = WIRE_DTYPES[wire_dtype(view.dtype)]
    out = np.empty(view.shape, wire)
    np.copyto(out, view)
    assert np.array_equal(out, array)
    assert wire.kind == array.dtype.kind
    assert wire.itemsize == array.dtype.itemsize
    assert np.shares_memory(view, array)


STRIDED: list[Any] = [
    np.arange(24).reshape(4, 6)[::-1],
    np.arange(24).reshape(4, 6)[:, ::-2],
    np.arange(24).reshape(4, 6).T,
    np.asfortranarray(np.arange(24).reshape(4, 6)),
    np.broadcast_to(np.arange(6), (4, 6)),
    np.broadcast_to(np.uint8(3), (4, 6)),
    np.lib.stride_tricks.sliding_window_view(np.arange(9), 4),
]


@pytest.mark.parametrize("array", STRIDED, ids=range(len(STRIDED)))
def test_any_strides_are_taken_without_a_copy(array: np.ndarray[Any, Any]) -> None:
    [(_, view)] = as_planes(array)
    assert np.array_equal(view, array)
    assert np.shares_memory(view, array)


def test_what_numpy_can_see_as_an_array_is_taken(tmp_path: Path) -> None:
    class Foreign:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray[Any, Any]:
            return np.ones((2, 3), np.uint8)

    mapped = np.memmap(tmp_path / "pixels", np.uint16, "w+", shape=(2, 3))
    frozen = np.ones((2, 3))
    frozen.flags.writeable = False
    for array in (
        Foreign(),
        mapped,
        frozen,
        [[1, 2, 3], [4, 5, 6]],
        np.ones((2, 3)).view(np.matrix),
    ):
        [(_, view)] = as_planes(array)
        assert view.shape == (2, 3)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones((2, 2), complex), "abs"),
        (np.array([[1, None]]), "one array of numbers"),
        (np.array([["a", "b"]]), "text has no pixels"),
        (np.array([[b"a", b"b"]]), "text has no pixels"),
        (np.zeros((2, 2), "M8[s]"), "int64"),
        (np.zeros((2, 2), "m8[s]"), "timedelta64"),
        (np.zeros((2, 2), [("a", "u1")]), "fields"),
        (np.ma.masked_equal([[1, 2]], 1), "filled"),
        ([[1, 2], [3]], "equal length"),
        (object(), "object is no array"),
        (None, "NoneType is no array"),
        ({"a": 1}, "dict is no array"),
        ("picture.tif", "imread.* or use the command `coverslip view FILE`"),
        (np.float64(1), "single number"),
        (np.ones(3), "two dimensions"),
        (np.ones((0, 5)), "empty: axis 'y'"),
        (np.ones((5, 0)), "empty: axis 'x'"),
        (np.ones((2, 3, 4)), 'axes=\\("z_index", "y", "x"\\)'),
        (np.ones((2, 3, 3)), 'axes=\\("z_index", "y", "x"\\)'),
    ],
)
def test_what_cannot_be_shown_is_refused_with_advice(array: object, said: str) -> None:
    with pytest.raises(UnsupportedArray, match=said):
        as_planes(array)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here")
def test_long_doubles_are_refused() -> None:
    with pytest.raises(UnsupportedArray, match="float64"):
        as_planes(np.ones((2, 2), np.longdouble))


def test_a_refusal_is_both_a_type_and_a_value_error() -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind):
            as_planes(np.ones(3))


def test_named_axes_become_components_wherever_they_stand() -> None:
    array: Any = np.arange(2 * 3 * 4 * 5).reshape(3, 4, 2, 5)
    planes = as_planes(array, axes=("y", "z_index", "channel", "x"), components={"well": "A01"})
    assert len(planes) == 8
    for components, view in planes:
        z, channel = components["z_index"], components["channel"]
        assert components == {"well": "A01", "z_index": z, "channel": channel}
        assert np.array_equal(view, array[:, z, channel, :])
        assert np.shares_memory(view, array)


def test_x_and_y_may_be_swapped() -> None:
    array = np.arange(6).reshape(2, 3)
    [(_, view)] = as_planes(array, axes=("x", "y"))
    assert np.array_equal(view, array.T)
    [(_, same)] = as_planes(array, axes="yx")
    assert np.array_equal(same, array)


def test_coordinates_name_the_places_on_an_axis() -> None:
    planes = as_planes(
        np.zeros((2, 3, 4)),
        axes=("channel", "y", "x"),
        coordinates={"channel": ["DAPI", np.str_("GFP")]},
    )
    assert [components for components, _ in planes] == [{"channel": "DAPI"}, {"channel": "GFP"}]


@pytest.mark.parametrize("samples", [3, 4])
def test_rgb_is_taken_when_declared(samples: int) -> None:
    array = np.zeros((4, 5, samples), np.uint8)
    for planes in (
        as_planes(array, rgb=True),
        as_planes(array, axes=("y", "x", "c")),
        as_planes(np.moveaxis(array, -1, 0), axes=("c", "y", "x"), rgb=True),
    ):
        assert [view.shape for _, view in planes] == [(4, 5, samples)]
    stack = as_planes(np.stack([array, array]), axes=("site", "y", "x", "c"))
    assert [(components, view.shape) for components, view in stack] == [
        ({"site": 0}, (4, 5, samples)),
        ({"site": 1}, (4, 5, samples)),
    ]


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((4, 5, 2), {"rgb": True}, "RGB has 3"),
        ((4, 5), {"rgb": True}, "with rgb=True: .*leave rgb out"),
        ((2, 4, 5, 3), {"rgb": True}, r'axes=\("z_index", "y", "x", "c"\), rgb=True'),
        ((8, 4, 5), {"axes": ("c", "y", "x")}, '"channel"'),
        ((2, 4, 5), {"axes": ("z_index", "y", "x"), "rgb": True}, 'samples "c"'),
        ((2, 4, 5), {"axes": ("y", "x")}, "name 2 axes"),
        ((2, 4, 5), {"axes": "zyx"}, "a name for each axis"),
        ((2, 4, 5), {"axes": ("z", "z", "x")}, "each name once"),
        ((2, 4, 5), {"axes": ("z", "t", "x")}, '"y" and "x" are needed'),
        ((2, 4, 5), {"axes": ("", "y", "x")}, "1 to 256"),
        ((2, 4, 5), {"axes": (1, "y", "x")}, "1 to 256"),
        ((2, 4, 5), {"axes": (["z"], "y", "x")}, "1 to 256"),
        ((2, 4, 5), {"axes": 3}, "a name for each axis"),
        ((0, 4, 5), {"axes": ("z_index", "y", "x")}, "empty: axis 'z_index'"),
        ((2, 4, 5), {"axes": ("z", "y", "x"), "components": {"z": 1}}, "given twice"),
        ((2, 4, 5), {"axes": ("z", "y", "x"), "coordinates": {"t": [1, 2]}}, "none of the axes"),
        ((2, 4, 5), {"axes": ("z", "y", "x"), "coordinates": {"z": [1]}}, "2 different values"),
        ((2, 4, 5), {"axes": ("z", "y", "x"), "coordinates": {"z": [1, 1]}}, "2 different values"),
        ((4, 5), {"coordinates": {"y": [1, 2, 3, 4]}}, "none of the axes"),
        ((4, 5), {"components": {"x": 1}}, "own axis"),
        ((70_000, 1, 1), {"axes": ("t", "y", "x")}, "at most 65536"),
        (
            (1, 4, 5),
            {
                "axes": ("t", "y", "x"),
                "components": dict.fromkeys("abdefghijklmnopqrsuvwzABCDEFGHIJ", 1),
            },
            "32",
        ),
    ],
)
def test_axes_that_do_not_fit_are_refused(
    shape: tuple[int, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnsupportedArray, match=said):
        as_planes(np.zeros(shape), **options)


def test_a_broadcast_array_of_any_size_is_not_touched() -> None:
    huge = np.broadcast_to(np.uint8(0), (1000, 2**20, 2**20))
    assert len(as_planes(huge, axes=("t", "y", "x"))) == 1000
    with pytest.raises(UnsupportedArray, match="longer"):
        as_planes(np.broadcast_to(np.uint8(0), (1, 2**31)))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("A01", "A01"),
        (np.str_("A01"), "A01"),
        (3, 3),
        (-(2**63), -(2**63)),
        (np.uint8(3), 3),
        (np.int64(-3), -3),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
    ],
)
def test_component_values_become_plain(value: object, plain: object) -> None:
    found = as_value("z", value)
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "leave the component out"),
        (np.True_, "leave the component out"),
        (None, "leave the component out"),
        (float("nan"), "no place"),
        (np.float32("inf"), "no place"),
        (2**63, "64 bits"),
        (np.uint64(2**63), "64 bits"),
        ("t" * 1025, "at most 1024"),
        ("well \udc80", "not Unicode"),
        (1j, "complex"),
        ([1], "list"),
        (np.array([1]), "ndarray"),
        (b"A01", "bytes"),
        (np.datetime64("2026-01-01"), "date"),
    ],
)
def test_component_values_without_a_place_are_refused(value: object, said: str) -> None:
    with pytest.raises(UnsupportedArray, match=said):
        as_value("z", value)


@pytest.mark.parametrize(
    "names", [[""], ["n" * 257], ["y"], ["c"], ["\udc80"], [f"n{i}" for i in range(33)]]
)
def test_component_names_are_checked(names: list[str]) -> None:
    with pytest.raises(UnsupportedArray):
        as_components(dict.fromkeys(names, 1))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "n" * 257},
        {"name": 5},
        {"name": "\udc80"},
        {"step_name": "s" * 257},
        {"step_name": "\udc80"},
        {"step_index": 2**31},
        {"step_index": 1.5},
        {"modes": {"well": "m" * 17}},
        {"modes": {"\udc80": "slice"}},
        {"display": Display(unit="\udc80")},
    ],
    ids=range(11),
)
def test_a_step_that_cannot_travel_is_refused(fields: Any) -> None:
    with pytest.raises(UnsupportedArray, match=r"name|step_index="):
        as_source(**fields)


def test_a_step_travels_as_plain_values() -> None:
    source = as_source(step_name="Blur µ", step_index=np.int64(3), modes={"well": "slice"})
    assert type(source.step_index) is int
    assert (source.step_name, source.modes) == ("Blur µ", {"well": "slice"})
    assert as_source() == Source()
    called = as_source(name=np.str_("mask"), step_name=np.str_("Blur"))
    assert (type(called.name), type(called.step_name)) == (str, str)
    (name,) = as_components({np.str_("well"): 1})
    assert type(name) is str


def test_an_origin_is_readable_text_whatever_the_file_is_called() -> None:
    assert as_origin(Path("a/µ.tif")) == "a/µ.tif"
    assert as_origin(os.fsdecode(b"a\x80.tif")) == "a\\udc80.tif"
    assert as_origin("x" * 9999 + ".tif") == "x" * (MAX_ORIGIN - 4) + ".tif"


@given(st.integers(2, 5), st.data())
def test_every_pixel_of_a_stack_is_in_one_plane(ndim: int, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(1, 4)) for _ in range(ndim))
    names = data.draw(st.permutations(["y", "x", "z", "t", "well"][:ndim]))
    array = np.arange(np.prod(shape)).reshape(shape)
    planes = as_planes(array, axes=names)
    seen = np.concatenate([view.ravel() for _, view in planes])
    assert sorted(seen.tolist()) == list(range(array.size))
    assert len({tuple(components.values()) for components, _ in planes}) == len(planes)


def test_an_index_that_is_none_is_named() -> None:
    with pytest.raises(UnsupportedArray, match=r"^step_index is a str: give a whole number"):
        as_source(step_index="one")  # type: ignore[arg-type]


def test_nothing_is_imported_amid_a_plane() -> None:
    """A process that forks then leaves its child the import's lock, which nobody gives back."""
    code = (
        "import sys, numpy as np; from coverslip.payload import as_planes; known = set(sys.modules)"
        "; as_planes(np.zeros((4, 4)), components={'well': 'A01'}); print(set(sys.modules) - known)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
