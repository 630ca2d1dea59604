"""What stands for a plane that its viewer keeps, wherever its pixels are at the moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coverslip.viewers.memory.nameless import Region

if TYPE_CHECKING:
    from coverslip.viewers.memory.keeper import Memory

__all__ = ["Entry", "HeldPlane", "entries_within"]


class Entry:
    """A plane in the books of a `Memory`, whose lock guards all of it.

    ``pixels`` may be read without the lock: it is an array that nobody writes to, or None.
    """

    __slots__ = (
        *("busy", "dtype", "loading", "nbytes", "pixels"),
        *("reason", "regions", "shape", "tag", "touched", "unwanted"),
    )

    def __init__(self, pixels: NDArray[Any], tag: Any) -> None:
        self.pixels: NDArray[Any] | None = pixels
        self.shape = pixels.shape
        self.dtype = pixels.dtype
        self.nbytes = pixels.nbytes
        self.tag = tag
        self.regions: tuple[Region, ...] = ()
        """Where it lies on disk, also while it is in memory."""
        self.touched = 0
        """Grows with each look at it."""
        self.busy = 0
        """How many threads write it to disk or read it: its place there is not another's yet."""
        self.loading = False
        """A thread reads it back into memory; the others wait for that one."""
        self.unwanted = False
        """Nobody has it any more."""
        self.reason = ""
        """Why its pixels are lost; empty while they are not."""


class HeldPlane:
    """A plane of a viewer's: an array to whoever asks for one, in memory or on disk otherwise.

    It has an array's shape, dtype and size. ``numpy.asarray`` gives its pixels, which must not be
    written to; from any thread. Its memory and its place on disk are given back with the last
    reference to it.

    Attributes
    ----------
    tag
        What its owner knows it by.
    """

    __slots__ = ("_entry", "_memory", "dtype", "nbytes", "shape", "tag")

    def __init__(self, memory: Memory, entry: Entry) -> None:
        self._memory = memory
        self._entry = entry
        self.shape = entry.shape
        self.dtype = entry.dtype
        self.nbytes = entry.nbytes
        self.tag = entry.tag

    def __del__(self) -> None:
        # Any thread, at any moment, maybe one that has the memory's lock: only what takes none.
        self._entry.pixels = None
        self._memory.disown(self._entry)

    def __repr__(self) -> str:
        where = "in memory" if self._entry.pixels is not None else self.lost or "on disk"
        return f"HeldPlane({self.shape}, {self.dtype}, {self.tag!r}, {where})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the pixels, blank if they are lost; what is read from disk is not kept."""
        pixels = self._memory.read(self._entry, keep=False)
        if pixels is None:
            pixels = np.broadcast_to(np.zeros((), self.dtype), self.shape)
        return np.array(pixels, dtype, copy=copy)

    def load(self) -> NDArray[Any] | None:
        """Return the pixels to be looked at: they stay in memory; None if they are lost."""
        return self._memory.read(self._entry, keep=True)

    @property
    def in_memory(self) -> bool:
        """Whether the pixels are in memory."""
        return self._entry.pixels is not None

    @property
    def lost(self) -> str:
        """Why the pixels are lost; empty while they are not."""
        return self._entry.reason

    @property
    def entry(self) -> Entry:
        """The plane in the books of its memory."""
        return self._entry


def entries_within(planes: Iterable[HeldPlane], nbytes: int) -> list[Entry]:
    """Return as many of the first planes as fit so many bytes."""
    fitting = []
    for plane in planes:
        nbytes -= plane.nbytes
        if nbytes < 0:
            break
        fitting.append(plane.entry)
    return fitting
