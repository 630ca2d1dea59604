"""One napari layer over one layer of the projection: made once, then only ever updated in place.

A layer that is removed and added again forgets the user's contrast, colormap, gamma and place in
the list, so nothing here does that. All of it runs on the GUI thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from coverslip.payload import Layer, Value
from coverslip.viewers.contrast import widen
from coverslip.viewers.memory import HeldPlane
from coverslip.viewers.napari.insides import clear_extent
from coverslip.viewers.napari.planes import Grid, PlaneArray

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ["Limits", "LiveLayer", "slider_range"]

Limits = tuple[float, float]


class LiveLayer:
    """Draws one `Layer`. GUI thread only.

    Parameters
    ----------
    layer : Layer
        The planes.
    grid : Grid
        The axes that the viewer's sliders stand on.
    colormap : str
        napari's name of a colormap.
    visible : bool
        Whether it is shown at first.
    limits : tuple of float or None
        What contrast its first plane asks for; None when that is of one value, or RGB.
    like : LiveLayer or None
        A layer on the same grid whose scale the new one takes over: layers lie over each other
        plane by plane, so a step that the user has sized for one is as large for all.
    """

    def __init__(
        self,
        layer: Layer,
        grid: Grid,
        *,
        colormap: str,
        visible: bool,
        limits: Limits | None,
        like: LiveLayer | None = None,
    ) -> None:
        from napari.layers import Image

        self.layer = layer
        self.stale = False
        """The plane in view is not the one that is drawn."""
        self.eye_untouched = True
        """The user has not clicked the layer's eye: whether it is shown is ours to propose."""
        self._limits = self._applied = limits
        self._touched = layer.key.rgb
        self._ours = False
        options: dict[str, Any] = {}
        if not layer.key.rgb:
            options["contrast_limits"] = limits or _provisional(layer.store.dtype)
            options["colormap"] = colormap
        if like is not None:
            options["scale"], options["translate"] = like.image.scale, like.image.translate
        # Channels add up as light does; without channels the newest layer covers the others.
        additive = "channel" in layer.components
        self.image: Image = Image(
            PlaneArray(layer.store, grid),
            name=layer.name,
            rgb=layer.key.rgb,
            axis_labels=(*grid.names, "y", "x"),
            blending="additive" if additive else "translucent_no_depth",
            visible=visible,
            **options,
        )
        if not layer.key.rgb:
            self.image.contrast_limits_range = slider_range(
                layer.store.dtype, self.image.contrast_limits
            )
        self.image.events.contrast_limits.connect(self._on_contrast_limits)
        self.image.events.visible.connect(self._on_visible)

    @property
    def channel(self) -> Value | None:
        """The channel that the layer is of."""
        return self.layer.components.get("channel")

    @property
    def grid(self) -> Grid:
        """The axes that the layer is drawn on."""
        data: PlaneArray = self.image.data
        return data.grid

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
        self._ours = True
        try:
            dtype = self.layer.store.dtype
            self.image.contrast_limits_range = slider_range(dtype, self._limits)
            self.image.contrast_limits = self._limits
        finally:
            self._ours = False

    def move_to(self, grid: Grid, *, announce: bool) -> None:
        """Draw on other axes: those of `grid`, which has every axis of the present one.

        Parameters
        ----------
        grid : Grid
            The new axes.
        announce : bool
            Let the viewer take notice; it is enough that the last of several layers does.
        """
        image, old = self.image, self.grid
        scale, translate = image.scale, image.translate
        with ExitStack() as stack:
            for event in (image.events.data, image.events.scale, image.events.translate):
                stack.enter_context(event.blocker())
            image.data = PlaneArray(self.layer.store, grid)
            if grid.names != old.names:
                with image.events.axis_labels.blocker():
                    # napari pads new axes on the left; ours may stand anywhere.
                    image.scale = _by_name(scale, old, grid, 1.0)
                    image.translate = _by_name(translate, old, grid, 0.0)
                    image.axis_labels = (*grid.names, "y", "x")
        clear_extent(image)
        if announce:
            image.events.data(value=image.data)

    def in_view(self, coordinates: Mapping[str, Value], looked_at: Mapping[str, Value]) -> bool:
        """Whether a plane of this layer is (part of) what is drawn.

        Parameters
        ----------
        coordinates : mapping of str to value
            The plane's place.
        looked_at : mapping of str to value
            The value that the viewer is at on each axis; one that is drawn whole is left out.
        """
        if not self.image.visible:
            return False
        return all(looked_at.get(name, value) == value for name, value in coordinates.items())

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
        self.image.refresh(extent=False)

    def show(self, visible: bool) -> None:
        """Show or hide it, without that counting as the user's choice."""
        self._ours = True
        try:
            self.image.visible = visible
        finally:
            self._ours = False

    def close(self) -> None:
        """Let go of the napari layer's events."""
        self.image.events.contrast_limits.disconnect(self._on_contrast_limits)
        self.image.events.visible.disconnect(self._on_visible)

    def _on_contrast_limits(self) -> None:
        self._touched = self._touched or not self._ours

    def _on_visible(self) -> None:
        if not self._ours:
            self.eye_untouched = False


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


def _by_name(values: Any, old: Grid, new: Grid, default: float) -> Any:
    known = dict(zip((*old.names, "y", "x"), values, strict=True))
    return [known.get(name, default) for name in (*new.names, "y", "x")]
