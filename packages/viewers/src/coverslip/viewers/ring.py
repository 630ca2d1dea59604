"""Memory for compressed pixels that are under way: taken and given back in one order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ring"]


class Ring:
    """One block of memory, written round and round; the lane's lock guards it.

    What is taken lies in one piece, and is given back oldest first.

    Parameters
    ----------
    memory : ndarray
        Of bytes, ``uint8``.
    """

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self._memory = memory.data
        self._head = self._tail = 0
        self._empty = True

    def free(self) -> tuple[int, memoryview]:
        """Return where the largest free piece begins, and its memory."""
        size = len(self._memory)
        if self._empty:
            start, stop = 0, size
        elif self._head == self._tail:
            start, stop = 0, 0
        elif self._head < self._tail:
            start, stop = self._head, self._tail
        elif size - self._head >= self._tail:
            start, stop = self._head, size
        else:
            start, stop = 0, self._tail
        return start, self._memory[start:stop]

    def take(self, start: int, length: int) -> int:
        """Take the first `length` bytes of what `free` returned; return their end."""
        if length:
            if self._empty:
                self._tail = start
            self._empty = False
            self._head = start + length
        return self._head

    def give(self, end: int) -> None:
        """Give back everything up to an end that `take` returned."""
        self._tail = end
        self._empty = self._tail == self._head

    def clear(self) -> None:
        """Give back everything."""
        self._head = self._tail = 0
        self._empty = True
