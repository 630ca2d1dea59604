"""Annotations as tables: what users hand over, to rows that travel as pixels do, and back.

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
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coverslip.payload.errors import InvalidMessage, UnsupportedArray

if TYPE_CHECKING:
    from coverslip.payload.schema import Kind, Plane

__all__ = [
    "MAX_POSITIONS",
    "MAX_ROWS",
    "TABLES",
    "Shape",
    "ShapeType",
    "as_points",
    "as_rois",
    "as_shapes",
    "as_tracks",
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

_LENGTH: Final = struct.Struct("<I")


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


# ---- what users hand over -------------------------------------------------------------


def as_points(coordinates: ArrayLike, along: int = 0) -> NDArray[np.float64]:
    """Return the table of some points.

    Parameters
    ----------
    coordinates : array_like
        ``(n, along + 2)``, in pixels: the axes of `along`, then y, x. Empty for no points.
    along : int
        How many axes stand before y and x.

    Raises
    ------
    UnsupportedArray
        Another shape, no numbers, or one that is not finite.
    """
    return _checked("points", along, _table(coordinates, along + 2, "points"))


def as_tracks(positions: ArrayLike, along: int = 1) -> NDArray[np.float64]:
    """Return the table of some tracks.

    Parameters
    ----------
    positions : array_like
        ``(n, along + 3)``: a track's number, the axes of `along` (its time first), y, x.
    along : int
        How many axes stand before y and x.

    Raises
    ------
    UnsupportedArray
        Another shape, a number that is not finite, or a track's that is not whole.
    """
    if along < 1:
        raise UnsupportedArray('a track needs its time: axes=("timepoint", "y", "x")')
    return _checked("tracks", along, _table(positions, along + 3, "tracks"))


def as_shapes(
    shapes: Iterable[ArrayLike],
    shape_type: str | ShapeType | Sequence[str | ShapeType] = ShapeType.POLYGON,
    along: int = 0,
) -> NDArray[np.float64]:
    """Return the table of some shapes.

    Parameters
    ----------
    shapes : iterable of array_like
        Each ``(vertices, along + 2)``, in pixels: the axes of `along`, then y, x. A rectangle or an
        ellipse may be given by two opposite corners.
    shape_type : str or sequence of str
        ``"polygon"``, ``"path"``, ``"rectangle"``, ``"ellipse"`` or ``"line"``; one for all or one
        for each.
    along : int
        How many axes stand before y and x.

    Raises
    ------
    UnsupportedArray
        A shape of too few vertices or other columns, an unknown type, a number that is not finite.
    """
    outlines = [_outline(number, shape) for number, shape in enumerate(shapes)]
    if isinstance(shape_type, (str, ShapeType)):
        types = [_shape_type(shape_type)] * len(outlines)
    else:
        types = [_shape_type(one) for one in _each(shape_type)]
    if len(types) != len(outlines):
        raise UnsupportedArray(f"{len(outlines)} shapes and {len(types)} types of shapes")
    for number, outline in enumerate(outlines):
        if outline.ndim != 2 or outline.shape[1] != along + 2:
            raise UnsupportedArray(
                f"shape {number} is {outline.shape}: each is a list of vertices with "
                f"{along + 2} numbers, y and x the last"
            )
        if types[number] in (ShapeType.RECTANGLE, ShapeType.ELLIPSE) and len(outline) == 2:
            outlines[number] = _corners(outline)
    counts = [len(outline) for outline in outlines]
    table = np.empty((sum(counts), along + 4))
    table[:, 0] = np.repeat(np.arange(len(outlines)), counts)
    table[:, 1] = np.repeat(np.asarray(types, np.float64), counts)
    if outlines:
        np.concatenate(outlines, out=table[:, 2:])
    for number, (count, kind) in enumerate(zip(counts, types, strict=True)):
        if not _FEWEST[kind] <= count <= _MOST[kind]:
            raise UnsupportedArray(f"shape {number}, a {kind.name.lower()}, of {count} vertices")
    return _checked("shapes", along, table)


def as_rois(records: Iterable[bytes]) -> NDArray[np.uint8]:
    """Return the table of ImageJ's regions of interest.

    Parameters
    ----------
    records : iterable of bytes
        Each a ``.roi`` file's bytes.

    Raises
    ------
    UnsupportedArray
        One of them is none.
    """
    packed = bytearray()
    for number, record in enumerate(records):
        if not record.startswith(b"Iout") or len(record) > MAX_ROI:
            raise UnsupportedArray(
                f"region {number} has {len(record)} bytes and begins with {record[:4]!r}; "
                f"ImageJ's .roi files begin with b'Iout'"
            )
        packed += _LENGTH.pack(len(record)) + record
    return np.frombuffer(bytes(packed), np.uint8).reshape(-1, 1)


# ---- what arrives ---------------------------------------------------------------------


def check_kind(plane: Plane) -> None:
    """Hold a plane's shape, dtype and `along` against its kind.

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
    """Hold what a table says against its kind; for a copy that nobody else writes to.

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

    Whole numbers are. A spot between two planes, at z 3.4, makes no position of its own, unless
    no number of the column is whole: then the nearest are.
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


# ---- the parts ------------------------------------------------------------------------


def _table(rows: ArrayLike, columns: int, what: str) -> NDArray[np.float64]:
    try:
        table = np.array(_real(rows, what), np.float64, ndmin=1)
    except (TypeError, ValueError) as error:
        raise UnsupportedArray(f"{what} are rows of numbers: {error}") from None
    if table.size == 0:
        table = table.reshape(0, columns)
    if table.ndim != 2 or table.shape[1] != columns:
        raise UnsupportedArray(
            f"{what} of shape {table.shape}: rows of {columns} numbers are needed, y and x the "
            f'last; name the axes before them, as in axes=("z_index", "y", "x")'
        )
    return table


def _checked(kind: Kind, along: int, table: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(table) > MAX_ROWS:
        raise UnsupportedArray(f"{kind} of {len(table)} rows, more than {MAX_ROWS}")
    try:
        check_table(kind, along, table)
    except InvalidMessage as error:
        raise UnsupportedArray(str(error)) from None
    return table


def _outline(number: int, shape: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(_real(shape, f"shape {number}"), np.float64)
    except (TypeError, ValueError) as error:
        raise UnsupportedArray(
            f"shape {number} is no list of vertices, numbers all of them: {error}"
        ) from None


def _real(rows: ArrayLike, what: str) -> NDArray[Any]:
    """Return rows as an array, unless numpy would drop a part of each number to make it real."""
    found = np.asarray(rows)
    if found.dtype.kind == "c":
        raise UnsupportedArray(f"{what} of dtype {found.dtype}: give real numbers, such as .real")
    return found


def _each(types: object) -> Iterable[object]:
    return types if isinstance(types, Iterable) else (types,)


def _shape_type(name: object) -> ShapeType:
    if isinstance(name, ShapeType):
        return name
    try:
        return ShapeType[str(name).upper()]
    except KeyError:
        known = ", ".join(one.name.lower() for one in ShapeType)
        raise UnsupportedArray(f"shape_type {name!r}; there are: {known}") from None


def _corners(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    corners = ends[[0, 0, 1, 1]]
    corners[[1, 3], -1] = ends[[1, 0], -1]
    return corners


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
        name = ShapeType(kinds[number]).name.lower()
        raise InvalidMessage(f"shape {number}, a {name}, of {counts[number]} vertices")


def _records(table: NDArray[Any]) -> Iterator[bytes]:
    data = table.tobytes()
    start = 0
    while start < len(data):
        if start + _LENGTH.size > len(data):
            raise InvalidMessage(f"{len(data) - start} bytes after the last region")
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        record = data[start : start + length]
        if len(record) != length or length > MAX_ROI or not record.startswith(b"Iout"):
            raise InvalidMessage(f"a region of {length} bytes that is no .roi record of ImageJ's")
        yield record
        start += length
