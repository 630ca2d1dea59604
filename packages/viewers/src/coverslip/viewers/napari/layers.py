"""Images and labels: napari layers over one layer of the projection, updated in place.

GUI thread only.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np

from coverslip.payload import Display, Layer, Value
from coverslip.viewers.contrast import limits_of, widen
from coverslip.viewers.memory import HeldPlane
from coverslip.viewers.napari.insides import clear_extent
from coverslip.viewers.napari.live import Limits, LiveLayer, by_name
from coverslip.viewers.napari.planes import Grid, LabelArray, PlaneArray

__all__ = ["LiveImage", "LiveLabels", "slider_range"]

_PLAIN = Display()

_LABELS_OPACITY = 0.5
"""Half of the image shines through."""


class LivePlanes(LiveLayer):
    """Draws planes, which napari slices by itself."""

    _array: ClassVar[type[PlaneArray]] = PlaneArray

    def move_to(self, grid: Grid, *, announce: bool) -> None:
        """Draw on other axes, see `LiveLayer.move_to`."""
        drawn, old = self.drawn, self.names
        scale, translate, units = drawn.scale, drawn.translate, drawn.units
        with ExitStack() as stack:
            stack.enter_context(self.unnoticed())
            for event in (drawn.events.data, drawn.events.scale, drawn.events.translate):
                stack.enter_context(event.blocker())
            self.grid = grid
            drawn.data = self._array(self.layer.store, grid)
            if self.names != old or grid.beside:
                with drawn.events.axis_labels.blocker(), drawn.events.units.blocker():
                    # napari pads new axes on the left; ours may stand anywhere.
                    drawn.scale = by_name(scale, old, self.names, 1.0)
                    drawn.translate = by_name(translate, old, self.names, 0.0)
                    drawn.units = by_name(units, old, self.names, "pixel")
                    self.stand_beside()
                    drawn.axis_labels = self.names
        clear_extent(drawn)
        if announce:
            drawn.events.data(value=drawn.data)

    @property
    def outgrown(self) -> bool:
        """Whether planes have come that are larger than the layer is drawn."""
        data: PlaneArray = self.drawn.data
        return data.shape[len(self.grid.labels) :] != self.layer.store.shape

    def plane_at(self, place: Mapping[str, Value]) -> HeldPlane | None:
        """Return the plane that is drawn at a place; None for none, and where many are drawn."""
        store = self.layer.store
        if any(name not in place for name in store.axes):
            return None
        held: Any = store.get(store.key(place))
        return held if isinstance(held, HeldPlane) else None

    def redraw(self) -> None:
        """Draw again what is in view."""
        self.stale = False
        self.drawn.refresh(extent=False)


class LiveImage(LivePlanes):
    """Draws images, with a contrast that widens until the user touches it.

    Parameters
    ----------
    layer, grid
        As for `LiveLayer`.
    colormap : str
        napari's name of a colormap.
    limits : tuple of float or None
        What contrast its first plane asks for; None when that is of one value, or RGB.
    display : Display
        How its first plane asks to be drawn.
    options
        napari's: visible, scale, units, translate.
    """

    def __init__(
        self,
        layer: Layer,
        grid: Grid,
        *,
        colormap: str,
        limits: Limits | None,
        display: Display = _PLAIN,
        **options: Any,
    ) -> None:
        from napari.layers import Image

        given = display.contrast_limits
        self._limits = self._applied = given or limits
        # Limits that were declared are not widened: they make one plate's pictures comparable.
        self._touched = layer.key.rgb or given is not None
        if not layer.key.rgb:
            options["contrast_limits"] = self._limits or _provisional(layer.store.dtype)
            options["colormap"] = colormap
        # Channels add up as light does; without channels the newest layer covers the others.
        additive = "channel" in layer.components
        options.setdefault("blending", "additive" if additive else "translucent_no_depth")
        image = Image(
            PlaneArray(layer.store, grid),
            name=layer.name,
            rgb=layer.key.rgb,
            axis_labels=(*grid.labels, "y", "x"),
            **options,
        )
        super().__init__(layer, grid, image)
        self.image = image
        if not layer.key.rgb:
            image.contrast_limits_range = slider_range(layer.store.dtype, image.contrast_limits)
        image.events.contrast_limits.connect(self._on_contrast_limits)

    @property
    def contrast_limits(self) -> Limits | None:
        """As drawn now; None for RGB."""
        if self.layer.key.rgb:
            return None
        low, high = self.image.contrast_limits
        return float(low), float(high)

    def see(self, limits: Limits | None) -> None:
        """Note what contrast a new plane asks for; `settle` applies it."""
        if limits is not None and not self._touched:
            # The first real plane replaces what was set for a blank one; it does not widen it.
            self._limits = widen(self._limits, limits)

    def settle(self) -> None:
        """Widen the contrast to what the planes ask for, unless the user has touched it."""
        if self._touched or self._limits == self._applied or self._limits is None:
            return
        self._applied = self._limits
        with self.unnoticed():
            dtype = self.layer.store.dtype
            self.image.contrast_limits_range = slider_range(dtype, self._limits)
            self.image.contrast_limits = self._limits

    def reset_contrast(self, looked_at: Mapping[str, Value]) -> None:
        """Forget the contrast that the user has set, for that of the planes in view."""
        if self.layer.key.rgb:
            return
        axes, found = self.layer.store.axes, None
        for place, plane in self.layer.store.snapshot():
            if all(looked_at.get(name, at) == at for name, at in zip(axes, place, strict=True)):
                asked = limits_of(np.asarray(plane), exact=found is None)
                found = found if asked is None else widen(found, asked)
        if found is not None:
            self._touched, self._limits, self._applied = False, found, None
            self.settle()

    def close(self) -> None:
        """Let go of the napari layer's events."""
        super().close()
        self.image.events.contrast_limits.disconnect(self._on_contrast_limits)

    def _on_contrast_limits(self) -> None:
        self._touched = self._touched or not self._ours


class LiveLabels(LivePlanes):
    """Draws label images, which are for looking: a user paints on a layer of his own."""

    _array = LabelArray

    def __init__(self, layer: Layer, grid: Grid, **options: Any) -> None:
        from napari.layers import Labels

        options.setdefault("opacity", _LABELS_OPACITY)
        labels = Labels(
            self._array(layer.store, grid),
            name=layer.name,
            axis_labels=(*grid.labels, "y", "x"),
            **options,
        )
        super().__init__(layer, grid, labels)
        self.for_looking()


def slider_range(dtype: np.dtype[Any], limits: Limits | list[float]) -> Limits:
    """Return the range that the contrast slider gives the user to move in.

    For integers, from 0 (or the negative power of two) to the power of two that leaves at least
    the upper limit again above it: all of uint16 would squeeze 12 bits of data into a corner.
    """
    low, high = float(limits[0]), float(limits[1])
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        top = min(float(2 ** (int(max(high, 1)).bit_length() + 1) - 1), float(info.max))
        bottom = 0.0 if low >= 0 else max(-float(2 ** int(-low).bit_length()), float(info.min))
        return bottom, max(top, high)
    span = high - low
    return (0.0 if 0 <= low < span else low - span), high + span


def _provisional(dtype: np.dtype[Any]) -> Limits:
    """Return limits for a layer whose planes are all of one value so far."""
    if dtype.kind in "ui":
        return 0.0, float(min(np.iinfo(dtype).max, 255))
    return 0.0, 1.0
