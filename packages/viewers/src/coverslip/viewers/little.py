"""A plane in little: a picture of it at reduced size, by the mean of areas. Pure numpy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_little", "shrunk"]

_SAMPLES: Final = 4
"""Pixels of a large plane that are looked at along each side of what becomes one pixel: all would
take three times as long as the plane takes to copy (measured in docs/large-plates.md)."""


def in_little(pixels: NDArray[Any], edge: int) -> NDArray[np.float32]:
    """Return a plane at reduced size.

    Each pixel is the mean of an area: of all its pixels where these are up to 4 x 4, else of as
    many or a few less, spread over it. A smaller plane is enlarged, by a whole number.

    Parameters
    ----------
    pixels : ndarray
        ``(y, x)`` of any real dtype, or ``(y, x, 3 | 4)``.
    edge : int
        Pixels of the longer side, at most.

    Returns
    -------
    ndarray
        float32, finite. ``(y, x)`` in the plane's own values, or ``(y, x, 3)`` from 0 to 1.
    """
    longest = max(pixels.shape[:2])
    # Values beyond float32 and infinities are no failure here: the plane itself is shown.
    with np.errstate(all="ignore"):
        if longest <= edge:
            times = edge // longest
            tile = pixels.astype(np.float32).repeat(times, axis=0).repeat(times, axis=1)
        else:
            step = max(1, -(-longest // (edge * _SAMPLES)))
            top, left = (min(step, extent) // 2 for extent in pixels.shape[:2])
            spread = pixels[top::step, left::step]
            tile = _mean_of_blocks(spread, -(-max(spread.shape[:2]) // edge))
        if tile.ndim == 3:
            top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1.0
            tile = np.clip(tile[..., :3] / np.float32(top), 0.0, 1.0)
        return np.nan_to_num(tile, copy=False)


def shrunk(tile: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """Return what `in_little` has made at a smaller size; itself, if it is as small."""
    side = -(-max(tile.shape[:2]) // edge)
    return tile if side <= 1 else _mean_of_blocks(tile, side)


def _mean_of_blocks(pixels: NDArray[Any], side: int) -> NDArray[np.float32]:
    """Return the means of squares of pixels; what is left over at the right and bottom is not seen.

    A plane that is less than one square high or wide counts as that.
    """
    height, width = (max(1, extent // side) for extent in pixels.shape[:2])
    down, across = (min(side, extent) for extent in pixels.shape[:2])
    whole = pixels[: height * down, : width * across]
    # Rows, then columns, each in a few long additions: numpy's mean over two axes of short
    # squares takes five times as long (measured).
    rows = whole[::down].astype(np.float32)
    for row in range(1, down):
        rows += whole[row::down]
    mean = rows[:, ::across].copy()
    for column in range(1, across):
        mean += rows[:, column::across]
    mean /= np.float32(down * across)
    return mean
