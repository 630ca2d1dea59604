"""Messages to frames and back: ``[header, buffer, buffer, ...]``, pixels never in the header.

What comes out of `decode` holds in itself: sizes agree, frames exist, numbers are finite.
Whether a slot lies inside its arena only the reader of that arena can say, and what a table of
annotations holds only `coverslip.payload.annotations.check_table`, once it was copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from coverslip.payload import compression
from coverslip.payload.annotations import check_kind
from coverslip.payload.arrays import WIRE_DTYPES
from coverslip.payload.errors import InvalidMessage
from coverslip.payload.memory import kept
from coverslip.payload.schema import Batch, Inline, Offer, Plane, check_display

__all__ = [
    "MAX_HEADER",
    "Frame",
    "decode",
    "decode_offer",
    "encode",
    "encode_offer",
    "pixels_of",
    "plane_nbytes",
]

MAX_HEADER = 16 * 2**20
"""Bytes of a message's header."""

_MAX_OFFER = 4096

Frame: TypeAlias = bytes | memoryview

_encoder = msgspec.msgpack.Encoder()
_batches = msgspec.msgpack.Decoder(Batch)
_offers = msgspec.msgpack.Decoder(Offer)
# msgspec's own errors, text that is not UTF-8, and nesting deeper than the C stack should go
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


def encode(batch: Batch, buffers: Sequence[Frame] = ()) -> list[Frame]:
    """Return the frames of a message.

    Parameters
    ----------
    batch : Batch
        The planes; those with `Inline` pixels name a buffer by its frame number.
    buffers : sequence of bytes or memoryview
        The pixels of the inline planes: buffer 0 becomes frame 1. A plane may have several.

    Raises
    ------
    InvalidMessage
        The header is larger than 16 MiB: send fewer planes at once.
    """
    header = _encoder.encode(batch)
    if len(header) > MAX_HEADER:
        raise InvalidMessage(
            f"the header of {len(batch.planes)} planes has {len(header)} bytes, more than "
            f"{MAX_HEADER}: send fewer planes in a batch"
        )
    return [header, *buffers]


def decode(frames: Sequence[Frame]) -> Batch:
    """Return the batch that `frames` are, checked.

    Parameters
    ----------
    frames : sequence of bytes or memoryview
        As received: the header, then the frames of each inline plane.

    Raises
    ------
    InvalidMessage
        For anything else; it says what was found. Nothing else is ever raised.
    """
    if not frames:
        raise InvalidMessage("a message without frames: a header is needed")
    header = frames[0]
    size = _nbytes(header)
    if size > MAX_HEADER:
        raise InvalidMessage(f"a header of {size} bytes; at most {MAX_HEADER} are read")
    try:
        batch = _batches.decode(header)
    except _MALFORMED as error:
        raise InvalidMessage(f"a header that is no batch: {error}") from error
    try:
        check_display(batch.source.display)
    except ValueError as error:
        raise InvalidMessage(str(error)) from None
    used: set[int] = set()
    slots: set[int] = set()
    expanded = 0
    for number, plane in enumerate(batch.planes):
        try:
            expanded += _check(plane, frames, used, slots)
        except InvalidMessage as error:
            raise InvalidMessage(f"plane {number} of {len(batch.planes)}: {error}") from None
    if expanded > compression.LARGEST:
        raise InvalidMessage(
            f"a message that unpacks to {expanded} bytes; at most {compression.LARGEST} are"
        )
    if len(used) != len(frames) - 1:
        raise InvalidMessage(f"{len(frames) - 1} frames of pixels for {len(used)} inline planes")
    return batch


def plane_nbytes(plane: Plane) -> int:
    """Return the bytes that the plane takes in a slot or a frame.

    It is what shape and dtype ask for, and one for a table without rows: no slot is empty.

    Raises
    ------
    InvalidMessage
        The dtype is not one of those that travel.
    """
    dtype = WIRE_DTYPES.get(plane.dtype)
    if dtype is None:
        raise InvalidMessage(f"dtype {plane.dtype!r}, not one of {', '.join(WIRE_DTYPES)}")
    return math.prod(plane.shape) * dtype.itemsize or 1


def pixels_of(plane: Plane, frames: Sequence[Frame]) -> memoryview:
    """Return the bytes of an inline plane of a message that `decode` has passed.

    They are the frame itself where there is one and it is not compressed, else new memory, set
    aside only once the frames' lengths were checked against the plane's shape and dtype.

    Raises
    ------
    InvalidMessage
        The plane lies in an arena, its frames are not there, or it is compressed and damaged.
    """
    pixels = plane.pixels
    if not isinstance(pixels, Inline):
        raise InvalidMessage("the plane lies in an arena and has no frame")
    end = pixels.frame + pixels.frames
    if end > len(frames):
        raise InvalidMessage(f"frame {end - 1} of {len(frames)}")
    mine = [memoryview(frame) for frame in frames[pixels.frame : end]]
    if pixels.codec is None and pixels.frames == 1:
        return mine[0]
    nbytes = plane_nbytes(plane)
    if pixels.codec is not None:
        chunk = mine[0] if len(mine) == 1 else memoryview(b"".join(mine))
        return compression.decompress(chunk, nbytes)
    joined = kept((nbytes,), np.dtype(np.uint8))
    np.concatenate([np.frombuffer(frame, np.uint8) for frame in mine], out=joined)
    return joined.data.toreadonly()


def encode_offer(offer: Offer) -> bytes:
    """Return the bytes of an offer, which the transport carries without looking into them."""
    return _encoder.encode(offer)


def decode_offer(data: Frame) -> Offer:
    """Return the offer that `data` is.

    Raises
    ------
    InvalidMessage
        It is not an offer: truncated, wrongly typed, or with an address of another kind.
    """
    if _nbytes(data) > _MAX_OFFER:
        raise InvalidMessage(f"an offer of {_nbytes(data)} bytes; at most {_MAX_OFFER} are read")
    try:
        return _offers.decode(data)
    except _MALFORMED as error:
        raise InvalidMessage(f"no offer of an arena: {error}") from error


def _nbytes(frame: Frame) -> int:
    return frame.nbytes if isinstance(frame, memoryview) else len(frame)


def _check(plane: Plane, frames: Sequence[Frame], used: set[int], slots: set[int]) -> int:
    """Check one plane; return to how many bytes it unpacks, 0 where it is not compressed."""
    check_kind(plane)
    expected = plane_nbytes(plane)
    pixels = plane.pixels
    compressed = isinstance(pixels, Inline) and pixels.codec is not None
    if isinstance(pixels, Inline):
        mine = range(pixels.frame, pixels.frame + pixels.frames)
        # a frame that many planes name would make few bytes cost the viewer much memory
        if mine.stop > len(frames) or not used.isdisjoint(mine):
            raise InvalidMessage(f"frame {pixels.frame} or one after it is missing or used twice")
        used.update(mine)
        length = sum(_nbytes(frames[number]) for number in mine)
    else:
        if pixels.index in slots:
            raise InvalidMessage(f"slot {pixels.index} is used twice")
        slots.add(pixels.index)
        length = pixels.length
    if compressed:
        compression.check_length(length, expected)
    elif length != expected:
        raise InvalidMessage(
            f"{length} bytes of pixels, where {plane.shape} of {plane.dtype} has {expected}"
        )
    for name, value in plane.components.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidMessage(f"component {name[:64]!r} is {value}, not a finite number")
    return expected if compressed else 0
