"""Small planes for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import Arena, Batch, Inline, Plane, Region, Slot, Source, wire_dtype


def picture(shape: tuple[int, ...] = (64, 48), dtype: str = "<u2", seed: int = 0) -> NDArray[Any]:
    """Return pixels that differ from one seed to the next."""
    random = np.random.default_rng(seed)
    return random.integers(0, 200, shape).astype(dtype)


NBYTES = picture().nbytes
"""Of one such."""


def taken(arena: Arena, nbytes: int = NBYTES) -> Region:
    """Reserve where there must be room."""
    region = arena.reserve(nbytes)
    assert region is not None
    return region


def plane_in(pixels: NDArray[Any], at: Slot | Inline, **components: str | int | float) -> Plane:
    """Return the plane of these pixels."""
    return Plane(pixels.shape, wire_dtype(pixels.dtype), at, components, rgb=pixels.ndim == 3)


def sent(arena: Arena, pixels: NDArray[Any], lanes: tuple[int, ...] = (0,)) -> Plane:
    """Copy pixels into the arena, publish them and return their plane."""
    region = arena.reserve(pixels.nbytes)
    assert region is not None
    np.copyto(region.array(pixels.shape, pixels.dtype), pixels)
    return plane_in(pixels, arena.publish(region, lanes))


def batch_of(*planes: Plane) -> Batch:
    """Return a batch of these planes."""
    return Batch("stream", 1, 0, Source(step_name="raw", modes={"channel": "slice"}), planes)
