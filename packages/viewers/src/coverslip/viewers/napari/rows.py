"""Tables of annotations as napari's coordinates, for the place that is looked at. Pure numpy.

A layer of annotations is handed what is in view and nothing else: napari's own slicing of one
n-dimensional layer would need each point's position on every axis (also on those that it stands on
all positions of), would have to be rebuilt whenever an axis grows, and would hold the polygons of a
whole plate at once. So a layer of points has the axes y and x, and those to the left of them only
as far as its rows stand on one (a track's time), or napari draws one whole (z in 3-D).
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import Layer, ShapeType, Value, as_shapes, roi_records, shapes_of
from coverslip.viewers.napari.planes import Grid
from coverslip.viewers.rois import outlines, rim_of

__all__ = ["Viewpoint", "as_vertices", "segments_of", "steps_of", "tables_in_view", "view_of"]

_of_regions: dict[int, NDArray[np.float64]] = {}
"""The vertices of tables of regions, by the table's identity: an array is no key of a dict."""

_TRACKED = 2
"""Axes beside y and x that napari's tracks have at most."""

_SIDES = 48
"""Of the polygon that an ellipse is drawn as."""


class Viewpoint(NamedTuple):
    """On which axes a table is drawn, and where the sliders are on those that it has no values on.

    Two equal views of the same tables look the same.
    """

    grid: Grid
    first: int
    """The first of the grid's axes that the napari layer has."""
    at: tuple[int, ...]
    """The slider's position on each axis from there on; 0 for one that need not be known."""
    spare: tuple[str, ...] = ()
    """An axis that the napari layer cannot do without, and the grid has not."""
    moment: tuple[int, ...] = ()
    """Of tracks with more axes than napari's have room for: the sliders' positions on those left
    out, the time first. Then `at` says it of the one that is left."""

    @property
    def names(self) -> tuple[str, ...]:
        """The axes of the napari layer."""
        return (*self.spare, *self.grid.names[self.first :], "y", "x")


def view_of(layer: Layer, grid: Grid, looked_at: Mapping[str, Value]) -> Viewpoint:
    """Return the view of a layer from where the sliders are."""
    if layer.key.kind == "tracks" and layer.key.along[0] not in grid.names:
        # Tracks without a position, so far: any axis serves as the time that napari needs.
        if grid.names:
            return Viewpoint(grid, len(grid.names) - 1, (0,))
        return Viewpoint(grid, 0, (), spare=layer.key.along[:1])
    if layer.key.kind == "tracks":
        return _view_of_tracks(layer.key.along, grid, looked_at)
    own = set(layer.key.along)
    needed = own | (set(layer.key.axes) - looked_at.keys())
    positions = [position for position, name in enumerate(grid.names) if name in needed]
    first = min(positions, default=len(grid.names))
    at = tuple(
        0 if name in own or name not in looked_at else values.index(looked_at[name])
        for name, values in zip(grid.names[first:], grid.values[first:], strict=True)
    )
    return Viewpoint(grid, first, at)


def _view_of_tracks(
    along: tuple[str, ...], grid: Grid, looked_at: Mapping[str, Value]
) -> Viewpoint:
    """Return the view of tracks: napari takes their first axis for the time, and has one more."""
    first = grid.names.index(along[0])
    places = {
        name: values.index(looked_at[name]) if name in looked_at else 0
        for name, values in zip(grid.names[first:], grid.values[first:], strict=True)
    }
    if len(places) <= _TRACKED:
        at = tuple(0 if name in along else place for name, place in places.items())
        return Viewpoint(grid, first, at)
    *moment, last = places.values()
    return Viewpoint(grid, len(grid.names) - 1, (last,), moment=tuple(moment))


def tables_in_view(
    layer: Layer, grid: Grid, looked_at: Mapping[str, Value]
) -> list[tuple[dict[str, Value], NDArray[Any]]]:
    """Return the tables that are in view, with their places: one, but where an axis is whole."""
    axes, store = layer.key.axes, layer.store
    if all(name in looked_at for name in axes):
        table = store.get(tuple(looked_at[name] for name in axes))
        return [] if table is None else [({name: looked_at[name] for name in axes}, table)]
    values = dict(zip(grid.names, grid.values, strict=True))
    held = [(dict(zip(axes, place, strict=True)), table) for place, table in store.snapshot()]
    return [
        (place, table)
        for place, table in held
        # A place that is newer than the grid is drawn when the sliders stand on it.
        if all(looked_at.get(name, value) == value for name, value in place.items())
        and all(value in values.get(name, ()) for name, value in place.items())
    ]


def steps_of(
    layer: Layer, table: NDArray[Any], place: Mapping[str, Value], view: Viewpoint
) -> NDArray[np.float32]:
    """Return each row's coordinates on the axes of `view`, in napari's steps.

    A value between two of an axis's lies between their positions; one beyond the ends at the end.
    As precise as a graphics card is: of twice the bytes, 5,000 polygons take a fifth longer to be
    drawn (measured).
    """
    along = layer.key.along
    steps = np.empty((len(table), len(view.names)), np.float32)
    steps[:, -2:] = table[:, -2:]
    for column, name in enumerate(view.names[:-2]):
        values = view.grid.values[view.first + column]
        if name in along:
            numbers = [value for value in values if not isinstance(value, str)]
            rows = table[:, along.index(name) - len(along) - 2]
            steps[:, column] = np.interp(rows, numbers, np.arange(len(numbers))) if numbers else 0
        elif name in place:
            steps[:, column] = values.index(place[name])
        else:
            steps[:, column] = view.at[column]
    return steps


def as_vertices(kind: str, table: NDArray[Any]) -> NDArray[np.float64]:
    """Return a table of shapes or regions as vertices to be joined: no ellipses, no records.

    Regions are parsed the first time, on whichever thread that is, and known for as long as there
    is the table. InvalidMessage if one of them cannot be read.
    """
    if kind != "rois":
        return _without_ellipses(table)
    known = _of_regions.get(id(table))
    if known is None:
        found = outlines(roi_records(table))
        known = _of_regions[id(table)] = _without_ellipses(
            as_shapes([shape.vertices for shape in found], [shape.type for shape in found])
        )
        weakref.finalize(table, _of_regions.pop, id(table), None).atexit = False
    return known


def _without_ellipses(table: NDArray[Any]) -> NDArray[np.float64]:
    if (table[:, 1] != ShapeType.ELLIPSE).all():
        return table
    parts = []
    for number, shape in enumerate(shapes_of(table)):
        vertices = shape.vertices
        if shape.type is ShapeType.ELLIPSE:
            vertices = rim_of(vertices, _SIDES)
        part = np.empty((len(vertices), table.shape[1]))
        part[:, 0], part[:, 1] = number, shape.type
        part[:, 2:-2], part[:, -2:] = shape.along, vertices
        parts.append(part)
    return np.concatenate(parts)


def segments_of(table: NDArray[np.float64], steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the lines that join the vertices of each shape, as napari's vectors.

    Parameters
    ----------
    table : ndarray
        From `as_vertices`.
    steps : ndarray
        Its `steps_of`.

    Returns
    -------
    ndarray
        ``(n, 2, axes)``: start and projection of each line.
    """
    if not len(table):
        return np.empty((0, 2, steps.shape[1]), np.float32)
    last = np.append(np.diff(table[:, 0]) != 0, True)
    ends = np.flatnonzero(last)
    following = np.arange(1, len(table) + 1)
    following[ends] = np.concatenate(([0], ends[:-1] + 1))
    closed = ~np.isin(table[:, 1], (ShapeType.PATH, ShapeType.LINE))
    joined = closed | ~last
    starts = steps[joined]
    return np.stack([starts, steps[following[joined]] - starts], axis=1)
