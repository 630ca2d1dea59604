"""What a client asks a viewer beyond the transport's own requests.

A `LayerInfo` says what the viewer *holds*, not what was sent: it is read from
the layer that is drawn, and a checksum is taken of those very pixels. It is how
a test, or a suspicious user, can compare a window with a file.
"""

from __future__ import annotations

import msgspec

from coverslip.payload import Value
from coverslip.transport import Reply, Request

__all__ = ["DescribeLayers", "LayerInfo", "Layers", "PlaneInfo"]


class PlaneInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One plane as a viewer holds it.

    Attributes
    ----------
    components
        Where it lies: every component that it was sent with.
    shape
        ``(y, x)``, or ``(y, x, 3 | 4)`` for RGB(A).
    dtype
        Little-endian numpy type string, such as ``"<u2"``.
    crc32
        `zlib.crc32` of the C-contiguous little-endian pixels, None unless asked for.
    """

    components: dict[str, Value]
    shape: tuple[int, ...]
    dtype: str
    crc32: int | None = None


class LayerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One layer (napari) or window (Fiji) and what lies in it.

    Attributes
    ----------
    name
        As the viewer shows it.
    kind
        ``"image"`` for now; labels, points and shapes have their own.
    axes
        Names of all axes in order, the last two always ``"y", "x"``
        (and ``"c"`` after them for RGB).
    labels
        For each axis made of components, the values seen on it, in order.
    shape
        Extent along `axes`.
    dtype
        numpy type string of the planes.
    contrast_limits
        As drawn now; None where the kind has none.
    planes
        Every plane held, in the order of their coordinates.
    """

    name: str
    kind: str
    axes: tuple[str, ...]
    labels: dict[str, tuple[Value, ...]]
    shape: tuple[int, ...]
    dtype: str
    contrast_limits: tuple[float, float] | None
    planes: tuple[PlaneInfo, ...]


class DescribeLayers(Request, frozen=True, kw_only=True):
    """Ask what a viewer holds; answered with `Layers`."""

    checksums: bool = False


class Layers(Reply, frozen=True, kw_only=True):
    """The layers of a viewer, bottom first."""

    layers: tuple[LayerInfo, ...]
