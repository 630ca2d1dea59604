"""What every layer of ours has in common, whatever napari draws it with. GUI thread only.

A layer that is removed and added again forgets the user's contrast, colormap, gamma and place in
the list, so nothing here does that: a layer is made once, then only ever updated in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from coverslip.payload import Display, Layer, Value
from coverslip.viewers.memory import HeldPlane
from coverslip.viewers.napari.planes import Grid
from coverslip.viewers.napari.spacing import Spacing

if TYPE_CHECKING:
    import napari.layers

__all__ = ["Limits", "LiveLayer"]

Limits = tuple[float, float]


class LiveLayer(ABC):
    """Draws one `Layer`. GUI thread only.

    Parameters
    ----------
    layer : Layer
        The planes or tables.
    grid : Grid
        The axes that the viewer's sliders stand on.
    drawn : napari.layers.Layer
        What napari draws.
    """

    def __init__(self, layer: Layer, grid: Grid, drawn: napari.layers.Layer) -> None:
        self.layer = layer
        self.grid = grid
        """The axes that the layer is drawn on."""
        self.drawn = drawn
        self.stale = False
        """What is in view is not what is drawn."""
        self.eye_untouched = True
        """The user has not clicked the layer's eye: whether it is shown is ours to propose."""
        self.scale_untouched = True
        """The user has not scaled the layer."""
        self.on_shown: Callable[[], None] = lambda: None
        """Called when the layer has been shown or hidden."""
        self._ours = False
        self._display: Display | None = None
        """What its first plane has declared."""
        drawn.events.visible.connect(self._on_visible)
        drawn.events.scale.connect(self._on_scale)

    @property
    def channel(self) -> Value | None:
        """The channel that the layer is of."""
        return self.layer.components.get("channel")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the napari layer's own axes: the last ones of the grid, then y, x."""
        return (*self.grid.labels, "y", "x")

    @abstractmethod
    def move_to(self, grid: Grid, *, announce: bool) -> None:
        """Draw on other axes: those of `grid`, which has every axis of the present one.

        Parameters
        ----------
        grid : Grid
            The new axes.
        announce : bool
            Let the viewer take notice; it is enough that the last of several layers does.
        """

    @property
    def outgrown(self) -> bool:
        """Whether planes have come that are larger than the layer is drawn."""
        return False

    def see(self, limits: Limits | None) -> None:  # noqa: B027 - only images have a contrast
        """Note what contrast a new plane asks for; `settle` applies it."""

    def settle(self) -> None:  # noqa: B027 - as above
        """Widen the contrast to what the planes ask for, unless the user has touched it."""

    def reset_contrast(self, looked_at: Mapping[str, Value]) -> None:  # noqa: B027 - as above
        """Forget the contrast that the user has set, for that of the planes in view."""

    @property
    def contrast_limits(self) -> Limits | None:
        """As drawn now; None for what has none."""
        return None

    def look(self, looked_at: Mapping[str, Value]) -> None:  # noqa: B027 - napari slices planes
        """Take notice of where the sliders are now."""

    def in_view(self, coordinates: Mapping[str, Value], looked_at: Mapping[str, Value]) -> bool:
        """Whether a plane of this layer is (part of) what is drawn.

        Parameters
        ----------
        coordinates : mapping of str to value
            The plane's place.
        looked_at : mapping of str to value
            The value that the viewer is at on each axis; one that is drawn whole is left out.
        """
        if not self.drawn.visible:
            return False
        return all(looked_at.get(name, value) == value for name, value in coordinates.items())

    def plane_at(self, place: Mapping[str, Value]) -> HeldPlane | None:
        """Return the plane that is drawn at a place; None for none, many, and for tables."""
        return None

    def holds(self, place: Mapping[str, Value]) -> bool:
        """Whether anything has come for a place."""
        store = self.layer.store
        return all(name in place for name in store.axes) and store.key(place) in store

    @abstractmethod
    def redraw(self) -> None:
        """Draw again what is in view."""

    def space(self, spacing: Spacing) -> None:
        """Take over the distances between positions, unless the user has scaled the layer."""
        if not self.scale_untouched:
            return
        scale, units = spacing.of(self.names, self.drawn.scale, self._display)
        with self.unnoticed():
            # Each of these draws the layer again, so only where it differs.
            if scale != list(self.drawn.scale):
                self.drawn.scale = scale
            if units != [str(unit) for unit in self.drawn.units]:
                self.drawn.units = units

    def lie_over(self, like: LiveLayer | None, spacing: Spacing, display: Display) -> None:
        """Be as large as another layer, as far as this one's planes declare nothing of their own.

        Layers lie over each other plane by plane, so a step that the user has sized for one is as
        large for all.
        """
        self._display = display
        names, drawn = self.names, self.drawn
        scale: list[float] = list(drawn.scale)
        if like is not None:
            scale = by_name(like.drawn.scale, like.names, names, 1.0)
            drawn.translate = by_name(like.drawn.translate, like.names, names, 0.0)
        drawn.scale, drawn.units = spacing.of(names, scale, display)
        self.stand_beside()

    def stand_beside(self) -> None:
        """Reach as far as the user's own layers, on the axes that only they have."""
        if not self.grid.beside or self.names[:-2] != self.grid.labels:
            return
        drawn, first = self.drawn, len(self.grid.names)
        scale, translate = list(drawn.scale), list(drawn.translate)
        for axis, beside in enumerate(self.grid.beside, start=first):
            scale[axis], translate[axis] = beside.width, beside.start
        drawn.scale, drawn.translate = scale, translate

    def show(self, visible: bool) -> None:
        """Show or hide it, without that counting as the user's choice."""
        with self.unnoticed():
            self.drawn.visible = visible

    def for_looking(self) -> None:
        """Keep napari from offering its tools: what they draw would be gone with the next plane."""
        self.drawn.events.editable.connect(self._on_editable)
        self.drawn.editable = False

    def _on_editable(self) -> None:
        if self.drawn.editable:  # napari makes it so again with new data
            self.drawn.editable = False

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Within it, what changes is our doing and not the user's choice."""
        before, self._ours = self._ours, True
        try:
            yield
        finally:
            self._ours = before

    def close(self) -> None:
        """Let go of the napari layer's events."""
        self.drawn.events.visible.disconnect(self._on_visible)
        self.drawn.events.scale.disconnect(self._on_scale)

    def _on_visible(self) -> None:
        if not self._ours:
            self.eye_untouched = False
        self.on_shown()

    def _on_scale(self) -> None:
        if not self._ours:
            self.scale_untouched = False


def by_name(values: Any, old: tuple[str, ...], new: tuple[str, ...], default: Any) -> list[Any]:
    """Carry one value for each axis over to other axes."""
    known = dict(zip(old, values, strict=True))
    return [known.get(name, default) for name in new]
