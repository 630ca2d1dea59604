"""Tables of annotations to ImageJ's outlines, each with the components that say where it is seen.

Points that are seen together are one ROI of many points. A track is a line for its whole way, seen
at every time, in a colour of its own, and a point at each time. AWT event thread only.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import ShapeType, Value, roi_records, shapes_of
from coverslip.viewers.fiji import rois
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.overlay import Outline

__all__ = ["outlines_of"]

Table = NDArray[Any]
Components = Mapping[str, Value]

_GOLDEN: Final = 0.618_033_988_75
"""Of the colour circle from one track to the next: neighbours in number are never alike."""

_DRAWN_AS: Final = {
    ShapeType.POLYGON: rois.polygon,
    ShapeType.RECTANGLE: rois.polygon,
    ShapeType.ELLIPSE: rois.ellipse,
    ShapeType.PATH: rois.path,
    ShapeType.LINE: rois.segment,
}


def outlines_of(
    kind: str, along: tuple[str, ...], table: Table, components: Components, stroke: Any = None
) -> list[Outline]:
    """Return what a table is drawn as.

    Parameters
    ----------
    kind : str
        ``"points"``, ``"shapes"``, ``"tracks"`` or ``"rois"``.
    along : tuple of str
        The components that its rows give by themselves.
    table : ndarray
        As `coverslip.payload.annotations` has it, checked.
    components : mapping of str to value
        Those that the whole of it has.
    stroke : object
        A `java.awt.Color` for all of it; None leaves each its own.

    Raises
    ------
    coverslip.payload.InvalidMessage
        A ``.roi`` record that is none; then nothing of the table is drawn.
    """
    outlines = list(_outlines(kind, along, table, components))
    if stroke is not None:
        for outline in outlines:
            outline.roi.setStrokeColor(stroke)
    return outlines


def _outlines(
    kind: str, along: tuple[str, ...], table: Table, components: Components
) -> Iterator[Outline]:
    if kind == "rois":
        for roi in map(rois.roi_of, roi_records(table)):
            yield Outline(roi, components, rois.spot_of(roi))
    elif kind == "shapes":
        for shape in shapes_of(table):
            place = {**components, **_values(along, shape.along)}
            yield Outline(_DRAWN_AS[shape.type](shape.vertices), place)
    else:
        if kind == "tracks":
            yield from _ways(table, components)
        for own, group in _together(along, table):
            yield Outline(rois.points(group), {**components, **own})


def _ways(table: Table, components: Components) -> Iterator[Outline]:
    """Yield the line of each track, in order of time."""
    for number in np.unique(table[:, 0]):
        rows = table[table[:, 0] == number]
        if len(rows) < 2:
            continue
        line = rois.path(rows[np.argsort(rows[:, 1], kind="stable"), -2:])
        line.setStrokeColor(class_of("java.awt.Color")(*_color(int(number))))
        line.setName(f"track {int(number)}")
        yield Outline(line, components)


def _together(along: tuple[str, ...], table: Table) -> Iterator[tuple[Components, Table]]:
    """Yield the positions, ``(n, 2)``, of the rows that stand in one place."""
    if not len(table):
        return
    first = table.shape[1] - 2 - len(along)
    # A spot between two planes, at z 3.4, is seen in the nearer one.
    places, which = np.unique(np.rint(table[:, first:-2]), axis=0, return_inverse=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    groups = np.split(table[order, -2:], np.flatnonzero(np.diff(which[order])) + 1)
    for place, group in zip(places, groups, strict=True):
        yield _values(along, tuple(place)), group


def _values(along: tuple[str, ...], numbers: tuple[float, ...]) -> dict[str, Value]:
    return {name: round(number) for name, number in zip(along, numbers, strict=True)}


def _color(number: int) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(number * _GOLDEN % 1.0, 0.75, 1.0)
