"""A projection drawn by ImageJ: planes in, a window for each layer, all kept in step.

Inserting only notes what has changed; :meth:`Scene.paint` draws it, and whoever drives the scene
calls that at most every 50 ms. AWT event thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from coverslip.payload import TABLES, Display, Layer, LayerKey, Placement, Projection, Value
from coverslip.viewers.bursts import Burst
from coverslip.viewers.colors import ChannelColors
from coverslip.viewers.fiji.annotations import outlines_of
from coverslip.viewers.fiji.channels import ChannelLooks
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.luts import Shelf
from coverslip.viewers.fiji.overlay import Outline
from coverslip.viewers.fiji.pixels import JavaPixels
from coverslip.viewers.fiji.stack import Hyperstack, Layout
from coverslip.viewers.fiji.window import HyperstackWindow
from coverslip.viewers.layering import admit, too_many
from coverslip.viewers.server import Arrival

__all__ = ["Scene"]

logger = logging.getLogger(__name__)

_Place = tuple[tuple[str, Value], ...]
_Key = tuple[LayerKey, _Place]


class _Annotated(NamedTuple):
    """One table: the components of all of it, and what it is drawn as."""

    components: Mapping[str, Value]
    outlines: list[Outline]
    to_manager: bool


class Scene:
    """Shows each plane in its window, in place, and keeps every choice of the user's.

    Parameters
    ----------
    pixels : JavaPixels
        Makes blank planes.
    shelf : Shelf
        The LUTs that there are.
    max_layers : int
        Planes for more windows and tables than this fail.
    """

    def __init__(self, pixels: JavaPixels, shelf: Shelf, max_layers: int) -> None:
        self.projection = Projection()
        self.dropped = 0
        """Planes that left their windows by their stream's wish."""
        self._pixels = pixels
        self._shelf = shelf
        self._max_layers = max_layers
        self._colors = ChannelColors()
        self._windows: dict[LayerKey, HyperstackWindow] = {}
        self._outlines: dict[LayerKey, dict[_Place, _Annotated]] = {}
        """What lies over windows, those that are yet to be opened too."""
        self._replacements: dict[LayerKey, str] = {}
        self._managed: dict[_Key, HyperstackWindow] = {}
        """The window whose axes give the ROI Manager's outlines their positions."""
        self._collisions = Burst(logger, "plane(s) replaced one of another step or output")
        self._misfits = Burst(logger, "plane(s) asked for other axes than their window has")

    def insert(self, arrival: Arrival) -> None:
        """Put a plane into its window, or outlines over theirs; :meth:`paint` draws it."""
        placement = arrival.placement
        if placement.layer.kind in TABLES:
            self.prune()  # they lie over any window
            admit(self.projection, placement.layer, self._max_layers)
            self._annotate(placement, arrival.pixels, arrival.origin)
            return
        # Its own window alone: asking Java after all of them would cost more than the plane.
        self._forget_if_gone(placement.layer)
        window = self._windows.get(placement.layer)
        if window is not None:
            window.hyperstack.check(placement.coordinates)
        elif len(self.projection) >= self._max_layers:
            self.prune()
            admit(self.projection, placement.layer, self._max_layers)
        change = self.projection.insert(placement, arrival.pixels, arrival.origin)
        layout = Layout.of(placement, placement.display.dimensions)
        if window is None:
            try:
                window = self._open(change.layer, layout, placement)
            except Exception:
                # The plane counts as failed: nothing of it may stay.
                self._windows.pop(placement.layer, None)
                self.projection.remove(change.layer)
                raise
            if len(self.projection) == self._max_layers:
                logger.warning("%s", too_many(self.projection, self._max_layers))
        elif window.hyperstack.layout != layout:
            self._misfits.count(f"{window.layer.name}: {layout} of {window.hyperstack.layout}")
        window.put(
            placement.coordinates,
            arrival.limits,
            placement.display,
            placement.replace,
            late=arrival.late,
        )
        if placement.keep:
            self._trim(window, placement)
        if change.collision is not None:
            old, new = change.collision
            self._collisions.count(f"{new} replaced {old}")

    def _trim(self, window: HyperstackWindow, placement: Placement) -> None:
        """Let go of each channel's oldest planes, by their stream's wish.

        The one that is looked at stays until it is left.
        """
        stack, layer = window.hyperstack, window.layer
        looked_at = stack.place(window.place)
        dropped = self.projection.trim(
            layer,
            placement.keep,
            lambda place: layer.store.key(place) == looked_at,
            [name for name in placement.slice if name in layer.key.axes],
        )
        if dropped:
            self.dropped += len(dropped)
            stack.forget()

    def _annotate(self, placement: Placement, table: NDArray[Any], origin: str) -> None:
        # First: a table that cannot be drawn is not there either.
        outlines = outlines_of(
            placement.layer.kind,
            placement.layer.along,
            table,
            placement.components,
            self._stroke(placement.display),
        )
        self.projection.insert(placement, table, origin)
        layer, place = placement.layer, tuple(placement.coordinates.items())
        groups = self._outlines.setdefault(layer, {})
        gone: list[_Place] = []
        if placement.replace and placement.replace != self._replacements.get(layer):
            self._replacements[layer] = placement.replace
            gone = [old for old in groups if old != place]
            groups.clear()
        groups[place] = _Annotated(
            placement.components, outlines, to_manager=placement.display.roi_manager
        )
        for window in self._windows.values():
            for old in gone:
                window.annotate((layer, old), ())
            self._lay(window, (layer, place), groups[place])

    def _stroke(self, display: Display) -> Any:
        """Return the colour that outlines ask for, None for ImageJ's own."""
        lut = None if display.colormap is None else self._shelf.find(display.colormap)
        if lut is None:
            return None
        colors = bytes(lut.getBytes())  # 256 reds, then greens, then blues
        alpha = 1.0 if display.opacity is None else display.opacity
        return class_of("java.awt.Color")(*colors[255::256], round(alpha * 255))

    def _lay(self, window: HyperstackWindow, key: _Key, annotated: _Annotated) -> None:
        """Put outlines over a window, if they belong there."""
        if not _over(annotated.components, window.layer):
            return
        # There is one ROI Manager for all windows: each outline is in it once.
        if annotated.to_manager and self._managed.setdefault(key, window) is not window:
            return
        window.annotate(key, annotated.outlines, to_manager=annotated.to_manager)

    def _open(self, layer: Layer, layout: Layout, placement: Placement) -> HyperstackWindow:
        stack = Hyperstack(layer, layout, self._pixels)
        stack.put(placement.coordinates)
        key = layer.key
        looks = ChannelLooks(self._colors, self._shelf, rgb=key.rgb, labels=key.kind == "labels")
        window = self._windows[key] = HyperstackWindow(stack, looks)
        if key.kind == "labels":
            # What is measured on labels is measured in the units of their image.
            for image in self._windows.values():
                if image is not window and image.layer.components == layer.components:
                    window.ruler.adopt(image.ruler)
        for kind, groups in self._outlines.items():
            for place, annotated in groups.items():
                self._lay(window, (kind, place), annotated)
        return window

    def prune(self) -> None:
        """Forget the windows that the user has closed or made something else of."""
        for key in list(self._windows):
            self._forget_if_gone(key)

    def _forget_if_gone(self, key: LayerKey) -> None:
        window = self._windows.get(key)
        if window is not None and (window.closed or window.theirs):
            # Its memory is free when ImageJ lets go; the next plane opens a new window.
            del self._windows[key]
            self._managed = {one: by for one, by in self._managed.items() if by is not window}
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

    def tables(self) -> list[Layer]:
        """Return the layers that lie over windows, oldest first."""
        return [layer for layer in self.projection if layer.key.kind in TABLES]

    def clear(self) -> None:
        """Close every window of ours; the user's own stay."""
        for window in self._windows.values():
            window.close()
        self._windows.clear()
        self._outlines.clear()
        self._replacements.clear()
        self._managed.clear()
        self.projection.clear()


def _over(components: Mapping[str, Value], layer: Layer) -> bool:
    """Whether outlines belong over a window: its well and site are theirs, or they name none."""
    return all(components.get(name, value) == value for name, value in layer.components.items())
