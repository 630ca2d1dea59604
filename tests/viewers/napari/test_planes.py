"""The duck array says what the stacked array would say, without being one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverslip.payload import Axes, PlaneStore
from coverslip.viewers.napari.planes import Grid, PlaneArray

WELLS, ZS, SHAPE = ("A1", "A2", "A10"), (1, 2), (4, 5)


def grid_of(*coordinates: dict[str, Any]) -> Grid:
    axes = Axes()
    for place in coordinates:
        axes.see(place)
    return Grid.of(axes)


GRID = grid_of(*({"well": w, "z_index": z} for w in WELLS for z in ZS))


def filled(missing: tuple[Any, ...] = ("A2", 2)) -> tuple[PlaneArray, np.ndarray]:
    store = PlaneStore(("well", "z_index"), SHAPE, np.dtype(np.uint16))
    whole = np.zeros((3, 2, *SHAPE), np.uint16)
    for number, (w, z) in enumerate(itertools.product(WELLS, ZS), start=1):
        if (w, z) != missing:
            pixels = np.arange(20, dtype=np.uint16).reshape(SHAPE) + 100 * number
            store.put((w, z), pixels)
            whole[WELLS.index(w), ZS.index(z)] = pixels
    return PlaneArray(store, GRID), whole


INDEX = st.one_of(st.integers(-2, 1), st.slices(5), st.just(slice(None)))


@given(st.lists(INDEX, max_size=4).map(tuple))
def test_any_integers_and_slices(key: tuple[Any, ...]) -> None:
    array, whole = filled()
    assert np.array_equal(array[key], whole[key])
    assert array[key].shape == whole[key].shape


@pytest.mark.parametrize(
    "key",
    [
        ...,
        (),
        (0, ...),
        (..., 0),
        (1, ..., slice(1, 3)),
        np.int64(2),
        (np.intp(1), np.uint8(1)),
        (0, 1, np.s_[1:3], np.s_[::-1]),
        ([0, 2], 0),
        (0, 0, np.eye(4, 5, dtype=bool)),
        (slice(None, None, -1), slice(0, 0)),
        (None, 1),
    ],
)
def test_other_keys(key: Any) -> None:
    array, whole = filled()
    assert np.array_equal(array[key], whole[key])


@pytest.mark.parametrize("key", [3, -4, (0, 2), (0, 0, 0, 0, 0), (..., ...), (0, 0, 9)])
def test_beyond_the_end(key: Any) -> None:
    with pytest.raises(IndexError):
        filled()[0][key]


def test_what_numpy_asks() -> None:
    array, whole = filled()
    assert (array.shape, array.ndim, array.size) == ((3, 2, 4, 5), 4, 120)
    assert array.dtype == np.uint16
    assert len(array) == 3
    assert array.nbytes == 5 * 40
    assert np.array_equal(np.asarray(array), whole)
    assert np.asarray(array, dtype=float).dtype == float
    assert [part.shape for part in array] == [(2, 4, 5)] * 3
    with pytest.raises(ValueError, match="always a copy"):
        np.array(array, copy=False)


def test_one_plane_is_a_view_of_what_is_held() -> None:
    array, _ = filled()
    held = array.store.get(("A10", 1))
    assert held is not None
    assert np.shares_memory(array[2, 0], held)
    assert np.shares_memory(array[2:3, 0:1], held)  # as napari's projection modes ask


def test_a_plane_that_has_not_come_is_blank_and_costs_nothing() -> None:
    store = PlaneStore(("well", "z_index"), (1 << 16, 1 << 16), np.dtype(np.uint16))
    blank = PlaneArray(store, GRID)[1, 1]
    assert blank.shape == (1 << 16, 1 << 16)
    assert blank.strides == (0, 0)


def test_a_layer_without_an_axis_answers_alike_along_it() -> None:
    store = PlaneStore(("well",), SHAPE, np.dtype(np.uint16))
    for number, well in enumerate(WELLS):
        store.put((well,), np.full(SHAPE, number, np.uint16))
    array = PlaneArray(store, GRID)
    assert array.shape == (3, 2, *SHAPE)
    assert np.array_equal(array[:, 0], array[:, 1])
    assert array[2, 1, 0, 0] == 2
    assert array[1:, :, 0, 0].tolist() == [[1, 1], [2, 2]]
    assert array[0].shape == (2, *SHAPE)


def test_a_layer_without_any_axis() -> None:
    store = PlaneStore((), SHAPE, np.dtype(np.uint16))
    store.put((), np.full(SHAPE, 7, np.uint16))
    assert PlaneArray(store, Grid())[0, 0] == 7
    assert PlaneArray(store, GRID)[2, 1, 0, 0] == 7


def test_a_store_whose_axes_are_in_another_order_than_the_grid_s() -> None:
    # Declared axes stand on the grid as first seen, in a layer's key by name.
    grid = grid_of({"dose": 1, "batch": 1}, {"dose": 2, "batch": 3})
    assert grid.names == ("dose", "batch")
    store = PlaneStore(("batch", "dose"), SHAPE, np.dtype(np.uint16))
    store.put((3, 1), np.full(SHAPE, 31, np.uint16))
    array = PlaneArray(store, grid)
    assert array[0, 1, 0, 0] == 31
    assert array[:, :, 0, 0].tolist() == [[0, 31], [0, 0]]


def test_rgb_has_its_colour_last() -> None:
    store = PlaneStore(("z_index",), (4, 5, 3), np.dtype(np.uint8))
    store.put((1,), np.full((4, 5, 3), 9, np.uint8))
    array = PlaneArray(store, grid_of({"z_index": 1}, {"z_index": 2}))
    assert array.shape == (2, 4, 5, 3)
    assert array[0, 1, 1].tolist() == [9, 9, 9]
    assert array[1, ..., 0].max() == 0


def test_bool_is_given_as_bytes_without_a_copy() -> None:
    store = PlaneStore((), SHAPE, np.dtype(np.bool_))
    pixels = np.eye(4, 5, dtype=bool)
    store.put((), pixels)
    array = PlaneArray(store, Grid())
    assert array.dtype == np.uint8
    assert np.shares_memory(array[:], pixels)
    assert array[:].sum() == 4


def test_planes_that_come_later_are_seen_and_indices_hold_their_meaning() -> None:
    array, _ = filled()
    before = array[2, 0].copy()
    array.store.put(("A3", 1), np.ones(SHAPE, np.uint16))  # would stand before A10
    assert np.array_equal(array[2, 0], before)
    array.store.put(("A2", 2), np.full(SHAPE, 5, np.uint16))
    assert array[1, 1, 0, 0] == 5
