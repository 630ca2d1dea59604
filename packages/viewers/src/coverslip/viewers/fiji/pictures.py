"""ImageJ's windows as one PNG, each where it stands on the screen. AWT event thread only.

They are painted and not photographed: a window that another one covers is whole, no other program
is in the picture, and Wayland, which lets nobody photograph, has nothing to say.
"""

from __future__ import annotations

from typing import Any

from coverslip.viewers.fiji.java import class_of

__all__ = ["picture_of"]

_MARGIN = 4
_TITLE = 18


def picture_of(windows: list[Any]) -> bytes:
    """Return these AWT windows as PNG, the last one on top.

    Parameters
    ----------
    windows : list of object
        `java.awt.Frame` objects; those that are not on screen are left out.
    """
    shown = [window for window in windows if window is not None and window.isShowing()]
    bounds = class_of("java.awt.Rectangle")(0, 0, 1, 1)
    if shown:
        bounds = shown[0].getBounds()
        for window in shown[1:]:
            bounds = bounds.union(window.getBounds())
    bounds.grow(_MARGIN, _MARGIN)
    bounds.translate(0, -_TITLE)
    bounds.height += _TITLE
    kind: Any = class_of("java.awt.image.BufferedImage")
    image = kind(bounds.width, bounds.height, kind.TYPE_INT_RGB)
    canvas = image.createGraphics()
    colors = class_of("java.awt.Color")
    canvas.setColor(colors(64, 64, 64))
    canvas.fillRect(0, 0, bounds.width, bounds.height)
    for window in shown:
        x, y = window.getX() - bounds.x, window.getY() - bounds.y
        place = canvas.create(x, y - _TITLE, window.getWidth(), window.getHeight() + _TITLE)
        _paint(window, place, colors)
        place.dispose()
    canvas.dispose()
    out = class_of("java.io.ByteArrayOutputStream")()
    class_of("javax.imageio.ImageIO").write(image, "png", out)
    return bytes(out.toByteArray())


def _paint(window: Any, place: Any, colors: Any) -> None:
    width, height = window.getWidth(), window.getHeight()
    # The title bar is the window manager's, which does not paint here.
    place.setColor(colors(205, 215, 230))
    place.fillRect(0, 0, width, _TITLE)
    place.setColor(colors.black)
    place.drawString(window.getTitle(), 8, _TITLE - 5)
    place.translate(0, _TITLE)
    place.setColor(window.getBackground() or colors.white)
    place.fillRect(0, 0, width, height)
    place.setColor(colors.black)
    place.setFont(window.getFont())
    window.paint(place)
    for component in window.getComponents():
        inner = place.create(
            component.getX(), component.getY(), component.getWidth(), component.getHeight()
        )
        component.printAll(inner)
        inner.dispose()
