"""Points, shapes, tracks and regions as users hand them over, to the rows of their tables.

What the columns are stands in `coverslip.payload.annotations`, which also checks the rows: what is
refused where it arrives is refused here first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coverslip.payload.annotations import MAX_ROI, MAX_ROWS, ROI_LENGTH, ShapeType, check_table
from coverslip.payload.errors import InvalidMessage, UnsupportedArray

if TYPE_CHECKING:
    from coverslip.payload.schema import Kind

__all__ = ["as_points", "as_rois", "as_shapes", "as_tracks"]


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
    return _checked(
        "tracks", along, _table(positions, along + 3, "tracks", first="its track's number")
    )


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
    if not isinstance(shapes, Iterable):
        raise UnsupportedArray(f"a {type(shapes).__name__} is no list of shapes")
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
        if not len(outline):  # it would have no row, and no number for it
            raise UnsupportedArray(f"shape {number}, a {types[number].name.lower()}, of 0 vertices")
        if types[number] in (ShapeType.RECTANGLE, ShapeType.ELLIPSE) and len(outline) == 2:
            outlines[number] = _corners(outline)
    counts = [len(outline) for outline in outlines]
    table = np.empty((sum(counts), along + 4))
    table[:, 0] = np.repeat(np.arange(len(outlines)), counts)
    table[:, 1] = np.repeat(np.asarray(types, np.float64), counts)
    if outlines:
        np.concatenate(outlines, out=table[:, 2:])
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
        One of them is not a region.
    """
    packed = bytearray()
    for number, record in enumerate(records):
        if not record.startswith(b"Iout") or len(record) > MAX_ROI:
            raise UnsupportedArray(
                f"region {number} has {len(record)} bytes and begins with {record[:4]!r}; "
                f"ImageJ's .roi files begin with b'Iout'"
            )
        packed += ROI_LENGTH.pack(len(record)) + record
    return np.frombuffer(bytes(packed), np.uint8).reshape(-1, 1)


def _table(rows: ArrayLike, columns: int, what: str, first: str = "") -> NDArray[np.float64]:
    try:
        table = np.array(_real(rows, what), np.float64, ndmin=1)
    except (TypeError, ValueError) as error:
        raise UnsupportedArray(f"{what} are rows of numbers: {error}") from None
    if table.size == 0:
        table = table.reshape(0, columns)
    if table.ndim != 2 or table.shape[1] != columns:
        raise UnsupportedArray(
            f"{what} of shape {table.shape}: rows of {columns} numbers are needed, "
            f"{f'{first} the first, ' if first else ''}y and x the last; name the axes before "
            f'them, as in axes=("{"timepoint" if first else "z_index"}", "y", "x")'
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
