"""Contrast limits of a plane: what a first look at it should span.

The 0.1 and 99.9 percentiles, so that one dead, bright cell does not blow the
range, and nothing at all for a plane of one value, so that a dark first frame
does not fix it. Runs on a server's thread, never on a GUI's.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOW", "HIGH", "FirstLooks", "limits_of", "sample_of", "widen"]

LOW, HIGH = 0.1, 99.9
"""Percentiles that the limits lie at."""

_LARGEST = float(np.finfo(np.float64).max / 64)
"""Limits lie within it: a slider of three times their span, and its length, are numbers too."""

_SAMPLE = 1 << 16
"""Pixels of a larger plane that are looked at when not exact: its percentiles
move by less than a display step, at a sixtieth of the time for 2048 x 2048."""

_MOST_LAYERS = 1024
"""Layers whose contrast is remembered to be known; beyond it, all are measured anew."""


class FirstLooks:
    """Which layers' contrast is known exactly, by a real plane; of one thread, but for `forget`."""

    def __init__(self) -> None:
        self._known: set[Hashable] = set()
        self._gone = threading.Event()

    def forget(self) -> None:
        """Have every layer measured anew: those to come are new ones. From any thread."""
        self._gone.set()

    def __contains__(self, layer: Hashable) -> bool:
        """Whether a plane of a layer was measured exactly."""
        if self._gone.is_set():
            self._gone.clear()
            self._known.clear()
        return layer in self._known

    def limits(self, layer: Hashable, pixels: NDArray[Any]) -> tuple[float, float] | None:
        """Return as `limits_of`, exact for a layer's first plane that has any."""
        exact = layer not in self
        limits = limits_of(pixels, exact=exact)
        if exact and limits is not None:
            if len(self._known) >= _MOST_LAYERS:  # layers come and go, for as long as it runs
                self._known.clear()
            self._known.add(layer)
        return limits


def limits_of(pixels: NDArray[Any], *, exact: bool = False) -> tuple[float, float] | None:
    """Return the contrast limits that one plane asks for.

    Parameters
    ----------
    pixels : ndarray
        ``(y, x)`` of any real dtype. NaN and infinities are left out.
    exact : bool, default False
        Look at every pixel. Otherwise at a regular grid of about 65,536 of them.

    Returns
    -------
    tuple of float or None
        ``(low, high)`` with ``low < high``; None when all pixels are one value
        or none is finite.
    """
    if not exact:
        pixels = sample_of(pixels)
    if pixels.dtype == np.bool_:
        return (0.0, 1.0)
    if pixels.dtype.kind == "f":
        # float16 has too little range to interpolate in.
        pixels = pixels.astype(np.float64 if pixels.dtype.itemsize > 4 else np.float32)
        pixels = pixels[np.isfinite(pixels)]
        if not pixels.size:
            return None
        if pixels.dtype == np.float64:
            pixels = np.clip(pixels, -_LARGEST, _LARGEST)
    low, high = (float(value) for value in np.percentile(pixels, (LOW, HIGH)))
    if low < high:
        return low, high
    # More than 99.8 % of one value: a sparse label, a spot on black.
    low, high = float(pixels.min()), float(pixels.max())
    return (low, high) if low < high else None


def sample_of(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return what `limits_of` looks at when not exact: a grid of at most about 65,536 pixels."""
    if pixels.size <= _SAMPLE:
        return pixels
    step = int(np.ceil(np.sqrt(pixels.size / _SAMPLE)))
    return pixels[step // 2 :: step, step // 2 :: step]


def widen(
    limits: tuple[float, float] | None, other: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return the smallest limits that span both; None spans nothing."""
    if limits is None or other is None:
        return limits or other
    return min(limits[0], other[0]), max(limits[1], other[1])
