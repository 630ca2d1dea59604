"""Beside each slider, the component's value (``A02``) in place of napari's position (``1``)."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontMetrics
from qtpy.QtWidgets import QLabel, QWidget

from coverslip.viewers.napari.insides import dims_widget, hide_position
from coverslip.viewers.napari.planes import Grid

if TYPE_CHECKING:
    import napari

    from coverslip.viewers.napari.sliders import Sliders

__all__ = ["ValueLabels", "place_in_words"]

_NAME = "coverslip_value"

_HIDDEN = "Only layers that are hidden have a {}: show one by its eye in the layer list."


class ValueLabels:
    """Keeps the text at every slider, and the line on the canvas, at what is shown. GUI thread.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    sliders : Sliders
        What the viewer stands on.
    shown : callable
        Returns the axes that what is shown has a place on, each with the channel that alone has it.
    waiting : str, optional
        What the canvas says while there is nothing of ours; else what the user had there.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        sliders: Sliders,
        shown: Callable[[], Mapping[str, str]],
        waiting: str | None = None,
    ) -> None:
        self._viewer = viewer
        self._sliders = sliders
        self._shown = shown
        self._waiting = waiting
        self._theirs: tuple[Any, ...] | None = None
        """The user's own words on the canvas, while ours stand there."""
        self._measured: Grid | None = None
        self._texts: list[str] = []
        self._dims = dims_widget(viewer)
        self._events = (viewer.dims.events.current_step, viewer.dims.events.ndisplay)
        for event in self._events:
            event.connect(self._on_change)

    def update(self) -> None:
        """Write every label anew."""
        dims = self._viewer.dims
        first = dims.ndim - len(self._sliders.grid.labels) - 2
        if first < 0:
            return  # between two states of napari's own: it comes again
        shown = self._shown()
        if self._dims is not None:
            rows = self._dims.slider_widgets
            if len(rows) != dims.ndim:
                return
            self._write(rows[first:], dims.current_step[first:], shown)
        self._say(place_in_words(dict(self._sliders.looked_at), shown))

    def _write(self, rows: Sequence[Any], steps: Sequence[int], shown: Collection[str]) -> None:
        """Write the label in each row of the grid's; the rows of the picture's axes follow."""
        width = 0
        labels = []
        grid = self._sliders.grid
        ours = zip(grid.names, grid.values, self._longest(grid), strict=True)
        for row, step, (name, values, longest) in zip(rows, steps, ours, strict=False):
            label = row.findChild(QLabel, _NAME) or _add_label(row)
            index = min(step, len(values) - 1)
            value, position = html.escape(str(values[index])), f"{index + 1}/{len(values)}"
            if name in shown:
                label.setText(f"<b>{value}</b> &nbsp;{position}")
                label.setToolTip("")
            else:
                label.setText(f'<span style="color:gray">hidden &nbsp;{position}</span>')
                label.setToolTip(_HIDDEN.format(name))
            font = label.font()
            font.setBold(True)
            metrics = QFontMetrics(font)
            text = f"{longest}   {len(values)}/{len(values)}"
            width = max(width, metrics.horizontalAdvance(text) + 2 * metrics.averageCharWidth())
            labels.append(label)
        for row, step in zip(rows[len(labels) :], steps[len(labels) :], strict=False):
            # A row that was ours and is the user's now: napari's own words are hidden in it.
            if (label := row.findChild(QLabel, _NAME)) is not None:
                label.setText(str(step))
        for label in labels:
            # One width for all keeps the sliders' ends in line, and still while they move.
            label.setFixedWidth(min(width, self._dims.width() // 3 or width))

    def _longest(self, grid: Grid) -> list[str]:
        """Return the longest text beside each slider; of one with tens of thousands, found once."""
        if grid is not self._measured:
            self._measured = grid
            self._texts = [max((*map(str, values), "hidden"), key=len) for values in grid.values]
        return self._texts

    def rest(self) -> None:
        """Say that there is nothing of ours."""
        if self._waiting is not None:
            self._say(self._waiting)
        elif self._theirs is not None:
            text = self._viewer.canvas.overlays.text
            text.visible, text.position, text.text = self._theirs
            self._theirs = None

    def _say(self, words: str) -> None:
        text = self._viewer.canvas.overlays.text
        if self._theirs is None:
            self._theirs = (text.visible, text.position, text.text)
            text.visible, text.position = True, "top_left"
        text.text = words

    def _on_change(self) -> None:
        if self._theirs is not None:
            self.update()

    def close(self) -> None:
        """Let go of the viewer's events."""
        for event in self._events:
            event.disconnect(self._on_change)


def place_in_words(place: dict[str, str | int | float], shown: Mapping[str, str]) -> str:
    """Return a place as one line: ``well A02   site 1   no z_index``, where none shown has one.

    Where one channel alone has one, it is named: ``z_index 3 (channel 4 alone)``.
    """
    words = []
    for name, value in place.items():
        only = f" ({shown[name]} alone)" if shown.get(name) else ""
        words.append(f"{name} {value}{only}" if name in shown else f"no {name}")
    return "    ".join(words)


def _add_label(row: QWidget) -> QLabel:
    hide_position(row)
    label = QLabel(row)
    label.setObjectName(_NAME)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    layout = row.layout()
    assert layout is not None
    layout.addWidget(label)
    return label
