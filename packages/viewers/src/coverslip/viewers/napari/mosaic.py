"""A plate as one picture: a cell for each well, what names them, a frame around those in view.

Imports Qt at the top, which draws the words. GUI thread only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter

from coverslip.payload import Value
from coverslip.viewers.wells import PlateMap, row_name

__all__ = ["Mosaic", "Tint"]

_GAP: Final = 2
"""Pixels between two cells."""

_MOST: Final = 3 << 20
"""Pixels of the whole picture: 9 MiB to hand to OpenGL, and no texture's limit."""

_PLATE, _EMPTY, _FRAME = (30, 32, 36), (14, 15, 17), (255, 209, 26)
_INK: Final = QColor(170, 174, 180)


class Tint(NamedTuple):
    """How the tiles of one group are drawn; equal tints draw equal tiles alike."""

    table: bytes
    """256 colours of red, green and blue as float32, from the lower limit to the upper."""
    limits: tuple[float, float]
    adds: bool
    """It adds its light to what is below; otherwise it covers that."""

    def colored(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a tile's colours, ``(y, x, 3)`` from 0 to 1; those of RGB are its own."""
        if tile.ndim == 3:
            return tile
        low, high = self.limits
        steps = (tile - np.float32(low)) * np.float32(255 / (high - low))
        colors = np.frombuffer(self.table, np.float32).reshape(256, 3)
        colored: NDArray[np.float32] = colors[np.clip(steps, 0, 255).astype(np.uint8)]
        return colored


class Mosaic:
    """Draws wells into an array of its own, one at a time. GUI thread only.

    Parameters
    ----------
    layout : PlateMap
        Where each well stands.
    edge : int
        Pixels that a cell is wide and high, at most.
    before : Mosaic, optional
        Another of the same wells and more, whose cells are taken over where they are as large.
    """

    def __init__(self, layout: PlateMap, edge: int, before: Mosaic | None = None) -> None:
        self.layout = layout
        while layout.rows * layout.columns * (edge + _GAP) ** 2 > _MOST and edge > 1:
            edge //= 2
        self.edge = edge
        self._margin = edge if layout.plate is not None else 0
        """Pixels for the rows' letters at the left, and the columns' numbers above."""
        below = len(layout.places) > 0 and layout.rows > (layout.plate or (0, 0))[0]
        self._caption = max(10, edge // 4) if below else 0
        """Pixels below each cell for the name of a well that has no place on a plate."""
        self._pitch = edge + _GAP + self._caption, edge + _GAP
        self._framed: dict[Value, NDArray[np.uint8]] = {}
        """What is below the frames."""
        height = self._margin + _GAP + layout.rows * self._pitch[0]
        width = self._margin + _GAP + layout.columns * self._pitch[1]
        self.pixels: NDArray[np.uint8] = np.empty((height, width, 3), np.uint8)
        """``(y, x, 3)``"""
        self.pixels[...] = _PLATE
        rows, columns = layout.plate or (0, 0)
        for place in (*np.ndindex(rows, columns), *layout.places.values()):
            self._cell(place)[...] = _EMPTY
        self._write_names()
        if before is not None and before.edge == edge:
            before.frame(())
            for well in before.layout.places.keys() & layout.places.keys():
                self._cell_of(well)[...] = before._cell_of(well)

    def take(self, layout: PlateMap) -> bool:
        """Have more wells, if they only fill places that are empty; whether it is so."""
        now = self.layout
        if now._replace(places=layout.places) != layout or self._caption:
            return False
        if not now.places.items() <= layout.places.items():
            return False
        self.layout = layout
        return True

    def draw(self, well: Value, tiles: Iterable[tuple[NDArray[np.float32], Tint]]) -> None:
        """Draw one well anew: its tiles, bottom first, each with how it is drawn."""
        light = np.zeros((self.edge, self.edge, 3), np.float32)
        drawn = False
        for tile, tint in tiles:
            drawn = True
            colors = tint.colored(tile)
            top, left = ((self.edge - extent) // 2 for extent in colors.shape[:2])
            below = light[top : top + colors.shape[0], left : left + colors.shape[1]]
            below[...] = below + colors if tint.adds else colors
        cell = self._cell_of(well)
        if drawn:
            cell[...] = np.minimum(light * np.float32(255), np.float32(255))
        else:
            cell[...] = _EMPTY
        if well in self._framed:
            self._framed.pop(well)
            self._frame(well)

    def frame(self, wells: Iterable[Value]) -> None:
        """Frame these wells, and no others."""
        for well, below in self._framed.items():
            self._cell_of(well)[...] = below
        self._framed = {}
        for well in wells:
            if well in self.layout.places:
                self._frame(well)

    def well_at(self, y: float, x: float) -> Value | None:
        """Return the well whose cell a pixel lies in, None for none."""
        row = int(y - self._margin - _GAP) // self._pitch[0]
        column = int(x - self._margin - _GAP) // self._pitch[1]
        places = self.layout.places.items()
        return next((well for well, place in places if place == (row, column)), None)

    def center_of(self, well: Value) -> tuple[float, float]:
        """Return the pixel in the middle of a well's cell: y, x."""
        rows, columns = self._where(self.layout.places[well])
        return (rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2

    def _frame(self, well: Value) -> None:
        cell, width = self._cell_of(well), max(2, self.edge // 12)
        self._framed[well] = cell.copy()
        for side in (cell[:width], cell[-width:], cell[:, :width], cell[:, -width:]):
            side[...] = _FRAME

    def _where(self, place: tuple[int, int]) -> tuple[slice, slice]:
        top, left = (
            self._margin + _GAP + number * pitch
            for number, pitch in zip(place, self._pitch, strict=True)
        )
        return slice(top, top + self.edge), slice(left, left + self.edge)

    def _cell_of(self, well: Value) -> NDArray[np.uint8]:
        return self._cell(self.layout.places[well])

    def _cell(self, place: tuple[int, int]) -> NDArray[np.uint8]:
        return self.pixels[self._where(place)]

    def _write_names(self) -> None:
        rows, columns = self.layout.plate or (0, 0)
        heads = [(column, str(column + 1)) for column in range(columns)]
        if heads:
            self._write(0, self._margin, heads)
        for row in range(rows):
            top = self._where((row, 0))[0].start
            self.pixels[top : top + self.edge, : self._margin] = _words(
                self._margin, self.edge, [(0, self._margin, row_name(row))]
            )
        below: dict[int, list[tuple[int, str]]] = {}
        for well, (row, column) in self.layout.places.items():
            if row >= rows:
                below.setdefault(row, []).append((column, str(well)))
        for row, names in below.items():
            self._write(self._where((row, 0))[0].stop, self._caption, names)

    def _write(self, top: int, height: int, names: list[tuple[int, str]]) -> None:
        """Write words over or under the cells of one row."""
        strip = _words(
            self.pixels.shape[1],
            height,
            [(self._where((0, column))[1].start, self.edge, name) for column, name in names],
        )
        self.pixels[top : top + height] = strip


def _words(width: int, height: int, names: list[tuple[int, int, str]]) -> NDArray[np.uint8]:
    """Return a strip of the plate with words on it, each given as its left end, width and text."""
    image = QImage(width, height, QImage.Format.Format_RGBA8888)
    image.fill(QColor(*_PLATE))
    painter = QPainter(image)
    try:
        font = QFont()
        font.setPixelSize(max(6, round(height * 0.6)))
        painter.setFont(font)
        painter.setPen(_INK)
        for left, room, text in names:
            words = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, room)
            painter.drawText(QRectF(left, 0, room, height), Qt.AlignmentFlag.AlignCenter, words)
    finally:
        painter.end()
    bits: Any = image.constBits()
    if hasattr(bits, "setsize"):  # PyQt's pointer does not know how much it points to
        bits.setsize(image.sizeInBytes())
    return np.frombuffer(bits, np.uint8).reshape(height, width, 4)[..., :3].copy()
