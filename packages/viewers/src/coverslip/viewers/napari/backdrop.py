"""What stands behind annotations where no image has come yet: black, and as large as they are.

napari has a slider for an axis that some layer has, and annotations are handed to it place by
place, without the axes of their components.
"""

from __future__ import annotations

import numpy as np

from coverslip.payload import Layer, Mode, Source, place
from coverslip.viewers.napari.layers import LiveImage
from coverslip.viewers.napari.planes import Grid
from coverslip.viewers.napari.snapshot import extents

__all__ = ["backdrop"]


def backdrop(annotations: Layer, grid: Grid) -> LiveImage:
    """Return a layer without planes, of the extents of `annotations` as they are now."""
    shape = tuple(max(1, extent) for extent in extents(annotations))
    placement = place(
        Source(name="no image yet"),
        {},
        shape=shape,
        dtype=np.dtype(np.uint8),
        rgb=False,
        defaults={},
        own_layer=frozenset(Mode),
    )
    return LiveImage(Layer(placement, placement.name), grid, colormap="gray", limits=(0.0, 1.0))
