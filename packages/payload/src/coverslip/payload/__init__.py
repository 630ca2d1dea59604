"""Images as messages: schemas, shared memory, frames, and where a plane belongs.

Knows no socket and no GUI.
"""

from coverslip.payload.annotations import (
    MAX_POSITIONS,
    MAX_ROWS,
    TABLES,
    Shape,
    ShapeType,
    check_table,
    positions,
    roi_records,
    shapes_of,
)
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
from coverslip.payload.axes import CANONICAL_ORDER, SHORT_NAMES, Axes, Axis, natural_key
from coverslip.payload.compression import CODEC, can_compress, compress
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
from coverslip.payload.foreign import is_on_device, to_host
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
from coverslip.payload.placement import LayerKey, Mode, Placement, place
from coverslip.payload.projection import Change, Layer, Projection
from coverslip.payload.reader import ArenaReader
from coverslip.payload.region import Region
from coverslip.payload.rows import as_points, as_rois, as_shapes, as_tracks
from coverslip.payload.schema import (
    MAX_COMPONENTS,
    MAX_ORIGIN,
    MAX_PLANES,
    ArenaAddress,
    Batch,
    Display,
    Inline,
    Kind,
    MemfdAddress,
    Offer,
    Pixels,
    Plane,
    PosixAddress,
    Slot,
    Source,
    Value,
    WindowsAddress,
    check_display,
)
from coverslip.payload.segment import Mechanism, sweep
from coverslip.payload.space import Space
from coverslip.payload.store import Coordinates, PlaneStore

__all__ = [
    "CANONICAL_ORDER",
    "CODEC",
    "MAX_COMPONENTS",
    "MAX_HEADER",
    "MAX_ORIGIN",
    "MAX_PLANES",
    "MAX_POSITIONS",
    "MAX_ROWS",
    "SHORT_NAMES",
    "TABLES",
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
    "Kind",
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
    "Shape",
    "ShapeType",
    "Slot",
    "Source",
    "Space",
    "StalePlane",
    "UnsupportedArray",
    "Value",
    "WindowsAddress",
    "as_components",
    "as_origin",
    "as_planes",
    "as_points",
    "as_rois",
    "as_shapes",
    "as_source",
    "as_tracks",
    "as_value",
    "can_compress",
    "check_display",
    "check_table",
    "compress",
    "decode",
    "decode_offer",
    "encode",
    "encode_offer",
    "is_on_device",
    "kept",
    "natural_key",
    "pixels_of",
    "place",
    "plane_nbytes",
    "positions",
    "roi_records",
    "shapes_of",
    "sweep",
    "to_host",
    "wire_dtype",
]
