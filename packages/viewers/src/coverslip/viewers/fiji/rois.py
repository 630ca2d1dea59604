"""Outlines as ImageJ's ROIs: from ``.roi`` records, and from vertices in pixels.

Vertices come with (0, 0) in the *centre* of the first pixel. So count ImageJ's lines and points too
(`Roi.useLineSubpixelConvention`); its areas count from that pixel's corner, so half a pixel is
added to theirs. A record stays as it is. AWT event thread only.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import roifile
from numpy.typing import NDArray

from coverslip.payload import InvalidMessage
from coverslip.viewers.fiji.grid import Spot
from coverslip.viewers.fiji.java import class_of

__all__ = ["ellipse", "path", "points", "polygon", "roi_of", "segment", "spot_of"]

_CORNER: Final = 0.5
_SLIGHT: Final = 1e-6
_IMAGE: Final = roifile.ROI_SUBTYPE.IMAGE


def roi_of(record: bytes) -> Any:
    """Return the `ij.gui.Roi` that a ``.roi`` record holds.

    `roifile` reads it first: it never takes more than the bytes that there are, where ImageJ
    believes a record's own counts and asks for the memory.

    Raises
    ------
    coverslip.payload.InvalidMessage
        It is no record, not whole, or holds an image.
    """
    try:
        known = roifile.ImagejRoi.frombytes(record)
    except Exception as error:  # noqa: BLE001  # it reads foreign bytes with struct and slices
        raise InvalidMessage(f"not ImageJ's .roi record: {type(error).__name__}: {error}") from None
    if known.subtype == _IMAGE:
        raise InvalidMessage("a .roi record that holds an image: send it as a plane")
    try:
        roi = class_of("ij.io.RoiDecoder").openFromByteArray(record)
    except Exception as error:  # noqa: BLE001  # Java's own, such as an index out of bounds
        raise InvalidMessage(f"ImageJ cannot read a .roi record: {error}") from None
    if roi is None:
        raise InvalidMessage("ImageJ finds no outline in a .roi record")
    return roi


def spot_of(roi: Any) -> Spot:
    """Return the position that a ROI itself has; a stack's place, which has no axis, as its T."""
    if roi.hasHyperStackPosition():
        return Spot(int(roi.getCPosition()), int(roi.getZPosition()), int(roi.getTPosition()))
    return Spot(0, 0, max(0, int(roi.getPosition())))


def points(vertices: NDArray[np.float64]) -> Any:
    """Return one ROI of these points, ``(n, 2)`` as y, x."""
    x, y = _columns(vertices)
    roi = class_of("ij.gui.PointRoi")(x, y, len(vertices))
    # Numbers beside hundreds of points hide what they mark.
    roi.setShowLabels(False)
    return roi


def polygon(vertices: NDArray[np.float64]) -> Any:
    """Return a closed outline, ``(n, 2)`` as y, x."""
    return _outline(vertices + _CORNER, class_of("ij.gui.Roi").POLYGON)


def path(vertices: NDArray[np.float64]) -> Any:
    """Return an open line of several pieces, ``(n, 2)`` as y, x."""
    return _outline(vertices, class_of("ij.gui.Roi").POLYLINE)


def segment(vertices: NDArray[np.float64]) -> Any:
    """Return a straight line, ``(2, 2)`` as y, x."""
    (y1, x1), (y2, x2) = vertices.tolist()
    return class_of("ij.gui.Line")(x1, y1, x2, y2)


def ellipse(corners: NDArray[np.float64]) -> Any:
    """Return the ellipse that fills a rectangle, given by its four corners in order, as y, x."""
    first, second, third, fourth = corners + _CORNER
    along, across = math.dist(first, second), math.dist(first, fourth)
    if min(along, across) < _SLIGHT:
        return polygon(corners)
    # ImageJ wants the ends of the longer axis, which lie in the middle of the shorter sides.
    ends = (first + fourth) / 2, (second + third) / 2
    if across > along:
        ends = (first + second) / 2, (third + fourth) / 2
    (y1, x1), (y2, x2) = (end.tolist() for end in ends)
    ratio = min(along, across) / max(along, across)
    return class_of("ij.gui.EllipseRoi")(x1, y1, x2, y2, ratio)


def _outline(vertices: NDArray[np.float64], kind: int) -> Any:
    x, y = _columns(vertices)
    return class_of("ij.gui.PolygonRoi")(x, y, len(vertices), kind)


def _columns(vertices: NDArray[np.float64]) -> tuple[Any, Any]:
    import jpype

    floats: Any = jpype.JArray(jpype.JFloat)
    y, x = np.ascontiguousarray(vertices.T, np.float32)
    return floats(x), floats(y)
