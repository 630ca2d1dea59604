"""Beside each slider, the component's value (``A02``) in place of napari's position (``1``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

if TYPE_CHECKING:
    import napari

    from coverslip.viewers.napari.sliders import Sliders

__all__ = ["ValueLabels", "place_in_words"]

_NAME = "coverslip_value"


class ValueLabels:
    """Keeps the text at every slider, and the line on the canvas, at what is shown. GUI thread.

    napari has no public place for a slider's own words, so its rows of widgets are reached into,
    here and nowhere else.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    sliders : Sliders
        What the viewer stands on.
    """

    def __init__(self, viewer: napari.Viewer, sliders: Sliders) -> None:
        self._viewer = viewer
        self._sliders = sliders
        self._dims = viewer.window._qt_viewer.dims
        self._events = (viewer.dims.events.current_step, viewer.dims.events.ndisplay)
        for event in self._events:
            event.connect(self.update)

    def update(self) -> None:
        """Write every label anew."""
        grid = self._sliders.grid
        first = self._viewer.dims.ndim - len(grid.names) - 2
        if first < 0 or len(self._dims.slider_widgets) != self._viewer.dims.ndim:
            return  # between two states of napari's own: it comes again
        steps = self._viewer.dims.current_step
        width = 0
        labels = []
        for offset, values in enumerate(grid.values):
            row = self._dims.slider_widgets[first + offset]
            label = row.findChild(QLabel, _NAME) or _add_label(row)
            index = min(steps[first + offset], len(values) - 1)
            label.setText(f"<b>{values[index]}</b> &nbsp;{index + 1}/{len(values)}")
            longest = max(values, key=lambda value: len(str(value)))
            metrics = label.fontMetrics()
            text = f"{longest}   {len(values)}/{len(values)}"
            width = max(width, metrics.horizontalAdvance(text) + 2 * metrics.averageCharWidth())
            labels.append(label)
        for label in labels:
            # One width for all keeps the sliders' ends in line, and still while they move.
            label.setFixedWidth(min(width, self._dims.width() // 3 or width))
        self._viewer.canvas.overlays.text.text = place_in_words(dict(self._sliders.looked_at))

    def close(self) -> None:
        """Let go of the viewer's events."""
        for event in self._events:
            event.disconnect(self.update)


def place_in_words(place: dict[str, str | int | float]) -> str:
    """Return a place as one line: ``well A02   site 1   z_index 3``."""
    return "    ".join(f"{name} {value}" for name, value in place.items())


def _add_label(row: QWidget) -> QLabel:
    for name in ("slice_label", "slice_label_sep"):
        for widget in row.findChildren(QWidget, name):
            widget.hide()
    label = QLabel(row)
    label.setObjectName(_NAME)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    layout = row.layout()
    assert layout is not None
    layout.addWidget(label)
    return label
