"""What the layers hold, as the GUI thread saw it: for another thread to take checksums of."""

from __future__ import annotations

import math

import numpy as np

from coverslip.payload import TABLES, Layer, natural_key
from coverslip.viewers.napari.live import LiveLayer
from coverslip.viewers.snapshot import LayerSnapshot

__all__ = ["extents", "snapshot_of"]


def snapshot_of(live: LiveLayer) -> LayerSnapshot:
    """Return a layer's description with its planes by reference, which nobody writes to."""
    layer, grid, store = live.layer, live.grid, live.layer.store
    planes = sorted(store.snapshot(), key=lambda item: [natural_key(value) for value in item[0]])
    return LayerSnapshot(
        name=live.drawn.name,
        kind=layer.key.kind,
        axes=(*grid.names, "y", "x", *(("c",) if layer.key.rgb else ())),
        labels=dict(zip(grid.names, grid.values, strict=True)),
        shape=(*map(len, grid.values), *extents(layer)),
        dtype=store.dtype.str,
        contrast_limits=live.contrast_limits,
        planes=[
            (layer.components | dict(zip(store.axes, coordinates, strict=True)), pixels)
            for coordinates, pixels in planes
        ],
    )


def extents(layer: Layer) -> tuple[int, ...]:
    """Return how far a layer reaches along y and x (and colour), in pixels."""
    kind = layer.key.kind
    if kind not in TABLES:
        return layer.store.shape
    tables = [table for _, table in layer.store.snapshot() if len(table) and kind != "rois"]
    if not tables:
        return (0, 0)
    far = np.max([table[:, -2:].max(axis=0) for table in tables], axis=0)
    return max(0, math.ceil(far[0] + 0.5)), max(0, math.ceil(far[1] + 0.5))
