"""Wells by name: where one lies on its plate, and how those of a run are laid out as a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from coverslip.payload import Value, natural_key

__all__ = ["PLATE", "WELL", "PlateMap", "lay_out", "row_name", "well_place"]

WELL: Final = "well"
"""The component that says which well a plane is of."""

PLATE: Final = "plate"
"""The component that says which plate that well is on; without it, all are on one."""

_NAME: Final = re.compile(r"([A-Za-z]{1,2})0*([1-9][0-9]{0,2})")
_LARGEST: Final = (52, 99)
"""Rows and columns that a plate may have."""

_FORMATS: Final = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48), (48, 72))
"""Rows and columns of plates of 6 to 3456 wells (ANSI/SLAS 4)."""

_FEW_ROWS: Final = 16
"""Of a plate of 384 wells: a letter beyond, if it is the only one, is a word and no row."""

_ASPECT: Final = 1.5
"""Width by height of a standard plate, for wells without a place on one."""


class PlateMap(NamedTuple):
    """Where the wells of a run are drawn."""

    rows: int
    columns: int
    """Of the whole picture."""
    plate: tuple[int, int] | None
    """Rows and columns of the plate, at the top left; None where no well has a place on one."""
    places: dict[Value, tuple[int, int]]
    """Row and column of each well, from 0."""


def row_name(row: int) -> str:
    """Return the letters of a plate's row, counted from 0: ``A``, and ``AA`` past ``Z``."""
    letters, left = "", row + 1
    while left:
        left, letter = divmod(left - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def well_place(well: str) -> tuple[int, int] | None:
    """Return a well's row and column, from 0: B03 is (1, 2), AA01 is (26, 0); None for no place."""
    match = _NAME.fullmatch(well)
    if match is None:
        return None
    row = 0
    for letter in match[1].upper():
        row = row * 26 + ord(letter) - ord("A") + 1
    place = row - 1, int(match[2]) - 1
    return place if place[0] < _LARGEST[0] and place[1] < _LARGEST[1] else None


def lay_out(wells: Iterable[Value]) -> PlateMap:
    """Lay wells out as on the smallest standard plate that has a place for each of them.

    What names no place (``control``, a number), or one that another well has already (A1 and A01),
    stands below the plate, in natural order; where there are no others, these are the picture.
    """
    wells = tuple(wells)
    places: dict[Value, tuple[int, int]] = {}
    taken: set[tuple[int, int]] = set()
    others: list[Value] = []
    for well in sorted(wells, key=natural_key):
        place = well_place(well) if isinstance(well, str) else None
        if place is None or place in taken:
            others.append(well)
        else:
            places[well] = place
            taken.add(place)
    if len({row for row, _ in taken}) == 1 and min(taken)[0] >= _FEW_ROWS:
        # Not row W alone of 1536 wells, but w1, w2, w3.
        places, taken, others = {}, set(), sorted(wells, key=natural_key)
    plate = _format_of(taken) if taken else None
    above, columns = plate or (0, math.ceil(math.sqrt(_ASPECT * max(1, len(others)))))
    for number, well in enumerate(others):
        row, column = divmod(number, columns)
        places[well] = above + row, column
    return PlateMap(above + math.ceil(len(others) / columns), columns, plate, places)


def _format_of(places: Iterable[tuple[int, int]]) -> tuple[int, int]:
    rows, columns = (1 + max(numbers) for numbers in zip(*places, strict=True))
    return next((one for one in _FORMATS if rows <= one[0] and columns <= one[1]), (rows, columns))
