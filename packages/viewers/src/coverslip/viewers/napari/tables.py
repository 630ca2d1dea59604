"""Points, shapes, regions and tracks: napari layers that are handed the tables in view.

Shapes are drawn as their outlines, by napari's vectors: its Shapes layer takes 1.2 s of processor
time for 5,000 polygons of 60 vertices with the fastest of its triangulations and 44 s with the one
that it comes with, each time (`python -m benchmarks shapes`). GUI thread only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import Layer, Value
from coverslip.viewers.napari.insides import become, take_vectors
from coverslip.viewers.napari.live import LiveLayer, by_name
from coverslip.viewers.napari.planes import Grid
from coverslip.viewers.napari.rows import (
    Viewpoint,
    as_vertices,
    segments_of,
    steps_of,
    tables_in_view,
    view_of,
)

__all__ = ["LiveOutlines", "LivePoints", "LiveTable", "LiveTracks", "live_table"]

_POINT = 7.0
"""Diameter of a point's ring, in pixels of the image."""

_LINE = 1.5
"""Width of an outline, in pixels of the image."""


class LiveTable(LiveLayer):
    """Hands napari what is in view, as the sliders move.

    Parameters
    ----------
    layer, grid
        As for `LiveLayer`.
    looked_at : mapping of str to value
        Where the sliders are.
    color : str
        What it is drawn in.
    options
        napari's: visible, opacity, blending.
    """

    def __init__(
        self,
        layer: Layer,
        grid: Grid,
        looked_at: Mapping[str, Value],
        *,
        color: str,
        **options: Any,
    ) -> None:
        view = view_of(layer, grid, looked_at)
        drawn = self._make(len(view.names), color, name=layer.name, **options)
        super().__init__(layer, grid, drawn)
        drawn.axis_labels = view.names
        self.for_looking()
        self._view = view
        self._looked_at = dict(looked_at)
        self._drawn_tables: tuple[int, ...] | None = None
        self.redraw()
        drawn.events.visible.connect(self._on_eye)

    @abstractmethod
    def _make(self, ndim: int, color: str, **options: Any) -> Any:
        """Return an empty napari layer of so many axes."""

    @abstractmethod
    def _rows(
        self, table: NDArray[Any], place: Mapping[str, Value], view: Viewpoint
    ) -> NDArray[Any]:
        """Return a table as the napari layer's data, on the axes of `view`."""

    def _hand_over(self, rows: NDArray[Any]) -> None:
        self.drawn.data = rows

    @property
    def names(self) -> tuple[str, ...]:
        """The napari layer's own axes; it lacks those to the left of what its rows stand on."""
        return self._view.names

    def move_to(self, grid: Grid, *, announce: bool) -> None:
        """Be drawn on other axes."""
        # What is in view is drawn anew when the sliders have found their place on the new axes.
        self.grid = grid

    def look(self, looked_at: Mapping[str, Value]) -> None:
        """Draw what is in view from where the sliders are, unless it is drawn already."""
        self._looked_at = dict(looked_at)
        if not self.drawn.visible:
            return
        view = view_of(self.layer, self.grid, looked_at)
        tables = tables_in_view(self.layer, self.grid, looked_at)
        # By identity: a table is never written to, and a replacement is another one.
        shown = tuple(id(table) for _, table in tables)
        if view == self._view and shown == self._drawn_tables:
            return
        parts = [self._rows(table, place, view) for place, table in tables]
        self._turn_to(view)
        self._hand_over(np.concatenate(parts) if parts else np.empty((0, *self._row_shape(view))))
        self._drawn_tables = shown
        self.stale = False

    def redraw(self) -> None:
        """Draw again what is in view."""
        self._drawn_tables = None
        self.look(self._looked_at)

    def close(self) -> None:
        """Let go of the napari layer's events."""
        super().close()
        self.drawn.events.visible.disconnect(self._on_eye)

    def _row_shape(self, view: Viewpoint) -> tuple[int, ...]:
        return (len(view.names),)

    def _turn_to(self, view: Viewpoint) -> None:
        """Give the napari layer other axes, keeping by name what the user may have set on them."""
        drawn, old = self.drawn, self._view.names
        self._view = view
        if view.names == old:
            return
        scale, translate, units = drawn.scale, drawn.translate, drawn.units
        with ExitStack() as stack:
            stack.enter_context(self.unnoticed())
            if len(view.names) != len(old):
                become(drawn, len(view.names))
            drawn.axis_labels = view.names
            drawn.scale = by_name(scale, old, view.names, 1.0)
            drawn.translate = by_name(translate, old, view.names, 0.0)
            drawn.units = by_name(units, old, view.names, "pixel")

    def _on_eye(self) -> None:
        if self.drawn.visible:
            self.look(self._looked_at)


class LivePoints(LiveTable):
    """Draws points as rings, which leave the spot itself to be seen.

    napari keeps a size and colour for each point and changes those of the selected ones; here no
    point is selected, and what the user chooses is for all.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.drawn.events.current_size.connect(self._on_size)
        self.drawn.events.current_border_color.connect(self._on_color)
        self.drawn.events.current_face_color.connect(self._on_color)

    def close(self) -> None:
        """Let go of the napari layer's events."""
        super().close()
        self.drawn.events.current_size.disconnect(self._on_size)
        self.drawn.events.current_border_color.disconnect(self._on_color)
        self.drawn.events.current_face_color.disconnect(self._on_color)

    def _on_size(self) -> None:
        self.drawn.size = self.drawn.current_size

    def _on_color(self) -> None:
        if len(self.drawn.data):
            self.drawn.border_color = self.drawn.current_border_color
            self.drawn.face_color = self.drawn.current_face_color

    def _make(self, ndim: int, color: str, **options: Any) -> Any:
        from napari.layers import Points

        return Points(
            ndim=ndim,
            size=_POINT,
            face_color="transparent",
            border_color=color,
            border_width=0.15,
            **options,
        )

    def _rows(
        self, table: NDArray[Any], place: Mapping[str, Value], view: Viewpoint
    ) -> NDArray[Any]:
        return steps_of(self.layer, table, place, view)


class LiveOutlines(LiveTable):
    """Draws the outlines of shapes and of ImageJ's regions."""

    def _hand_over(self, rows: NDArray[Any]) -> None:
        take_vectors(self.drawn, rows)

    def _make(self, ndim: int, color: str, **options: Any) -> Any:
        from napari.layers import Vectors

        return Vectors(
            ndim=ndim, vector_style="line", edge_width=_LINE, edge_color=color, **options
        )

    def _rows(
        self, table: NDArray[Any], place: Mapping[str, Value], view: Viewpoint
    ) -> NDArray[Any]:
        vertices = as_vertices(self.layer.key.kind, table)
        return segments_of(vertices, steps_of(self.layer, vertices, place, view))

    def _row_shape(self, view: Viewpoint) -> tuple[int, ...]:
        return (2, len(view.names))


class LiveTracks(LiveTable):
    """Draws tracks, each in a colour of its own, with a tail of the past."""

    def _make(self, ndim: int, color: str, **options: Any) -> Any:
        from napari.layers import Tracks

        return Tracks(_nowhere(ndim), **options)

    def _rows(
        self, table: NDArray[Any], place: Mapping[str, Value], view: Viewpoint
    ) -> NDArray[Any]:
        along = self.layer.key.along
        if along[0] not in view.grid.names:
            return np.empty((0, *self._row_shape(view)))
        for column, name in enumerate(along, start=1):
            # An axis that the layer has not: rows of other places go, and of later times.
            if name not in view.names and name in self._looked_at:
                rows, here = table[:, column], self._looked_at[name]
                table = table[rows <= here if column == 1 else rows == here]
        steps = steps_of(self.layer, table, place, view)
        if view.moment:
            # All that is left is to be seen now, wherever the slider of the axis that stands in
            # for the time may be.
            steps[:, 0] = view.at[0]
        return np.column_stack([table[:, 0], steps])

    def _hand_over(self, rows: NDArray[Any]) -> None:
        # napari has no tracks without a position; one that stands alone draws nothing.
        rows = rows if len(rows) else _nowhere(len(self._view.names))
        # It makes a table of as many rows as the largest number says: theirs are 0, 1, 2, …
        numbers = np.unique(rows[:, 0], return_inverse=True)[1]
        self.drawn.data = np.column_stack([numbers, rows[:, 1:]])
        self.drawn.features = {"track_id": rows[:, 0].astype(np.int64)}

    def _row_shape(self, view: Viewpoint) -> tuple[int, ...]:
        return (1 + len(view.names),)


def _nowhere(ndim: int) -> NDArray[np.float64]:
    return np.zeros((1, 1 + ndim))


_CLASSES: dict[str, type[LiveTable]] = {
    "points": LivePoints,
    "shapes": LiveOutlines,
    "rois": LiveOutlines,
    "tracks": LiveTracks,
}


def live_table(
    layer: Layer, grid: Grid, looked_at: Mapping[str, Value], *, color: str, **options: Any
) -> LiveTable:
    """Return what draws the tables of a layer; parameters are `LiveTable`'s."""
    return _CLASSES[layer.key.kind](layer, grid, looked_at, color=color, **options)
