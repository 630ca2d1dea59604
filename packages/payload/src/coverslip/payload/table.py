"""The front of a segment, which its owner and its readers both see: header, generations, leases.

::

    header        magic, version, lanes, slots, bytes of data, nonce
    generations   one 64-bit counter a slot; odd while the slot is in use, even while it is free
    leases        one byte for each lane of each slot, a multiple of eight for each slot
    data          from the next multiple of the mapping granularity

The owner writes all but the leases, of which it sets a byte and the lane's reader clears it.
Nobody needs a lock for that. The order of the stores is what x86 promises; elsewhere it rests on
the thousands of instructions (a socket, an interpreter) that lie between a store and the other
side's load.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from coverslip.payload.errors import ArenaUnreachable
from coverslip.payload.segment import GRANULARITY

__all__ = ["HEADER_SIZE", "MAX_LANES", "MAX_SLOTS", "NONCE_SIZE", "Layout", "Table"]

HEADER_SIZE = 4096
NONCE_SIZE = 16
MAX_LANES = 64
MAX_SLOTS = 2**20

_MAGIC = b"coversl1"
_HEADER = struct.Struct("<8sIIQ16s")


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a segment is divided; everything follows from the four fields."""

    lanes: int
    slots: int
    data_size: int
    nonce: bytes

    @property
    def stride(self) -> int:
        """Bytes of leases a slot: whole 64-bit words, so that one comparison sees eight lanes."""
        return -(-self.lanes // 8) * 8

    @property
    def leases_start(self) -> int:
        """Where the leases begin."""
        return HEADER_SIZE + 8 * self.slots

    @property
    def table_end(self) -> int:
        """Where the leases end."""
        return self.leases_start + self.stride * self.slots

    @property
    def data_start(self) -> int:
        """Where the data begin."""
        return -(-self.table_end // GRANULARITY) * GRANULARITY

    @property
    def size(self) -> int:
        """Bytes of the whole segment."""
        return self.data_start + self.data_size

    def write(self, front: memoryview) -> None:
        """Write the header at the start of `front`."""
        header = (_MAGIC, self.lanes, self.slots, self.data_size, self.nonce)
        _HEADER.pack_into(front, 0, *header)

    def leave(self, front: memoryview) -> None:
        """Tell readers that the owner lets go of the segment that begins with `front`."""
        msgspec.structs.replace(self, nonce=bytes(NONCE_SIZE)).write(front)

    def left(self, front: memoryview) -> bool:
        """Whether the owner has let go of it: nothing more is written there."""
        return bool(_HEADER.unpack_from(front, 0)[-1] != self.nonce)

    @classmethod
    def read(cls, front: memoryview) -> Layout:
        """Return the layout that the header in `front` says.

        Raises
        ------
        ArenaUnreachable
            It is no arena's header, or its numbers are not an arena's.
        """
        magic, lanes, slots, data_size, nonce = _HEADER.unpack_from(front, 0)
        if magic != _MAGIC:
            raise ArenaUnreachable(f"the segment starts with {magic!r}, no arena of this version")
        if not (0 < lanes <= MAX_LANES and 0 < slots <= MAX_SLOTS and 0 < data_size < 2**62):
            raise ArenaUnreachable(f"an arena of {lanes} lanes, {slots} slots, {data_size} bytes")
        return cls(lanes=lanes, slots=slots, data_size=data_size, nonce=nonce)


class Table:
    """Generations and leases of a mapped segment, as cheap to read and write as Python has it."""

    __slots__ = ("_leases", "_words", "generations", "stride", "whole", "words")

    def __init__(self, layout: Layout, front: memoryview) -> None:
        self.stride = layout.stride
        self.whole = front[HEADER_SIZE : layout.table_end]
        self.generations = front[HEADER_SIZE : layout.leases_start].cast("Q")
        leases = front[layout.leases_start : layout.leases_start + self.stride * layout.slots]
        self._leases = leases
        self._words = leases.cast("Q")
        self.words: NDArray[Any] = np.frombuffer(leases, np.uint64).reshape(layout.slots, -1)

    def grant(self, slot: int, lane: int) -> None:
        """Give the lane its lease on the slot."""
        self._leases[slot * self.stride + lane] = 1

    def end(self, slot: int, lane: int) -> None:
        """End the lane's lease on the slot."""
        self._leases[slot * self.stride + lane] = 0

    def leased(self, slot: int) -> bool:
        """Whether any lane has a lease on the slot."""
        if self.stride == 8:
            return self._words[slot] != 0
        return bool(self.words[slot].any())

    def columns(self, slots: int) -> NDArray[Any]:
        """Return the bytes of the first `slots` slots, ``(slots, lanes or more)``, as a view."""
        return np.frombuffer(self._leases, np.uint8).reshape(-1, self.stride)[:slots]

    def column(self, lane: int, slots: int) -> NDArray[Any]:
        """Return the lane's bytes for the first `slots` slots, as a view."""
        return self.columns(slots)[:, lane]
