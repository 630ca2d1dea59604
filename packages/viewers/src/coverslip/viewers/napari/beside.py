"""The user's own layers beside ours: which sliders are theirs, so that ours get others.

napari aligns the axes of all layers by position from the right, whatever they are called: a stack
``(z, y, x)`` of the user's would share its slider with our last one. So ours stand to the left of
his. A layer that is made of ours (a segmentation of them, a new one for points on them) has our
axes, and is not moved away from them. GUI thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coverslip.viewers.napari.planes import Beside

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

__all__ = ["OwnLayers"]


class OwnLayers:
    """Knows the user's layers, and the axes that they have besides the picture's two.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer; layers that are in it are the user's, with axes of their own.
    ours : callable
        Tells layers that are not the user's.
    shape : callable
        Returns the lengths of the axes that ours stand on; empty while there are none.
    changed : callable
        Called when `axes` may have changed.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        ours: Callable[[Layer], bool],
        shape: Callable[[], tuple[int, ...]],
        changed: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._ours = ours
        self._shape = shape
        self._changed = changed
        self._apart: list[Layer] = list(viewer.layers)
        """Those whose axes are not ours."""
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def axes(self) -> tuple[Beside, ...]:
        """The axes of the user's layers, the picture's left out."""
        count = max((layer.ndim - 2 for layer in self._apart), default=0)
        if count <= 0:
            return ()
        longest = max(self._apart, key=lambda layer: layer.ndim)
        extent = self._viewer.layers.get_extent(self._apart)
        found = []
        for axis in range(count):
            label = longest.axis_labels[axis]
            name = f"axis {axis + 1}" if label.lstrip("-").isdecimal() else label
            low, high = (float(end[axis]) for end in extent.world)
            # Twice as wide, since what begins in the middle must reach to the end.
            width = 2 * (high - low + float(extent.step[axis]))
            found.append(Beside(f"{name} (your layers)", low, width))
        return tuple(found)

    def close(self) -> None:
        """Let go of the viewer's events."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _on_inserted(self, event: Any) -> None:
        layer: Layer = event.value
        if not self._ours(layer) and not self._made_of_ours(layer):
            self._apart.append(layer)
            self._changed()

    def _on_removed(self, event: Any) -> None:
        if event.value in self._apart:
            self._apart.remove(event.value)
            self._changed()

    def _made_of_ours(self, layer: Layer) -> bool:
        shape = self._shape()
        own: int = layer.ndim - 2
        if not shape or own <= 0:
            return False
        from napari.layers import Image, Labels

        if isinstance(layer, Image | Labels):
            lengths: tuple[int, ...] = tuple(layer.data.shape[:own])
            return lengths == shape[-own:]
        # Points and shapes have no lengths; napari gives new ones all the viewer's axes.
        return own == len(shape)
