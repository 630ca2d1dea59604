"""A reserved part of an arena: what is written before it is published."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    from coverslip.payload.supply import Place, Supply

__all__ = ["Region"]


class Region:
    """Bytes of an arena, writable until they are published or discarded. Made by the arena.

    Parameters
    ----------
    memory : callable
        Returns the arena's memory; raises `ArenaClosed` when this process has none of it any more.
    index, generation : int
        The slot, and what its counter says for as long as the region is reserved or published.
    place : Place
        Where it lies.
    length : int
        Bytes.

    Attributes
    ----------
    owner : weakref.ref or None
        The array from `Arena.allocate` that gives the region back when it is dropped; None once
        it was claimed, and for a region that was reserved without one.
    """

    __slots__ = ("_memory", "generation", "index", "length", "owner", "place")

    def __init__(
        self, memory: Callable[[], Supply], index: int, generation: int, place: Place, length: int
    ) -> None:
        self._memory = memory
        self.owner: weakref.ref[NDArray[Any]] | None = None
        self.index = index
        self.generation = generation
        self.place = place
        self.length = length

    @property
    def offset(self) -> int:
        """Bytes from the start of the arena's data; 0 for one that is not shared."""
        return self.place.offset

    @property
    def shared(self) -> bool:
        """Whether readers find it in the segment; a private one must travel with its message."""
        return self.place.private is None

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array that lies in the region, from its start; its values are undefined.

        Raises
        ------
        ValueError
            The region is too small for it.
        ArenaClosed
            The arena was closed, or belongs to this process's parent.
        """
        wanted = np.dtype(dtype)
        if math.prod(shape) * wanted.itemsize > self.length:
            raise ValueError(f"{shape} of {wanted} in a region of {self.length} bytes")
        return self._memory().array(self.place, shape, wanted)

    def __repr__(self) -> str:
        return f"Region(index={self.index}, offset={self.offset}, length={self.length})"
