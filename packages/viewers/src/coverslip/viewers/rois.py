"""ImageJ's regions of interest, ``.roi`` and ``.zip`` files, through roifile: both ways.

roifile is imported where it is needed. A region's bytes travel as they are, so that ImageJ gets
what it wrote; a viewer without ImageJ draws them as shapes and points.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coverslip.payload import (
    InvalidMessage,
    Shape,
    ShapeType,
    UnsupportedArray,
    as_shapes,
    shapes_of,
)
from coverslip.viewers.errors import UnreadableImage

if TYPE_CHECKING:
    from roifile import ImagejRoi

__all__ = ["outlines", "read_records", "rim_of", "write_rois"]

_LARGEST = 1 << 28
"""Bytes that the regions of one file may unpack to."""

_ZIP = b"PK\x03\x04"
"""What a zip archive begins with, cut short or not."""

_CORNER = 0.5
"""Where ImageJ's areas count from a pixel's upper left corner, we count from its centre. Its lines
and points count from the centre too (`Roi.useLineSubpixelConvention`)."""

_NO_FILE_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff<>:"/\\|?*]')
"""What has a meaning of its own in a path, or no place in a name, on one system or another."""

_LONGEST_NAME = 60
"""Characters of a member's name: with four bytes each it still fits where 255 bytes do."""

_ARM = 3.0
"""Pixels from the middle of the cross that a point is drawn as to its ends."""


def read_records(regions: Any) -> list[bytes]:
    """Return the ``.roi`` records of a file, of bytes, or of `roifile.ImagejRoi` objects.

    Raises
    ------
    UnreadableImage
        A file that cannot be read, or is not one of ImageJ's.
    coverslip.payload.UnsupportedArray
        Something else than regions.
    """
    if isinstance(regions, (str, os.PathLike)):
        return _read_file(Path(regions))
    if isinstance(regions, (bytes, bytearray, memoryview)) or hasattr(regions, "tobytes"):
        return [_record(regions)]
    if not isinstance(regions, Iterable):
        raise UnsupportedArray(
            f"a {type(regions).__name__} is no region: give a .roi or .zip file, or what "
            "roifile.roiread returns"
        )
    return [_record(region) for region in regions]


def write_rois(
    path: str | os.PathLike[str],
    shapes: Iterable[ArrayLike],
    shape_type: str | Sequence[str] = "polygon",
    names: Sequence[str] | None = None,
) -> None:
    """Write shapes as ImageJ's regions of interest, which its ROI Manager opens.

    Parameters
    ----------
    path : path-like
        A ``.zip`` for any number of shapes, a ``.roi`` for one.
    shapes : iterable of array_like
        Each ``(vertices, 2)``: y, x in pixels, (0, 0) the centre of the first one.
    shape_type : str or sequence of str
        As for `View.shapes`.
    names : sequence of str, optional
        What the ROI Manager calls them; ``0001``, ``0002``, … by default. What no file's name may
        have in it is ``_`` in the archive.

    Raises
    ------
    coverslip.payload.UnsupportedArray
        Something is no shape.
    ValueError
        Another suffix, not as many names as shapes, or several shapes for a ``.roi``.
    """
    target = Path(path)
    found = list(shapes_of(as_shapes(shapes, shape_type)))
    called = [f"{number:04d}" for number in range(1, len(found) + 1)] if names is None else names
    if len(called) != len(found):
        raise ValueError(f"{len(found)} shapes and {len(called)} names")
    records = [_roi_of(*both).tobytes() for both in zip(found, called, strict=True)]
    if target.suffix.lower() == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, record in zip(_members(called), records, strict=True):
                archive.writestr(f"{name}.roi", record)
    elif target.suffix.lower() == ".roi" and len(records) == 1:
        target.write_bytes(records[0])
    else:
        raise ValueError(f"{target.name}: {len(records)} regions go into a .zip, one into a .roi")


def outlines(records: Iterable[bytes]) -> list[Shape]:
    """Return what to draw of some regions where there is no ImageJ.

    Points are crosses, a composite region is the outlines of its parts.

    Raises
    ------
    coverslip.payload.InvalidMessage
        One of them cannot be read, as ImageJ itself would refuse it.
    """
    found: list[Shape] = []
    for number, record in enumerate(records):
        try:
            shapes = _outlines(record)
            as_shapes([one.vertices for one in shapes], [one.type for one in shapes])  # finite?
        except Exception as error:  # roifile's parser meets any bytes that begin as a record does
            raise InvalidMessage(
                f"region {number} is not ImageJ's .roi record: {type(error).__name__}: {error}"
            ) from error
        found += shapes
    return found


def _outlines(record: bytes) -> list[Shape]:
    from roifile import ROI_TYPE, ImagejRoi

    roi = ImagejRoi.frombytes(record)
    kind = roi.roitype
    if kind in (ROI_TYPE.RECT, ROI_TYPE.OVAL) and not roi.composite:
        top, left, bottom, right = map(float, (roi.top, roi.left, roi.bottom, roi.right))
        if roi.subpixelrect:
            top, left = roi.yd, roi.xd
            bottom, right = top + roi.heightd, left + roi.widthd
        corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]], np.float64)
        shape = ShapeType.RECTANGLE if kind == ROI_TYPE.RECT else ShapeType.ELLIPSE
        return [Shape(shape, (), corners - _CORNER)]
    parts = [np.asarray(part, np.float64)[:, ::-1] for part in roi.coordinates(multi=True)]
    if kind == ROI_TYPE.POINT:
        return [Shape(ShapeType.PATH, (), point + _cross()) for part in parts for point in part]
    if kind in (ROI_TYPE.LINE, ROI_TYPE.POLYLINE, ROI_TYPE.FREELINE, ROI_TYPE.ANGLE):
        return [Shape(ShapeType.PATH, (), part) for part in parts if len(part) > 1]
    return [Shape(ShapeType.POLYGON, (), part - _CORNER) for part in parts if len(part) > 2]


def _cross() -> NDArray[np.float64]:
    return np.array([[-_ARM, 0], [_ARM, 0], [0, 0], [0, -_ARM], [0, _ARM]])


def _roi_of(shape: Shape, name: str) -> ImagejRoi:
    from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

    kind, vertices = shape.type, shape.vertices
    area = kind not in (ShapeType.LINE, ShapeType.PATH)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    if kind is ShapeType.ELLIPSE and not _upright(vertices):
        vertices = rim_of(vertices)
    roi = ImagejRoi.frompoints((vertices + (_CORNER if area else 0))[:, ::-1], name=name)
    roi.roitype = ROI_TYPE.POLYGON if area else ROI_TYPE.POLYLINE
    if kind is ShapeType.LINE:
        roi.roitype = ROI_TYPE.LINE
        (roi.y1, roi.x1), (roi.y2, roi.x2) = vertices.tolist()
    elif kind in (ShapeType.RECTANGLE, ShapeType.ELLIPSE) and _upright(vertices):
        roi.roitype = ROI_TYPE.RECT if kind is ShapeType.RECTANGLE else ROI_TYPE.OVAL
        roi.yd, roi.xd = (low + _CORNER).tolist()
        roi.heightd, roi.widthd = (high - low).tolist()
        roi.top, roi.left = (int(edge) for edge in np.floor(low + _CORNER))
        roi.bottom, roi.right = (int(edge) for edge in np.ceil(high + _CORNER))
    if kind is ShapeType.LINE or roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        roi.integer_coordinates = roi.subpixel_coordinates = None
        roi.n_coordinates = 0
    roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    return roi


def _members(names: Iterable[str]) -> list[str]:
    """Return the names as files in one folder, whatever system unpacks them.

    Namesakes are told apart as the ROI Manager does: ``cell``, then ``cell-1``.
    """
    counts: Counter[str] = Counter()
    # A dictionary for its order; some systems take two cases of a letter for one.
    found: dict[str, str] = {}
    for number, given in enumerate(names, start=1):
        name = _NO_FILE_NAME.sub("_", given)[:_LONGEST_NAME].strip(" .") or f"{number:04d}"
        unique = name
        while unique.casefold() in found:
            counts[name] += 1
            unique = f"{name}-{counts[name]}"
        found[unique.casefold()] = unique
    return list(found.values())


def _upright(corners: NDArray[np.float64]) -> bool:
    """Whether four corners are those of their own bounding box."""
    return all(len(np.unique(corners[:, axis])) == 2 for axis in (0, 1))


def rim_of(corners: NDArray[np.float64], vertices: int = 72) -> NDArray[np.float64]:
    """Return the ellipse that touches the middle of a rectangle's sides, as a polygon."""
    centre = corners.mean(axis=0)
    first, second = (corners[:2].mean(axis=0) - centre), (corners[1:3].mean(axis=0) - centre)
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)[:, None]
    rim: NDArray[np.float64] = centre + np.cos(angle) * first + np.sin(angle) * second
    return rim


def _record(region: Any) -> bytes:
    if isinstance(region, (bytes, bytearray, memoryview)):
        return bytes(region)
    if not hasattr(region, "roitype"):
        raise UnsupportedArray(
            f"a {type(region).__name__} is no region: give a .roi or .zip file, or what "
            "roifile.roiread returns"
        )
    return bytes(region.tobytes())


def _read_file(path: Path) -> list[bytes]:
    try:
        if not zipfile.is_zipfile(path):
            data = path.read_bytes()
            if path.suffix.lower() == ".zip" or data.startswith(_ZIP):
                raise UnreadableImage(f"{path}: a damaged zip archive, cut short or no zip at all")
            return [data]
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if one.filename.lower().endswith(".roi")]
            if sum(one.file_size for one in members) > _LARGEST:
                raise UnreadableImage(f"{path}: its regions unpack to more than {_LARGEST} bytes")
            if not members:
                raise UnreadableImage(f"{path}: a zip archive without a .roi file in it")
            return [archive.read(one) for one in members]
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise UnreadableImage(f"{path}: no regions of ImageJ's can be read: {error}") from error
