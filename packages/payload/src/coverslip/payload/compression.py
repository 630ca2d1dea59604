"""Pixels that travel inline, made smaller where that is wanted: Blosc2, bitshuffle and LZ4.

Bitshuffle lays equal bits side by side, so the four bits that a 12-bit camera never sets cost next
to nothing. LZ4 and not Zstandard: on real planes the latter saved 4 % more at half the speed.

What arrives is not believed: a chunk's own header must say what the message says of its plane,
before anything is set aside for it, and may ask for nothing but these two steps. (A Blosc2 chunk
can name a codec that is a plugin, which its library would go and import.)

The codec is imagecodecs' (extra ``compression``); without it planes travel as they are.
"""

from __future__ import annotations

import importlib.util
import struct
from functools import lru_cache
from typing import Any, Final

import numpy as np

from coverslip.payload.errors import InvalidMessage
from coverslip.payload.memory import kept

__all__ = ["CODEC", "LARGEST", "can_compress", "check_length", "compress", "decompress"]

CODEC: Final = "blosc2"
"""What a message calls it."""

LARGEST: Final = 2**31 - 2**16
"""Bytes of pixels that are compressed as one: Blosc2's own bound, less a margin."""

_MOST: Final = 256
"""How many bytes of pixels one byte of a message may stand for.

So that what a viewer sets aside stays in proportion to what it was sent; an empty plane's
chunk is padded to this.
"""

# Of a chunk, https://www.blosc.org/c-blosc2/format/chunk_format.html: version, the codec's version,
# flags, item size, bytes of pixels, of a block, of the chunk; the filters, one after another; the
# codec and its parameter; the filters' parameters; the flags of version 2.
_HEADER: Final = struct.Struct("<BBBBiii6s2s6sxB")
_NEWEST_VERSION: Final = 6
_EXTENDED: Final = 0b0000_0101
"""The two bits that say that the header is of 32 bytes."""
_CODEC_BITS: Final = 0b1110_0000
_LZ4_FORMAT: Final = 1 << 5
_LZ4: Final = b"\1\0"
_FILTERS: Final = (bytes(6), b"\0\0\0\0\0\2")
"""None, or bitshuffle in the last place."""
_ZEROS: Final = 1 << 4
"""The one special chunk that is let in. Of another, the memory would show what was in it before."""

_ITEM_SIZES: Final = (1, 2, 4, 8)


@lru_cache(maxsize=1)
def can_compress() -> bool:
    """Whether the codec is installed."""
    return importlib.util.find_spec("imagecodecs") is not None


def _library() -> Any:
    # Any: its types know of no memoryview where any buffer will do.
    import imagecodecs

    return imagecodecs


def compress(pixels: memoryview, itemsize: int, out: memoryview) -> int:
    """Compress pixels into `out`, in the calling thread, without the GIL.

    Parameters
    ----------
    pixels : memoryview
        Bytes; more than `LARGEST` are left as they are.
    itemsize : int
        Bytes of one value.
    out : memoryview
        Where to, writable bytes.

    Returns
    -------
    int
        Bytes written; 0 when it would not have become smaller, or `out` has no room for it.
    """
    imagecodecs = _library()
    room = min(len(out), pixels.nbytes - 1)
    least = -(-pixels.nbytes // _MOST)
    if pixels.nbytes > LARGEST or room < max(least, _HEADER.size):
        return 0
    try:
        written = imagecodecs.blosc2_encode(
            pixels,
            1,
            compressor="lz4",
            shuffle="bitshuffle",
            typesize=itemsize,
            numthreads=1,
            out=out[:room],
        )
    except imagecodecs.Blosc2Error:
        return 0
    length = len(written)
    if length < least:
        out[length:least] = bytes(least - length)
    return max(length, least)


def check_length(length: int, nbytes: int) -> None:
    """Raise InvalidMessage where `length` compressed bytes cannot be `nbytes` of pixels."""
    if nbytes > LARGEST or not _HEADER.size <= length < nbytes or length * _MOST < nbytes:
        raise InvalidMessage(f"{length} compressed bytes for {nbytes} bytes of pixels")


def decompress(chunk: memoryview, nbytes: int) -> memoryview:
    """Return the `nbytes` of pixels that a chunk holds, in memory of their own.

    Raises
    ------
    InvalidMessage
        The chunk is damaged, not made by `compress`, or has another number of bytes; or the codec
        is not installed.
    """
    if not can_compress():
        raise InvalidMessage(
            "compressed pixels, and imagecodecs is not installed: "
            'pip install "coverslip-payload[compression]"'
        )
    _check_header(chunk, nbytes)
    imagecodecs = _library()
    pixels = kept((nbytes,), np.dtype(np.uint8))
    try:
        imagecodecs.blosc2_decode(chunk, numthreads=1, out=pixels)
    except imagecodecs.Blosc2Error as error:
        raise InvalidMessage(f"compressed pixels that are damaged: {error}") from None
    return pixels.data.toreadonly()


def _check_header(chunk: memoryview, nbytes: int) -> None:
    check_length(chunk.nbytes, nbytes)
    version, _, flags, itemsize, size, block, length, filters, codec, parameters, more = (
        _HEADER.unpack_from(chunk)
    )
    if size != nbytes or not _HEADER.size <= length <= chunk.nbytes or not 0 < block <= size:
        raise InvalidMessage(
            f"a chunk of {length} bytes for {size} in blocks of {block}, "
            f"where {chunk.nbytes} came for {nbytes}"
        )
    if (
        version > _NEWEST_VERSION
        or flags & _EXTENDED != _EXTENDED
        or flags & _CODEC_BITS != _LZ4_FORMAT
        or codec != _LZ4
        or filters not in _FILTERS
        or any(parameters)
        or itemsize not in _ITEM_SIZES
        or more not in (0, _ZEROS)
    ):
        raise InvalidMessage("a chunk that is not made by bitshuffle and LZ4 alone")
