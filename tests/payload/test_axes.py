"""Natural order, and axes that grow by inserting."""

from __future__ import annotations

import random
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverslip.payload.axes import Axes, Axis, natural_key

VALUES = st.one_of(
    st.text(max_size=12), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)


@pytest.mark.parametrize(
    "ordered",
    [
        ["A1", "A2", "A10", "B1"],
        ["A01", "A48", "B01", "Z01", "Z48", "AA01", "AA48", "AB01", "AF48"],
        ["A1", "a1", "aa1", "Z9", "AA1", "AA10"],
        ["Cy3", "Cy5", "DAPI", "GFP", "Y"],
        ["ch1", "ch2", "ch10", "s1", "s2", "t1", "z2", "z10"],
        ["CH1", "CY5", "Z1"],
        [1, 2, 10],
        [-1, 0.5, 1, 2.5],
        [2, 10, "1", "a"],
        ["2", "10"],
        ["A02", "A2"],
        ["site 2 of 9", "site 10 of 9"],
        ["", "0", "a", "a0", "a1"],
        ["9" * 5000, "1" + "0" * 5000],
    ],
)
def test_natural_order(ordered: list[str | int | float]) -> None:
    for seed in range(5):
        shuffled = random.Random(seed).sample(ordered, len(ordered))
        assert sorted(shuffled, key=natural_key) == ordered


ROWS = [*ascii_uppercase, *(f"A{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUV")]


@given(st.lists(st.tuples(st.integers(0, len(ROWS) - 1), st.integers(1, 72)), unique=True))
def test_wells_stand_as_on_their_plate(places: list[tuple[int, int]]) -> None:
    """Up to 3456 wells: by row, then by column, whether columns are padded or not."""
    for width in (1, 2):
        wells = [f"{ROWS[row]}{column:0{width}}" for row, column in places]
        in_order = [f"{ROWS[row]}{column:0{width}}" for row, column in sorted(places)]
        assert sorted(wells, key=natural_key) == in_order
        axis = Axis("well")
        for well in wells:
            axis.insert(well)
        assert list(axis) == in_order


@given(VALUES, VALUES)
def test_keys_are_total_and_tell_different_values_apart(
    a: str | int | float, b: str | int | float
) -> None:
    x, y = natural_key(a), natural_key(b)
    assert (x < y) + (x > y) + (x == y) == 1
    assert (x == y) == (a == b)


@given(st.lists(VALUES, max_size=40))
def test_an_axis_holds_each_value_once_in_order(values: list[str | int | float]) -> None:
    axis = Axis("any")
    for value in values:
        seen = value in axis
        assert (axis.insert(value) is None) == seen
    assert list(axis) == sorted(set(values), key=natural_key)
    for index, value in enumerate(axis.values):
        assert axis.index_of(value) == index
        assert axis.values[index] == value


def test_insert_says_where() -> None:
    axis = Axis("well")
    assert [axis.insert(w) for w in ("A10", "A2", "A9", "A2")] == [0, 0, 1, None]
    assert axis.values == ("A2", "A9", "A10")
    with pytest.raises(KeyError, match="'well' has no value 'A3'"):
        axis.index_of("A3")


def test_text_and_number_of_the_same_digits_are_two_values() -> None:
    axis = Axis("site")
    axis.insert("1")
    axis.insert(1)
    assert axis.values == (1, "1")


def test_axes_take_their_canonical_place_and_others_stand_left_as_seen() -> None:
    axes = Axes()
    assert axes.see({"z_index": 3}) == ("z_index",)
    assert axes.see({"well": "A1", "z_index": 3}) == ("well",)
    axes.see({"dose": 0.1, "timepoint": 0, "z_index": 3})
    axes.see({"batch": 1, "dose": 0.2, "channel": "DAPI", "site": 1})
    assert axes.names == ("dose", "batch", "well", "site", "timepoint", "channel", "z_index")
    assert axes.shape == (2, 1, 1, 1, 1, 1, 1)


def test_see_names_only_what_grew() -> None:
    axes = Axes()
    axes.see({"well": "A1", "z_index": 1})
    assert axes.see({"well": "A1", "z_index": 1}) == ()
    assert axes.see({"well": "A1", "z_index": 2}) == ("z_index",)


def test_index_has_none_for_an_axis_that_is_left_out() -> None:
    axes = Axes()
    axes.see({"well": "A1", "z_index": 1})
    axes.see({"well": "A2", "z_index": 2})
    assert axes.index({"well": "A2"}) == (1, None)
    with pytest.raises(KeyError):
        axes.index({"well": "H12"})


def test_clear_forgets() -> None:
    axes = Axes()
    axes.see({"well": "A1"})
    axes.clear()
    assert axes.names == ()
    assert axes.shape == ()


def test_a_value_can_be_taken_away() -> None:
    axis = Axis("z_index")
    for value in (1, 2, 10):
        axis.insert(value)
    axis.remove(2)
    axis.remove(7)
    assert axis.values == (1, 10)
    assert axis.index_of(10) == 1
    assert axis.insert(2) == 1
