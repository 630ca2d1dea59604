"""A picture that lies in a file or a store: what it is of, and how to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import Display, Value

__all__ = ["StoredImage"]

_PICTURE: Final = frozenset({"y", "x", "c"})
"""Axes that are no component."""


@dataclass(frozen=True)
class StoredImage:
    """What is known of a picture before its pixels are read. For one thread at a time.

    Parameters
    ----------
    components : dict of str to str, int or float
        What it is of.
    axes : tuple of str
        Of the array that `read` returns: ``("y", "x")``, with ``"c"`` where there are colours and
        with components where one read gives several planes.
    shape, dtype
        Of that array.
    read : callable
        Reads the pixels. Good until the next picture is asked for; raises `UnreadableImage`.
    origin : str
        Where it lies, for people to read.
    coordinates : dict of str to tuple
        Values along axes that are components, where they are not 0, 1, 2…
    display : Display
        Its scale and unit, where the file gives them.
    """

    components: dict[str, Value]
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]
    origin: str
    coordinates: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    display: Display = field(default_factory=Display)

    @property
    def names(self) -> set[str]:
        """The components that its planes have."""
        return (self.components.keys() | set(self.axes)) - _PICTURE

    @property
    def planes(self) -> int:
        """Number of planes that one read gives."""
        count = 1
        for name, extent in zip(self.axes, self.shape, strict=True):
            if name not in _PICTURE:
                count *= extent
        return count
