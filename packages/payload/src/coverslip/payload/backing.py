"""The memory behind an arena: one segment, paid for as it is first needed, then used again.

Knows offsets and bytes; which slot they belong to and who reads them is its neighbours' business.
"""

from __future__ import annotations

import errno
import mmap
import time
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import segment as segments
from coverslip.payload.errors import ArenaFull
from coverslip.payload.schema import ArenaAddress
from coverslip.payload.segment import Mechanism
from coverslip.payload.space import Space
from coverslip.payload.table import Layout

__all__ = ["GROWTH_PAUSE", "Backing"]

_GROWTH = 2 * 2**20
GROWTH_PAUSE = 1.0
"""Seconds before a system that had no memory is asked again."""


class Backing:
    """The segment of an arena and its free space; of one thread at a time.

    It is also let go of when it is collected; a named segment when the process ends in order, too.

    Attributes
    ----------
    refused : str
        What the system said when it was last asked for more memory and had none; empty since it
        gave some.

    Raises
    ------
    ArenaFull
        The system refuses a segment of that size.
    """

    def __init__(self, layout: Layout, mechanism: Mechanism | None) -> None:
        segment = segments.create(layout.size, mechanism)
        try:
            mapping = segment.map(0, layout.size, write=True)
            segment.ensure(mapping, 0, layout.table_end)
        except ArenaFull:
            segment.close()
            raise
        except (OSError, ValueError, OverflowError) as error:
            segment.close()
            raise segments.refusal(error, f"map {layout.size} bytes of shared memory") from error
        self.segment: ArenaAddress = segment.address
        self.backed = 0
        self._owned = segment
        self._mapping: mmap.mmap = mapping
        self._layout = layout
        self._start: int = np.frombuffer(mapping, np.uint8).ctypes.data + layout.data_start
        self._space = Space(layout.data_size)
        self.refused = ""
        self._refused_end = 0
        self._refused_until = 0.0
        self._finalizer = weakref.finalize(self, segment.close)
        # a name must be removed; what has none stays open for viewers that attach to the very last
        self._finalizer.atexit = segment.named

    @property
    def front(self) -> memoryview:
        """The header and the table, writable."""
        return memoryview(self._mapping)[: self._layout.data_start]

    def bytes(self, offset: int, length: int) -> memoryview:
        """Return bytes of the data, writable."""
        start = self._layout.data_start + offset
        return memoryview(self._mapping)[start : start + length]

    def array(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array over the data; it keeps the mapping alive."""
        start = self._layout.data_start + offset
        return np.ndarray(shape, dtype, buffer=self._mapping, offset=start)

    def address(self, offset: int) -> int:
        """Return where a byte of the data lies in this process."""
        return self._start + offset

    def holds(self, address: int) -> bool:
        """Whether an address of this process lies in the data."""
        return 0 <= address - self._start < self._layout.data_size

    def take(self, size: int) -> int | None:
        """Return the offset of a region that was just given back, or fits among the free ones."""
        return self._space.take(size)

    def find(self, size: int) -> int | None:
        """Return the offset of `size` bytes, growing or merging if need be, or None.

        Raises
        ------
        ArenaFull
            The system has no more memory, and what there is has no room now.
        """
        refused: ArenaFull | None = None
        offset = self._space.take(size)
        while offset is None:
            try:
                offset = self._grow(size)
            except ArenaFull as error:
                refused = error
            if offset is not None or not self._space.merge():
                break
            offset = self._space.take(size)
        if offset is None and refused is not None:
            raise refused
        return offset

    def give(self, offset: int, size: int) -> None:
        """Give a region back."""
        self._space.give(offset, size)

    def close(self, *, owned: bool) -> None:
        """Let go of the segment; the mapping goes with the last array that lies in it."""
        self._finalizer.detach()
        self._owned.close(owned=owned)

    def _grow(self, size: int) -> int | None:
        end = self._space.top + size
        if end > self._layout.data_size:
            return None
        if end > self.backed:
            if self.refused and end >= self._refused_end and time.monotonic() < self._refused_until:
                raise ArenaFull(errno.ENOMEM, self.refused)
            generous = min(-(-end // _GROWTH) * _GROWTH, self._layout.data_size)
            try:
                self._back(generous)
            except ArenaFull:
                try:
                    self._back(end)
                except ArenaFull as error:
                    self.refused = error.strerror or str(error)
                    self._refused_end = end
                    self._refused_until = time.monotonic() + GROWTH_PAUSE
                    raise
            self.refused = ""
        return self._space.extend(size)

    def _back(self, end: int) -> None:
        start = self._layout.data_start + self.backed
        self._owned.ensure(self._mapping, start, end - self.backed)
        self.backed = end
