"""What napari has no public way for: every reach into its insides, here alone, with its reason.

These are the places to look at with a new version of napari (this is written for 0.9). One that
is not found any more costs what leaned on it, said once in the log, and not the viewer. Only the
main window is indispensable: the bar stands in it, and screenshots are taken of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer, Vectors
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QMainWindow, QWidget

__all__ = [
    "become",
    "clear_extent",
    "dims_widget",
    "hide_position",
    "main_window",
    "take_vectors",
    "widen_layer_list",
]

logger = logging.getLogger(__name__)

_PICTURED = 10_000
"""Vectors of which napari's list of layers has a picture, in little."""


def main_window(viewer: napari.Viewer) -> QMainWindow:
    """Return Qt's main window: only it has a status bar, and can be grabbed whole."""
    window: QMainWindow = viewer.window._qt_window
    return window


def widen_layer_list(viewer: napari.Viewer, width: int) -> None:
    """Make the dock with the list of layers so many pixels wide: it has no public name."""
    from qtpy.QtCore import Qt

    try:
        dock = viewer.window._qt_viewer.dockLayerList
    except AttributeError as error:
        logger.warning("long names are cut in the list of layers: in this napari %s", error)
        return
    main_window(viewer).resizeDocks([dock], [width], Qt.Orientation.Horizontal)


def dims_widget(viewer: napari.Viewer) -> Any:
    """Return what has the sliders' rows as `slider_widgets`; None when it is not found.

    A row has no public place for words of its own.
    """
    try:
        dims = viewer.window._qt_viewer.dims
        dims.slider_widgets  # noqa: B018 - whether it is there
    except AttributeError as error:
        logger.warning("sliders show positions in place of values: in this napari %s", error)
        return None
    return dims


def hide_position(row: QWidget) -> None:
    """Hide napari's own words in a slider's row: the position, and how many there are.

    They are known by the names of their widgets; under other names they stay.
    """
    from qtpy.QtWidgets import QWidget

    for name in ("slice_label", "slice_label_sep"):
        for widget in row.findChildren(QWidget, name):
            widget.hide()


def clear_extent(layer: Layer) -> None:
    """Have a layer work out its extent anew.

    Its public `refresh` does, but not while the layer is hidden, and the sliders' ranges come
    from the extents of all layers.
    """
    clear = getattr(layer, "_clear_extent", None)
    if clear is None:
        layer.refresh()
    else:
        clear()


def take_vectors(layer: Vectors, rows: NDArray[Any]) -> None:
    """Have a layer draw other vectors.

    The setter of its `data` draws its picture in the list of layers too, and looks at all vectors
    once more for that: of 300,000 it takes a seventh of the time until they are seen (measured).
    """
    hold = getattr(layer, "_block_refresh", None)
    if hold is None:
        layer.data = rows
        return
    clear_extent(layer)
    with hold():
        layer.data = rows
    layer.refresh(thumbnail=len(rows) <= _PICTURED, extent=False)


def become(layer: Layer, ndim: int) -> None:
    """Give an emptied layer of points, vectors or tracks another number of axes.

    Their public setters take data of the number that they were made with. A layer made anew would
    have forgotten what the user has chosen for it.
    """
    import numpy as np
    from napari.layers import Tracks

    if isinstance(layer, Tracks):
        # These alone follow their data, and have none without a position.
        layer.data = np.zeros((1, 1 + ndim))
        return
    empty = layer.data[:0]
    layer.data = empty
    layer._data = np.empty((0, *empty.shape[1:-1], ndim))
    layer._update_dims()
