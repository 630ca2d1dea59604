"""What `View` sends beside images: labels, points, shapes, tracks and regions, as planes.

An annotation is a plane whose pixels are a table (`coverslip.payload.annotations`), so it has
components, scrolls with the images and is counted as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coverslip.payload import (
    Kind,
    ShapeType,
    UnsupportedArray,
    as_components,
    as_planes,
    as_points,
    as_rois,
    as_shapes,
    as_tracks,
)
from coverslip.viewers.rois import read_records
from coverslip.viewers.stream import Image

__all__ = ["Rois", "along_axes", "labels", "points", "rois", "shapes", "tracks"]

Rois: TypeAlias = "str | os.PathLike[str] | bytes | Any | Iterable[bytes | Any]"
"""A ``.roi`` or ``.zip`` file, a ``.roi`` file's bytes, `roifile.ImagejRoi` objects."""


def labels(
    mask: ArrayLike, axes: Sequence[str] | None, components: Mapping[str, Any]
) -> list[Image]:
    """Return the planes of a label image: whole numbers of any size, 0 for the background.

    Raises
    ------
    coverslip.payload.UnsupportedArray
        It is no image of whole numbers.
    """
    along = along_axes(axes, components)
    shared = {name: value for name, value in components.items() if name not in along}
    planes = as_planes(mask, axes=axes, components=shared, coordinates=along)
    kind = planes[0][1].dtype.kind
    if kind not in "biu" or planes[0][1].ndim != 2:
        raise UnsupportedArray(
            f"labels of dtype {planes[0][1].dtype} and shape {planes[0][1].shape}: a label image "
            "has one whole number for each pixel; convert it with astype(int)"
        )
    return [
        Image(place, pixels.view(np.uint8) if kind == "b" else pixels, kind="labels")
        for place, pixels in planes
    ]


def along_axes(axes: object, components: Mapping[str, Any]) -> dict[str, Any]:
    """Return the components that give an array's values along one of its axes.

    `axes` is whatever a caller gives for them: `as_planes` says what is wrong with it.
    """
    names = axes if isinstance(axes, Sequence) else ()
    return {
        name: components[name] for name in names if isinstance(name, str) and name in components
    }


def points(coordinates: ArrayLike, axes: Sequence[str], components: Mapping[str, Any]) -> Image:
    """Return the table of some points, whose columns are `axes`."""
    along, order = _along(axes)
    return _table("points", as_points(coordinates, len(along))[:, order], along, components)


def tracks(table: ArrayLike, axes: Sequence[str], components: Mapping[str, Any]) -> Image:
    """Return the table of some tracks, whose columns are a track's number and `axes`."""
    along, order = _along(axes)
    columns = [0, *(1 + column for column in order)]
    return _table("tracks", as_tracks(table, len(along))[:, columns], along, components)


def shapes(
    outlines: Iterable[ArrayLike],
    axes: Sequence[str],
    shape_type: str | ShapeType | Sequence[str | ShapeType],
    components: Mapping[str, Any],
) -> Image:
    """Return the table of some shapes, the columns of whose vertices are `axes`."""
    along, order = _along(axes)
    if order != list(range(len(order))):
        outlines = [_ordered(outline, order) for outline in outlines]
    return _table("shapes", as_shapes(outlines, shape_type, len(along)), along, components)


def rois(regions: Rois, components: Mapping[str, Any]) -> Image:
    """Return the table of ImageJ's regions of interest."""
    return _table("rois", as_rois(read_records(regions)), (), components)


def _along(axes: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Return the axes other than y and x, and which columns come first, y and x the last."""
    given: object = axes  # whatever it is said to be
    named = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else ()
    named = named if all(isinstance(name, str) for name in named) else ()
    if len(set(named)) != len(named) or not {"y", "x"} <= set(named):
        raise UnsupportedArray(
            f'axes={axes!r}: name each column once, "y" and "x" among them, as in '
            f'("z_index", "y", "x")'
        )
    along = tuple(axis for axis in named if axis not in ("y", "x"))
    return along, [named.index(name) for name in (*along, "y", "x")]


def _ordered(outline: ArrayLike, order: list[int]) -> ArrayLike:
    try:
        columns = np.asarray(outline)
    except ValueError:  # ragged: `as_shapes` says so, and of which shape
        return outline
    if columns.ndim != 2 or columns.shape[1] != len(order):
        return outline  # likewise
    ordered: NDArray[Any] = columns[:, order]
    return ordered


def _table(
    kind: Kind, table: NDArray[Any], along: tuple[str, ...], components: Mapping[str, Any]
) -> Image:
    if twice := sorted(set(along) & set(components)):
        raise UnsupportedArray(f"{', '.join(twice)}: given by row and for all of the {kind}")
    as_components(dict.fromkeys(along, 0))  # their names have the same rules
    return Image(as_components(components), table, kind=kind, along=along)
