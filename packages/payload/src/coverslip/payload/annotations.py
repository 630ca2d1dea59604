"""Annotations as tables: rows that travel as pixels do, checked where they arrive, and read.

An annotation is an item of the data plane, so order, leases, sequence numbers and counts hold for
it unchanged. Its pixels are a table, float64 but for ROIs, with these columns:

======  =======================================================================================
points  a row for each point: `along`, y, x
shapes  a row for each vertex: number of its shape (from 0, in order), `ShapeType`, `along`, y, x
tracks  a row for each position: number of its track, `along`, y, x
rois    one column of bytes: ImageJ's ``.roi`` records, each after its length (uint32)
======  =======================================================================================

`along` are components that a row gives by itself, such as the timepoint of a track's position.
y and x are in pixels, and (0, 0) is the centre of the first one. A table without rows takes away
what stood in its place.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload.errors import InvalidMessage

if TYPE_CHECKING:
    from coverslip.payload.schema import Kind, Plane

__all__ = [
    "MAX_POSITIONS",
    "MAX_ROI",
    "MAX_ROWS",
    "ROI_LENGTH",
    "TABLES",
    "Shape",
    "ShapeType",
    "check_kind",
    "check_table",
    "positions",
    "roi_records",
    "shapes_of",
    "table_columns",
]

TABLES: Final = frozenset({"points", "shapes", "tracks", "rois"})
"""The kinds whose pixels are a table."""

MAX_ROWS = 1 << 24
"""Rows of one table."""

MAX_POSITIONS = 1 << 16
"""Different values that one table may give on one axis: each becomes a position of a slider."""

MAX_ROI = 1 << 26
"""Bytes of one ``.roi`` record."""

_LIMIT: Final = float(2**31)
"""Numbers lie within it, as extents do."""

_FAR: Final = float(2**24)
"""y and x lie within it: a graphics card's numbers tell no pixels apart beyond."""

ROI_LENGTH: Final = struct.Struct("<I")
"""What stands before each ``.roi`` record."""


class ShapeType(enum.IntEnum):
    """What the vertices of a shape are joined to; the names are napari's."""

    POLYGON = 0
    PATH = 1
    RECTANGLE = 2
    """Four corners, in order."""
    ELLIPSE = 3
    """The four corners of the rectangle that it fills."""
    LINE = 4


_FEWEST: Final = (3, 2, 4, 4, 2)
_MOST: Final = (MAX_ROWS, MAX_ROWS, 4, 4, 2)
"""Vertices of a shape of each type."""


class Shape(NamedTuple):
    """One shape of a table."""

    type: ShapeType
    along: tuple[float, ...]
    """Its value on each axis that the table gives by itself."""
    vertices: NDArray[np.float64]
    """``(n, 2)``: y, x."""


def table_columns(kind: Kind, along: int = 0) -> int | None:
    """Return how many columns a table of this kind has; None for a kind that is a picture."""
    leading = {"points": 0, "shapes": 2, "tracks": 1}.get(kind)
    if leading is not None:
        return leading + along + 2
    return 1 if kind == "rois" else None


def check_kind(plane: Plane) -> None:
    """Check a plane's shape, dtype and `along` against its kind.

    Raises
    ------
    InvalidMessage
        They do not go together.
    """
    shape, kind, along = plane.shape, plane.kind, plane.along
    columns = table_columns(kind, len(along))
    if columns is not None:
        wanted = "|u1" if kind == "rois" else "<f8"
        if plane.rgb or len(shape) != 2 or shape[1] != columns or plane.dtype != wanted:
            raise InvalidMessage(
                f"{kind} of shape {shape} and dtype {plane.dtype}: (rows, {columns}) of {wanted}"
            )
        if kind != "rois" and shape[0] > MAX_ROWS:
            raise InvalidMessage(f"{kind} of {shape[0]} rows, more than {MAX_ROWS}")
        if kind == "tracks" and not along:
            raise InvalidMessage("tracks without an axis of time")
        if len(set(along)) != len(along) or not plane.components.keys().isdisjoint(along):
            raise InvalidMessage(f"axes {along} are given twice, by row or as components")
        if kind == "rois" and along:
            raise InvalidMessage("rois have no columns of axes")
        return
    if along:
        raise InvalidMessage(f"{kind} with the axes {along}: only a table has columns")
    if not all(shape) or plane.rgb != (len(shape) == 3) or (plane.rgb and shape[2] not in (3, 4)):
        raise InvalidMessage(f"shape {shape} with rgb={plane.rgb}: (y, x) or (y, x, 3 or 4)")
    if kind == "labels" and (plane.rgb or plane.dtype[1] not in "iu"):
        raise InvalidMessage(f"labels of dtype {plane.dtype}, rgb={plane.rgb}: whole numbers")


def check_table(kind: Kind, along: int, table: NDArray[Any]) -> None:
    """Check a table's contents against its kind; for a copy that nobody else writes to.

    Parameters
    ----------
    kind : str
        One of `TABLES`.
    along : int
        How many axes stand before y and x.
    table : ndarray
        Of the shape and dtype that `check_kind` has passed.

    Raises
    ------
    InvalidMessage
        It says what is wrong.
    """
    if kind == "rois":
        for _ in _records(table):
            pass
        return
    # one comparison finds NaN, infinity and what is too far away
    if not (np.abs(table) <= _LIMIT).all():
        raise InvalidMessage(f"{kind} with a number that is not finite or beyond {_LIMIT:.0f}")
    if not (np.abs(table[:, -2:]) <= _FAR).all():
        raise InvalidMessage(f"{kind} at y or x beyond {_FAR:.0f}, in pixels")
    for column in range(along):
        if len(np.unique(table[:, column - along - 2])) > MAX_POSITIONS:
            raise InvalidMessage(f"{kind} with more than {MAX_POSITIONS} values on one axis")
    if kind == "tracks" and not _whole(table[:, 0]):
        raise InvalidMessage("tracks whose numbers are not whole")
    if kind == "shapes" and len(table):
        _check_shapes(table, along)


def positions(table: NDArray[Any], column: int) -> tuple[int | float, ...]:
    """Return the values of a column that are positions of a slider, in ascending order.

    Integers are. A point between two planes, at z 3.4, makes no position of its own, unless no
    number of the column is an integer: then the nearest integers are.
    """
    values = np.unique(table[:, column])
    nearest = np.rint(values)
    whole = values[values == nearest]
    return tuple(int(value) for value in (whole if len(whole) else np.unique(nearest)))


def shapes_of(table: NDArray[np.float64]) -> Iterator[Shape]:
    """Yield the shapes of a table that `check_table` has passed, in order."""
    if not len(table):
        return
    starts = [0, *(np.flatnonzero(np.diff(table[:, 0])) + 1).tolist(), len(table)]
    for start, end in pairwise(starts):
        first = table[start]
        yield Shape(ShapeType(int(first[1])), tuple(first[2:-2]), table[start:end, -2:])


def roi_records(table: NDArray[np.uint8]) -> list[bytes]:
    """Return the ``.roi`` records of a table that `check_table` has passed."""
    return list(_records(table))


def _whole(values: NDArray[np.float64]) -> bool:
    return bool((values == np.rint(values)).all())


def _check_shapes(table: NDArray[np.float64], along: int) -> None:
    numbers, types = table[:, 0], table[:, 1]
    steps = np.diff(numbers)
    if numbers[0] != 0 or not ((steps == 0) | (steps == 1)).all():
        raise InvalidMessage("shapes that are not numbered 0, 1, 2 and so on, in order")
    if not (_whole(types) and types.min() >= 0 and types.max() < len(ShapeType)):
        raise InvalidMessage(f"a shape whose type is none of 0 to {len(ShapeType) - 1}")
    same = steps == 0
    if (np.diff(table[:, 1 : 2 + along], axis=0)[same] != 0).any():
        raise InvalidMessage("a shape of two types, or in two planes")
    firsts = np.flatnonzero(np.concatenate(([True], ~same)))
    kinds = types[firsts].astype(int)
    counts = np.diff(firsts, append=len(table))
    bad = (counts < np.asarray(_FEWEST)[kinds]) | (counts > np.asarray(_MOST)[kinds])
    if bad.any():
        number = int(np.flatnonzero(bad)[0])
        kind, count = kinds[number], int(counts[number])
        name = ShapeType(kind).name.lower()
        least = "" if _FEWEST[kind] == _MOST[kind] else " at least"
        needed = f"{_FEWEST[kind]}{least}" if count < _FEWEST[kind] else f"{_MOST[kind]} at most"
        vertices = "vertex" if count == 1 else "vertices"
        raise InvalidMessage(f"shape {number}, a {name}, has {count} {vertices}: it takes {needed}")


def _records(table: NDArray[Any]) -> Iterator[bytes]:
    data = table.tobytes()
    start = 0
    while start < len(data):
        if start + ROI_LENGTH.size > len(data):
            raise InvalidMessage(f"{len(data) - start} bytes after the last region")
        (length,) = ROI_LENGTH.unpack_from(data, start)
        start += ROI_LENGTH.size
        record = data[start : start + length]
        if len(record) != length or length > MAX_ROI or not record.startswith(b"Iout"):
            raise InvalidMessage(f"a region of {length} bytes that is no .roi record of ImageJ's")
        yield record
        start += length
