"""A layer's planes: each place once, and the account of bytes."""

from __future__ import annotations

import numpy as np
import pytest

from coverslip.payload.store import PlaneStore


def plane(value: int = 0) -> np.ndarray:
    return np.full((4, 6), value, np.uint16)


@pytest.fixture
def store() -> PlaneStore:
    return PlaneStore(("well", "z_index"), (4, 6), np.dtype(np.uint16))


def test_a_plane_is_kept_as_it_is(store: PlaneStore) -> None:
    pixels = plane(7)
    assert store.put(("A1", 1), pixels) is None
    assert store.get(("A1", 1)) is pixels
    assert store.get(("A1", 2)) is None
    assert len(store) == 1
    assert ("A1", 1) in store
    assert list(store) == [("A1", 1)]


def test_a_replacement_gives_back_the_old_one_and_counts_its_bytes_once(store: PlaneStore) -> None:
    old, new = plane(1), plane(2)
    store.put(("A1", 1), old)
    assert store.put(("A1", 1), new) is old
    assert store.nbytes == new.nbytes
    store.clear()
    assert (len(store), store.nbytes) == (0, 0)


def test_coordinates_are_taken_in_the_store_s_order(store: PlaneStore) -> None:
    assert store.key({"z_index": 3, "well": "B2"}) == ("B2", 3)


@pytest.mark.parametrize("wrong", [np.zeros((4, 5), np.uint16), np.zeros((4, 6), np.uint8)])
def test_another_shape_or_dtype_is_refused(store: PlaneStore, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="layer of its own"):
        store.put(("A1", 1), wrong)
    assert len(store) == 0


def test_each_axis_needs_a_value(store: PlaneStore) -> None:
    with pytest.raises(ValueError, match="one value each"):
        store.put(("A1",), plane())


def test_a_snapshot_is_not_touched_by_what_comes_later(store: PlaneStore) -> None:
    first = plane(1)
    store.put(("A1", 1), first)
    snapshot = store.snapshot()
    store.put(("A1", 1), plane(2))
    store.put(("A1", 2), plane(3))
    assert snapshot == ((("A1", 1), first),)


def test_a_plane_that_is_removed_leaves_the_values_that_others_have(store: PlaneStore) -> None:
    for place in (("A1", 1), ("A1", 2), ("B2", 1)):
        store.put(place, plane())
    store.remove(("A1", 1))
    store.remove(("A1", 7))  # was never there
    assert list(store) == [("A1", 2), ("B2", 1)]
    assert store.nbytes == 2 * plane().nbytes
    assert [store.uses("well", well) for well in ("A1", "B2")] == [True, True]
    store.remove(("B2", 1))
    assert [store.uses("well", well) for well in ("A1", "B2")] == [True, False]
    assert [store.uses("z_index", z) for z in (1, 2)] == [False, True]
    assert not store.uses("timepoint", 1)
    store.clear()
    assert not store.uses("well", "A1")


def test_a_plane_that_comes_again_is_the_newest(store: PlaneStore) -> None:
    for place in (("A1", 1), ("A1", 2), ("A1", 1)):
        store.put(place, plane())
    assert list(store) == [("A1", 2), ("A1", 1)]
    store.remove(("A1", 1))
    assert not store.uses("z_index", 1)
