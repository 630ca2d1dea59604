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
    from napari.layers import Layer
    from qtpy.QtWidgets import QMainWindow, QWidget

__all__ = ["clear_extent", "dims_widget", "hide_position", "main_window"]

logger = logging.getLogger(__name__)


def main_window(viewer: napari.Viewer) -> QMainWindow:
    """Return Qt's main window: only it has a status bar, and can be grabbed whole."""
    window: QMainWindow = viewer.window._qt_window
    return window


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
