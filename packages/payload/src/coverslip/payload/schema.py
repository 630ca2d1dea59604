"""What travels: planes and batches, and the offer of an arena, as typed and bounded structs.

The lengths in these annotations are what msgspec checks while it decodes; what needs two fields
at once is checked in `coverslip.payload.frames`. A message type is versioned by its tag: a
new field with a default keeps the tag, anything else gets a new one.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

__all__ = [
    "MAX_COMPONENTS",
    "MAX_ORIGIN",
    "MAX_PLANES",
    "ArenaAddress",
    "Batch",
    "Display",
    "Inline",
    "Kind",
    "MemfdAddress",
    "Offer",
    "Pixels",
    "Plane",
    "PosixAddress",
    "Slot",
    "Source",
    "Value",
    "WindowsAddress",
    "check_display",
]

MAX_PLANES = 65_536
"""Planes of one message."""

MAX_COMPONENTS = 32
"""Components of one plane."""

MAX_ORIGIN = 4096
"""Characters of a plane's origin."""

Kind: TypeAlias = Literal["image", "labels", "points", "shapes", "tracks", "rois"]
"""What a plane is: a picture, or an annotation of one. See `coverslip.payload.annotations`."""

Value: TypeAlias = str | int | float
"""A component's value: a well is text, a z index an integer, a time in seconds a float."""

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Extent = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Text = Annotated[str, Meta(max_length=MAX_ORIGIN)]
_WireValue = (
    Annotated[str, Meta(max_length=1024)] | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float
)


class Slot(Struct, frozen=True, tag="slot"):
    """Pixels that lie in the stream's arena.

    `offset` counts bytes from the start of the arena's data; `generation` is what the slot's own
    counter says for as long as these pixels are there.
    """

    index: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    offset: _Count
    length: _Count
    generation: _Count


class Inline(Struct, frozen=True, tag="inline", omit_defaults=True):
    """Pixels that travel with the message, from frame number `frame` on (the header is frame 0).

    `frames` of them, joined, are the pixels, or what `codec` made of them; none: as they are.
    """

    frame: Annotated[int, Meta(ge=1, le=MAX_PLANES)]
    frames: Annotated[int, Meta(ge=1, le=MAX_PLANES)] = 1
    codec: Literal["blosc2"] | None = None


Pixels: TypeAlias = Slot | Inline
"""Where a plane's pixels are: in the arena, or in the message."""


class Display(Struct, frozen=True, omit_defaults=True):
    """How planes ask to be drawn.

    What is missing is the viewer's choice; what the user has touched stays the user's, whatever a
    later plane asks for.

    `colormap` is a napari colormap or an ImageJ LUT. `scale` is the distance between two
    neighbours on an axis (``y``, ``x`` or a component), in `unit`. `pad` shows planes of several
    sizes in one layer, each in the corner of the largest; otherwise each size has a layer of its
    own. `dimensions` puts a component on an axis of a hyperstack, for a viewer that has such axes.
    `roi_manager` puts outlines into ImageJ's ROI Manager instead of over the image. `overview`
    shows the wells of a plate at a glance, beside the picture, for a viewer that can.
    """

    colormap: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    contrast_limits: tuple[float, float] | None = None
    opacity: Annotated[float, Meta(ge=0, le=1)] | None = None
    blending: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    scale: Annotated[dict[_Name, Annotated[float, Meta(gt=0)]], Meta(max_length=34)] = field(
        default_factory=dict
    )
    unit: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    pad: bool = False
    dimensions: Annotated[dict[_Name, Literal["c", "z", "t"]], Meta(max_length=32)] = field(
        default_factory=dict
    )
    roi_manager: bool = False
    overview: bool = False


def check_display(display: Display) -> None:
    """Raise ValueError where two numbers of `display` do not go together, or one is not finite."""
    limits = display.contrast_limits
    if limits is not None and not (math.isfinite(limits[1] - limits[0]) and limits[0] < limits[1]):
        raise ValueError(
            f"contrast_limits {limits} are not two finite numbers, the lower one first"
        )
    for axis, step in display.scale.items():
        if not math.isfinite(step):
            raise ValueError(f"scale[{axis[:64]!r}] is {step}, not a finite number")


class Source(Struct, frozen=True, omit_defaults=True):
    """Which step of which pipeline made the planes, and how they ask to be shown.

    A missing `name` lets the viewer name the layer; a component missing in `modes` ("stack",
    "slice" or "separate") is shown as the viewer shows it by default.
    """

    name: _Name | None = None
    step_name: _Name | None = None
    step_index: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    modes: Annotated[dict[_Name, Annotated[str, Meta(max_length=16)]], Meta(max_length=32)] = field(
        default_factory=dict
    )
    display: Display = Display()
    replace: Annotated[str, Meta(max_length=64)] = ""
    """Names a replacement: what its layers held before the first plane of it goes away."""
    keep: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    """Of each layer only so many planes are kept, the newest; 0 keeps all."""


class Plane(Struct, frozen=True, omit_defaults=True):
    """One picture or one table of annotations, C-contiguous and little-endian.

    A picture (`kind` image or labels) has the shape (y, x), or (y, x, 3 or 4) when `rgb`; a table
    has a row for each point, vertex or position and may have none. `along` names the components
    that a table gives row by row, in the columns before y and x.
    """

    shape: Annotated[tuple[_Extent, ...], Meta(min_length=2, max_length=3)]
    dtype: Annotated[str, Meta(min_length=3, max_length=3)]
    pixels: Pixels
    components: Annotated[dict[_Name, _WireValue], Meta(max_length=MAX_COMPONENTS)] = field(
        default_factory=dict
    )
    rgb: bool = False
    origin: _Text = ""
    kind: Kind = "image"
    along: Annotated[tuple[_Name, ...], Meta(max_length=MAX_COMPONENTS)] = ()


class Batch(Struct, frozen=True, tag="batch/1"):
    """Planes sent as one message; `sequence` is the number of the first of them in its stream."""

    stream: _Name
    epoch: _Count
    sequence: _Count
    source: Source
    planes: Annotated[tuple[Plane, ...], Meta(min_length=1, max_length=MAX_PLANES)]


class MemfdAddress(Struct, frozen=True, tag="memfd"):
    """Linux: descriptor `fd` of process `pid`. Numbers, so that no path can be smuggled in."""

    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    fd: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class PosixAddress(Struct, frozen=True, tag="posix"):
    """Named POSIX shared memory; macOS takes at most 31 characters."""

    name: Annotated[str, Meta(pattern=r"^/coverslip-[0-9a-f]{16}\Z", max_length=31)]


class WindowsAddress(Struct, frozen=True, tag="windows"):
    """A named mapping of Windows, within the user's session."""

    name: Annotated[str, Meta(pattern=r"^coverslip-[0-9a-f]{32}\Z", max_length=64)]


ArenaAddress: TypeAlias = MemfdAddress | PosixAddress | WindowsAddress
"""How another process opens an arena, by the platform's mechanism."""


class Offer(Struct, frozen=True, kw_only=True):
    """How a viewer may reach the stream's arena; no address means that there is none.

    The viewer that finds `nonce` in the segment at `address` has proved that it shares memory with
    the stream. `lane` is its place on the stream; `host` is for people to read; `pid` and
    `start_time` say which process owns it, 0 where that is not known.
    """

    address: ArenaAddress | None
    nonce: Annotated[bytes, Meta(max_length=64)]
    lane: Annotated[int, Meta(ge=0, le=255)]
    host: Annotated[str, Meta(max_length=256)] = ""
    pid: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    start_time: Annotated[float, Meta(ge=0)] = 0.0
