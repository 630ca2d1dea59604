"""A layer's planes, by their coordinates: adding one is O(1) and never copies the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coverslip.payload.schema import Value

__all__ = ["Coordinates", "PlaneStore"]

Coordinates: TypeAlias = tuple[Value, ...]
"""A plane's value on each of its layer's axes, in the order of `PlaneStore.axes`."""


class PlaneStore:
    """Holds each plane of one layer once: the last one that came for its place.

    Written by one thread. A plane is never written into once it is here (a replacement is another
    array), so what `snapshot` returns may be read by any thread without a lock.

    Parameters
    ----------
    axes : tuple of str
        The axes that every plane of the layer has.
    shape : tuple of int or None
        Shape of every plane, ``(y, x)`` or ``(y, x, 3 | 4)``; None for an extent in which they may
        differ: the size of padded planes, the rows of tables.
    dtype : numpy.dtype
        Data type of every plane.
    """

    __slots__ = ("_fixed", "_planes", "_uses", "axes", "dtype", "nbytes", "shape")

    def __init__(
        self, axes: tuple[str, ...], shape: tuple[int | None, ...], dtype: np.dtype[Any]
    ) -> None:
        self.axes = axes
        self._fixed = shape
        self.shape = tuple(extent or 0 for extent in shape)
        """Shape of the planes; where they differ, the largest extent that has come so far."""
        self.dtype = np.dtype(dtype)
        self.nbytes = 0
        """Bytes of all planes held."""
        self._planes: dict[Coordinates, NDArray[Any]] = {}
        self._uses: tuple[Counter[Value], ...] = tuple(Counter() for _ in axes)

    def __len__(self) -> int:
        return len(self._planes)

    def __iter__(self) -> Iterator[Coordinates]:
        return iter(self._planes)

    def __contains__(self, coordinates: Coordinates) -> bool:
        return coordinates in self._planes

    def __repr__(self) -> str:
        return f"PlaneStore({self.axes}, {self.shape}, {self.dtype}, planes={len(self)})"

    def key(self, coordinates: Mapping[str, Value]) -> Coordinates:
        """Return the coordinates in this store's order of axes."""
        return tuple(coordinates[name] for name in self.axes)

    def put(self, coordinates: Coordinates, pixels: NDArray[Any]) -> NDArray[Any] | None:
        """Keep a plane; the store owns `pixels` from here on.

        Returns
        -------
        ndarray or None
            The plane that was replaced.

        Raises
        ------
        ValueError
            `pixels` differs in shape or dtype from the layer's planes, or `coordinates` in number.
        """
        if not self._fits(pixels.shape) or pixels.dtype != self.dtype:
            raise ValueError(
                f"a layer of {self._fixed} {self.dtype} planes was handed one of {pixels.shape} "
                f"{pixels.dtype}: give it a layer of its own"
            )
        if len(coordinates) != len(self.axes):
            raise ValueError(f"axes {self.axes} need one value each, got {coordinates!r}")
        if pixels.shape != self.shape:
            self.shape = tuple(map(max, self.shape, pixels.shape))
        # A plane that comes again is a new one: it stands last.
        old = self._planes.pop(coordinates, None)
        self._planes[coordinates] = pixels
        if old is None:
            for uses, value in zip(self._uses, coordinates, strict=True):
                uses[value] += 1
        self.nbytes += pixels.nbytes - (0 if old is None else old.nbytes)
        return old

    def get(self, coordinates: Coordinates) -> NDArray[Any] | None:
        """Return the plane at these coordinates, or None where none has come yet."""
        return self._planes.get(coordinates)

    def snapshot(self) -> tuple[tuple[Coordinates, NDArray[Any]], ...]:
        """Return every plane with its coordinates, in the order of arrival."""
        return tuple(self._planes.items())

    def remove(self, coordinates: Coordinates) -> None:
        """Drop one plane, if it is there."""
        old = self._planes.pop(coordinates, None)
        if old is None:
            return
        self.nbytes -= old.nbytes
        for uses, value in zip(self._uses, coordinates, strict=True):
            uses[value] -= 1
            if not uses[value]:
                del uses[value]

    def uses(self, axis: str, value: Value) -> bool:
        """Whether any plane has this value on this axis."""
        return axis in self.axes and value in self._uses[self.axes.index(axis)]

    def clear(self) -> None:
        """Drop all planes."""
        self._planes.clear()
        for uses in self._uses:
            uses.clear()
        self.nbytes = 0

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self._fixed) and all(
            fixed is None or fixed == extent
            for fixed, extent in zip(self._fixed, shape, strict=True)
        )
