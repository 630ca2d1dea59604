"""What the layers hold, as the GUI thread saw it: for another thread to take checksums of."""

from __future__ import annotations

from coverslip.payload import natural_key
from coverslip.viewers.napari.layers import LiveLayer
from coverslip.viewers.snapshot import LayerSnapshot

__all__ = ["snapshot_of"]


def snapshot_of(live: LiveLayer) -> LayerSnapshot:
    """Return a layer's description with its planes by reference, which nobody writes to."""
    layer, grid, store = live.layer, live.grid, live.layer.store
    planes = sorted(store.snapshot(), key=lambda item: [natural_key(value) for value in item[0]])
    limits = None
    if not layer.key.rgb:
        low, high = live.image.contrast_limits
        limits = float(low), float(high)
    return LayerSnapshot(
        name=live.image.name,
        kind="image",
        axes=(*grid.names, "y", "x", *(("c",) if layer.key.rgb else ())),
        labels=dict(zip(*grid, strict=True)),
        shape=grid.shape + store.shape,
        dtype=store.dtype.str,
        contrast_limits=limits,
        planes=[
            (layer.components | dict(zip(store.axes, coordinates, strict=True)), pixels)
            for coordinates, pixels in planes
        ],
    )
