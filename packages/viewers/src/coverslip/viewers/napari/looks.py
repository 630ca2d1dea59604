"""How a new layer looks: what its planes ask for, else what its channel or kind suggests.

What is asked for and unknown here (another viewer's colormap) is said once, counted and left
aside: a plane is shown in another colour rather than not at all.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from coverslip.payload import Display, Layer
from coverslip.viewers.colors import ChannelColors

if TYPE_CHECKING:
    import napari.layers

__all__ = ["Looks"]

logger = logging.getLogger(__name__)

_NOTES = ("yellow", "cyan", "magenta", "lime", "orange", "white")
"""Colours of annotations, in turn: they stand out from the channels' and from each other."""

_TOLD = 16
"""Unknown things of which clients are told: the newest."""

_ALIASES = {"grays": "gray", "greys": "gray", "grey": "gray"}
"""ImageJ's and other spellings of napari's colormaps."""


class Looks:
    """Chooses colours, blending and opacity for new layers; GUI thread only."""

    def __init__(self) -> None:
        self._channels = ChannelColors()
        self._notes = 0
        self.unknown: Counter[str] = Counter()
        """What was asked for and is unknown to napari, and by how many layers."""
        self.tell: Callable[[str], object] | None = None
        """Told of each such thing, once."""

    def colormap(self, layer: Layer, display: Display) -> str:
        """Return the colormap of an image."""
        own = self._channels.color(layer.components.get("channel"))
        if display.colormap is None:
            return own
        known = _colormap(display.colormap)
        if known is None:
            self._miss(f"colormap {display.colormap!r}")
        return known or own

    def color(self, display: Display) -> str:
        """Return the colour of points or outlines."""
        if display.colormap is not None:
            if _is_color(display.colormap):
                return display.colormap
            self._miss(f"colour {display.colormap!r}")
        self._notes += 1
        return _NOTES[(self._notes - 1) % len(_NOTES)]

    def dress(self, drawn: napari.layers.Layer, display: Display) -> None:
        """Give a new layer the opacity and blending that are asked for."""
        if display.opacity is not None:
            drawn.opacity = display.opacity
        if display.blending is not None:
            try:
                drawn.blending = display.blending.lower()
            except ValueError:
                self._miss(f"blending {display.blending!r}")

    def clear(self) -> None:
        """Begin anew with the colours that are taken in turn."""
        self._notes = 0

    def _miss(self, what: str) -> None:
        self.unknown[what] += 1
        if self.unknown[what] == 1:
            logger.warning("napari has no %s: the layer has its usual look", what)
            if self.tell is not None:
                self.tell(f"napari has no {', '.join(list(self.unknown)[-_TOLD:])}")


def _colormap(name: str) -> str | None:
    from napari.utils.colormaps import AVAILABLE_COLORMAPS, ensure_colormap

    for candidate in (name, name.lower(), _ALIASES.get(name.lower(), "")):
        if candidate in AVAILABLE_COLORMAPS:
            return candidate
    try:
        # vispy's and matplotlib's names, and plain colours such as "#ff8800"
        return str(ensure_colormap(name).name)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _is_color(name: str) -> bool:
    from napari.utils.colormaps.standardize_color import transform_color

    try:
        transform_color(name)
    except (KeyError, ValueError, TypeError, AttributeError):
        return False
    return True
