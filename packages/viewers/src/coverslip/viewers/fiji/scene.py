"""A projection drawn by ImageJ: planes in, a window for each layer, all kept in step.

Inserting only notes what has changed; :meth:`Scene.paint` draws it, and whoever drives the scene
calls that at most every 50 ms. AWT event thread only.
"""

from __future__ import annotations

import logging

from coverslip.payload import LayerKey, Projection
from coverslip.viewers.colors import ChannelColors
from coverslip.viewers.fiji.bursts import Burst
from coverslip.viewers.fiji.channels import ChannelLooks
from coverslip.viewers.fiji.pixels import JavaPixels
from coverslip.viewers.fiji.stack import Hyperstack, Layout
from coverslip.viewers.fiji.window import HyperstackWindow
from coverslip.viewers.server import Arrival

__all__ = ["Scene"]

logger = logging.getLogger(__name__)

_MANY = 64
"""Windows of which a warning is due."""


class Scene:
    """Shows each plane in its window, in place, and keeps every choice of the user's.

    Parameters
    ----------
    pixels
        Makes blank planes.
    """

    def __init__(self, pixels: JavaPixels) -> None:
        self.projection = Projection()
        self._pixels = pixels
        self._colors = ChannelColors()
        self._windows: dict[LayerKey, HyperstackWindow] = {}
        self._collisions = Burst(logger, "plane(s) replaced one of another step or output")

    def insert(self, arrival: Arrival) -> None:
        """Put a plane into its window; :meth:`paint` draws it."""
        placement = arrival.placement
        self.prune()
        change = self.projection.insert(placement, arrival.pixels, arrival.origin)
        window = self._windows.get(placement.layer)
        if window is None:
            stack = Hyperstack(change.layer, Layout.of(placement), self._pixels)
            stack.put(placement.coordinates)
            looks = ChannelLooks(self._colors, rgb=placement.layer.rgb)
            window = HyperstackWindow(stack, looks)
            self._windows[placement.layer] = window
            if len(self._windows) == _MANY:
                logger.warning(
                    "%d windows: give a component the mode stack (%s make windows now)",
                    _MANY,
                    ", ".join(placement.window) or "names",
                )
        window.put(placement.coordinates, arrival.limits)
        if change.collision is not None:
            old, new = change.collision
            self._collisions.count(f"{new} replaced {old}")

    def prune(self) -> None:
        """Forget the windows that the user has closed or made something else of."""
        for key, window in list(self._windows.items()):
            if window.closed or window.theirs:
                # Its memory is free when ImageJ lets go; the next plane opens a new window.
                del self._windows[key]
                self.projection.remove(window.layer)

    def paint(self) -> None:
        """Draw what has changed since the last time."""
        self.prune()
        for window in self._windows.values():
            window.paint()

    def windows(self) -> list[HyperstackWindow]:
        """Return the windows of ours, oldest first, up to date."""
        self.paint()
        return list(self._windows.values())

    def clear(self) -> None:
        """Close every window of ours; the user's own stay."""
        for window in self._windows.values():
            window.close()
        self._windows.clear()
        self.projection.clear()
