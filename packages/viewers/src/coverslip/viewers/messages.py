"""What a client asks a viewer beyond the transport's own requests.

A `LayerInfo` says what the viewer *holds*, not what was sent: it is read from
the layer that is drawn, and a checksum is taken of those very pixels. It is how
a test, or a suspicious user, can compare a window with a file.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from coverslip.payload import Value
from coverslip.transport import Reply, Request

__all__ = [
    "AbortMacro",
    "DescribeLayers",
    "Follow",
    "LayerInfo",
    "Layers",
    "MacroResult",
    "PlaneInfo",
    "RaiseWindow",
    "RunMacro",
    "Unfollow",
]


class PlaneInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One plane as a viewer holds it.

    Attributes
    ----------
    components : dict of str to value
        Where it lies: every component that it was sent with.
    shape : tuple of int
        ``(y, x)``, or ``(y, x, 3 | 4)`` for RGB(A).
    dtype : str
        Little-endian numpy type string, such as ``"<u2"``.
    crc32 : int or None
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
    name : str
        As the viewer shows it.
    kind : str
        ``"image"``, ``"labels"``, ``"points"``, ``"shapes"``, ``"tracks"`` or ``"rois"``. A plane
        of the last four is a table, with a row for each point or vertex.
    axes : tuple of str
        Names of all axes in order, the last two always ``"y", "x"``
        (and ``"c"`` after them for RGB).
    labels : dict of str to tuple of values
        For each axis made of components, the values seen on it, in order.
    shape : tuple of int
        Extent along `axes`.
    dtype : str
        numpy type string of the planes.
    contrast_limits : tuple of float or None
        As drawn now; None where the kind has none.
    planes : tuple of PlaneInfo
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


class RaiseWindow(Request, frozen=True, kw_only=True):
    """Bring the viewer's window to the front; answered with `Done`."""


class Follow(Request, frozen=True, kw_only=True):
    """Show what a relay has and what comes to it; answered with `Done`, at once.

    Parameters
    ----------
    line : str
        The relay's ``coverslip://`` line, as the viewer reaches it. Another line of the same relay
        changes nothing.
    newest : bool
        Of what the relay has already, the newest first.
    """

    line: Annotated[str, msgspec.Meta(max_length=4096)]
    newest: bool = False


class Unfollow(Request, frozen=True, kw_only=True):
    """Fetch no more from a relay, by its line; what it sent stays. Answered with `Done`."""

    line: Annotated[str, msgspec.Meta(max_length=4096)]


class RunMacro(Request, frozen=True, kw_only=True):
    """Fiji only: run a macro of ImageJ's; answered with `MacroResult` when it has ended."""

    text: Annotated[str, msgspec.Meta(max_length=1 << 20)]
    argument: Annotated[str, msgspec.Meta(max_length=1 << 16)] = ""


class MacroResult(Reply, frozen=True, kw_only=True):
    """What a macro returned, empty for one that returns nothing."""

    text: str = ""


class AbortMacro(Request, frozen=True, kw_only=True):
    """Fiji only: end the macro that runs, if one does; answered with `Done` when it has ended."""
