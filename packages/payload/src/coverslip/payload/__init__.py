"""Images as messages: schemas, shared memory, frames, and where a plane belongs.

Knows no socket and no GUI.
"""

from coverslip.payload.arena import Arena
from coverslip.payload.arrays import (
    WIRE_DTYPES,
    as_components,
    as_origin,
    as_planes,
    as_source,
    as_value,
    wire_dtype,
)
from coverslip.payload.axes import CANONICAL_ORDER, Axes, Axis, natural_key
from coverslip.payload.errors import (
    ArenaClosed,
    ArenaFull,
    ArenaUnreachable,
    InvalidMessage,
    PayloadError,
    PlaneTooLarge,
    StalePlane,
    UnsupportedArray,
)
from coverslip.payload.frames import (
    MAX_HEADER,
    decode,
    decode_offer,
    encode,
    encode_offer,
    pixels_of,
    plane_nbytes,
)
from coverslip.payload.memory import kept
from coverslip.payload.projection import (
    Change,
    Layer,
    LayerKey,
    Mode,
    Placement,
    Projection,
    place,
)
from coverslip.payload.reader import ArenaReader
from coverslip.payload.region import Region
from coverslip.payload.schema import (
    MAX_COMPONENTS,
    MAX_ORIGIN,
    MAX_PLANES,
    ArenaAddress,
    Batch,
    Display,
    Inline,
    MemfdAddress,
    Offer,
    Pixels,
    Plane,
    PosixAddress,
    Slot,
    Source,
    Value,
    WindowsAddress,
)
from coverslip.payload.segment import Mechanism, sweep
from coverslip.payload.store import Coordinates, PlaneStore

__all__ = [
    "CANONICAL_ORDER",
    "MAX_COMPONENTS",
    "MAX_HEADER",
    "MAX_ORIGIN",
    "MAX_PLANES",
    "WIRE_DTYPES",
    "Arena",
    "ArenaAddress",
    "ArenaClosed",
    "ArenaFull",
    "ArenaReader",
    "ArenaUnreachable",
    "Axes",
    "Axis",
    "Batch",
    "Display",
    "Change",
    "Coordinates",
    "Inline",
    "InvalidMessage",
    "Layer",
    "LayerKey",
    "Mechanism",
    "MemfdAddress",
    "Mode",
    "Offer",
    "PayloadError",
    "Pixels",
    "Placement",
    "Plane",
    "PlaneStore",
    "PlaneTooLarge",
    "PosixAddress",
    "Projection",
    "Region",
    "Slot",
    "Source",
    "StalePlane",
    "UnsupportedArray",
    "Value",
    "WindowsAddress",
    "as_components",
    "as_origin",
    "as_planes",
    "as_source",
    "as_value",
    "decode",
    "decode_offer",
    "encode",
    "encode_offer",
    "kept",
    "natural_key",
    "pixels_of",
    "place",
    "plane_nbytes",
    "sweep",
    "wire_dtype",
]
