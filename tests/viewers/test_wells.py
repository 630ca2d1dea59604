"""Where wells lie: on the smallest plate that has them all, or in natural order."""

from __future__ import annotations

import pytest

from coverslip.viewers.parsers.base import well_name
from coverslip.viewers.wells import lay_out, well_place


@pytest.mark.parametrize(
    ("well", "place"),
    [
        ("A01", (0, 0)),
        ("b3", (1, 2)),
        ("H12", (7, 11)),
        ("P24", (15, 23)),
        ("AA01", (26, 0)),
        ("AF48", (31, 47)),
        ("A0", None),
        ("ZZ01", None),
        ("12", None),
        ("control", None),
        ("", None),
    ],
)
def test_a_wells_place_on_the_plate(well: str, place: tuple[int, int] | None) -> None:
    assert well_place(well) == place


@pytest.mark.parametrize(
    ("last", "plate"),
    [
        ("B3", (2, 3)),
        ("A4", (3, 4)),
        ("H12", (8, 12)),
        ("A13", (16, 24)),
        ("P24", (16, 24)),
        ("AF48", (32, 48)),
        ("AV72", (48, 72)),
        ("AX80", (50, 80)),
    ],
)
def test_the_smallest_plate_that_has_a_place_for_all(last: str, plate: tuple[int, int]) -> None:
    layout = lay_out(["A01", last])
    assert layout.plate == plate == (layout.rows, layout.columns)
    assert layout.places == {"A01": (0, 0), last: well_place(last)}


def test_every_well_of_a_plate_has_the_place_of_its_name() -> None:
    wells = [well_name(row, column) for row in range(1, 33) for column in range(1, 49)]
    layout = lay_out(reversed(wells))
    assert [layout.places[well] for well in wells] == [divmod(n, 48) for n in range(1536)]


def test_wells_without_a_place_are_laid_out_in_natural_order() -> None:
    layout = lay_out(["w10", "w2", 7, "control", "w1"])
    assert layout.plate is None
    assert (layout.rows, layout.columns) == (2, 3)
    assert sorted(layout.places, key=lambda well: layout.places[well]) == [
        7,
        "control",
        "w1",
        "w2",
        "w10",
    ]


def test_what_has_no_place_on_a_plate_stands_below_it() -> None:
    layout = lay_out(["A1", "B3", "control", "A01", "empty", "x", "y"])
    assert layout.plate == (2, 3)
    assert layout.rows == 4
    assert {well: layout.places[well] for well in ("A01", "A1", "control", "y")} == {
        "A01": (0, 0),
        "A1": (2, 0),
        "control": (2, 1),
        "y": (3, 1),
    }
