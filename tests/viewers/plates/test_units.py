"""A picture's own distances beside those that a user asks for."""

from __future__ import annotations

import pytest

from coverslip.payload import Display
from coverslip.viewers.plates.units import calibrated

OWN = Display(scale={"y": 0.325, "x": 0.325, "z_index": 2.0}, unit="um")


@pytest.mark.parametrize(
    ("asked", "scale", "unit"),
    [
        (Display(), OWN.scale, "um"),
        (Display(scale={"y": 0.5, "x": 0.5}), {"y": 0.5, "x": 0.5, "z_index": 2.0}, "um"),
        (Display(unit="µm"), OWN.scale, "µm"),
        (
            Display(scale={"y": 500.0}, unit="nm"),
            {"y": 500.0, "x": 325.0, "z_index": 2000.0},
            "nm",
        ),
        (Display(scale={"y": 0.5}, unit="furlong"), {"y": 0.5}, "furlong"),
    ],
)
def test_what_the_user_asks_for_wins_axis_by_axis(
    asked: Display, scale: dict[str, float], unit: str
) -> None:
    found = calibrated(asked, OWN)
    assert found.scale == pytest.approx(scale)
    assert found.unit == unit


def test_distances_without_a_unit_are_taken_to_be_in_the_user_s() -> None:
    assert calibrated(Display(unit="nm"), Display(scale={"y": 3.0})).scale == {"y": 3.0}


def test_how_it_is_drawn_is_the_user_s() -> None:
    assert calibrated(Display(colormap="magenta", opacity=0.5), OWN).colormap == "magenta"
