"""Few windows side by side, as *Window > Tile* has them; many as ImageJ places them.

A window that the user has moved, or made larger or smaller, is left where it is. AWT event thread
only.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.window import HyperstackWindow

__all__ = ["MOST", "Tiles", "cell"]

MOST: Final = 8
"""Windows that are placed: of more, none could be read."""

_TITLE: Final = 24
"""Pixels that a title bar may take."""

_GAP: Final = 8
"""Pixels between two windows."""

_TOLERANCE: Final = 40
"""Pixels by which a window manager may put a window elsewhere than it was told."""

_SETTLING: Final = 1.0
"""Seconds in which AWT may still say where a window was before: the user has not moved it."""


class _Stand(NamedTuple):
    """Where a window was put, how large it is drawn, and when that was."""

    x: int
    y: int
    magnification: float
    when: float


class Tiles:
    """Places the windows of a scene when one has opened, or grown."""

    def __init__(self) -> None:
        self._left: weakref.WeakKeyDictionary[HyperstackWindow, _Stand] = (
            weakref.WeakKeyDictionary()
        )
        """As each window was left: what stands otherwise, the user has placed."""

    def arrange(self, windows: Sequence[HyperstackWindow]) -> None:
        """Place windows of ours, oldest first."""
        if len(windows) > MOST:
            return
        room = _room()
        ours = [one for one in windows if not self._moved(one)]
        width, height = cell(len(windows), room[2:])
        for one in ours:
            _fit(one.window, width, height)
        columns = room[2] // width
        # Small images stand together, not each in the middle of nowhere.
        across = min(width, max((one.window.getWidth() for one in windows), default=0) + _GAP)
        down = min(height, max((one.window.getHeight() for one in windows), default=0) + _TITLE)
        for number, one in enumerate(windows):
            if one not in ours:
                continue
            x = room[0] + number % columns * across
            y = room[1] + number // columns * down + _TITLE
            one.window.setLocation(x, y)
            self._left[one] = _Stand(x, y, _magnification(one), time.monotonic())

    def _moved(self, one: HyperstackWindow) -> bool:
        left = self._left.get(one)
        if left is None or time.monotonic() - left.when < _SETTLING:
            return False
        window = one.window
        return (
            abs(window.getX() - left.x) > _TOLERANCE
            or abs(window.getY() - left.y) > _TOLERANCE
            or _magnification(one) != left.magnification
        )


def cell(number: int, room: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height that each of so many windows has in a room of such a size.

    In as many columns as leave few empty and make them nearly square.
    """
    width, height = room

    def badness(columns: int) -> float:
        rows = math.ceil(number / columns)
        shape = abs(math.log((width / columns) / (height / rows)))
        return shape + (columns * rows - number) / number

    columns = min(range(1, number + 1), key=badness, default=1)
    return width // columns, height // max(1, math.ceil(number / columns))


def _room() -> tuple[int, int, int, int]:
    """Return the part of the screen that is below ImageJ's own window, or beside it."""
    screen = class_of("ij.gui.GUI").getMaxWindowBounds(class_of("ij.IJ").getInstance())
    main = class_of("ij.IJ").getInstance()
    top = int(screen.y)
    if main is not None and main.getY() - top < screen.height // 4:
        top = int(main.getY() + main.getHeight())
    return int(screen.x), top, int(screen.width), int(screen.y + screen.height - top)


def _fit(window: Any, width: int, height: int) -> None:
    """Zoom an image out until its window has room."""
    canvas = window.getCanvas()
    while window.getWidth() > width - _GAP or window.getHeight() > height - _TITLE:
        before = canvas.getMagnification()
        canvas.zoomOut(0, 0)
        if canvas.getMagnification() == before:
            return


def _magnification(one: HyperstackWindow) -> float:
    return float(one.window.getCanvas().getMagnification())
