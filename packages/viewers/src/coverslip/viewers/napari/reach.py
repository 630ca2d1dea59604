"""How far layers may reach, and on how many axes.

napari counts each axis in its smallest step, in numbers of 32 bits, and looks at every corner of
what a layer fills: two to the power of its axes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import TABLES, Kind, Placement, UnsupportedArray
from coverslip.viewers.napari.rows import as_vertices

if TYPE_CHECKING:
    import napari

__all__ = ["check_axes", "check_reach"]

_MOST = 2**30
"""Steps of an axis. Beyond twice as many Qt's sliders raise, and no layer can be added any more."""

_MOST_AXES = 12
"""Axes besides the picture's. napari 0.9.2 takes twice as long for each one more to put a layer on
them: a fifth of a second at 12, four at 16, and no memory is enough from about 24 on."""


def check_axes(names: Collection[str], placement: Placement) -> None:
    """Refuse what would add axes beyond those that napari can bear, before any is added.

    Parameters
    ----------
    names : collection of str
        The axes that all layers stand on so far.
    placement : Placement
        Where the plane belongs.

    Raises
    ------
    coverslip.payload.UnsupportedArray
        It says which axes there are, and which ones there would be.
    """
    new = [name for name in (*placement.coordinates, *placement.layer.along) if name not in names]
    if new and len(names) + len(new) > _MOST_AXES:
        there = f"{', '.join(names)} are there, " if names else ""
        raise UnsupportedArray(
            f"napari bears {_MOST_AXES} sliders: {there}{', '.join(new)} would be new; leave "
            'components out, give some the mode "slice", or clear the viewer first'
        )


def check_reach(
    viewer: napari.Viewer, kind: Kind, pixels: NDArray[Any], steps: Sequence[float]
) -> None:
    """Refuse what reaches too far for napari, before napari has seen it.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, with all its layers.
    kind : str
        What it is.
    pixels : ndarray
        The plane, or the table.
    steps : sequence of float
        How large its pixels are in y and in x.

    Raises
    ------
    coverslip.payload.UnsupportedArray
        It says on which axis, and how far.
    """
    ranges = viewer.dims.range[-2:] if viewer.layers else [None, None]
    for name, far, step, seen in zip("yx", _far(kind, pixels), steps, ranges, strict=True):
        reach, least = far * step, step
        if seen is not None:
            reach, least = max(reach, abs(seen.start), abs(seen.stop)), min(least, seen.step)
        if 2 * reach > _MOST * least:
            raise UnsupportedArray(
                f"{kind} reach {reach:g} on {name}, where the smallest step of all layers is "
                f"{least:g}: napari counts no more than {_MOST} steps; check scale and coordinates"
            )


def _far(kind: Kind, pixels: NDArray[Any]) -> tuple[float, float]:
    """Return how many pixels away from (0, 0) something reaches, whichever way."""
    if kind not in TABLES:
        return pixels.shape[0], pixels.shape[1]
    if not len(pixels):
        return 0, 0
    vertices = as_vertices(kind, pixels) if kind == "rois" else pixels
    far = np.abs(vertices[:, -2:]).max(axis=0, initial=0)
    return float(far[0]), float(far[1])
