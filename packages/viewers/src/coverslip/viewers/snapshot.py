"""What a viewer's layers held at one moment, and its description for whoever asks.

The GUI thread takes the snapshot, which costs nothing; checksums of it are another thread's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import Value
from coverslip.viewers.messages import LayerInfo, PlaneInfo

__all__ = ["LayerSnapshot"]


class LayerSnapshot(NamedTuple):
    """A layer as the GUI thread saw it; pixels by reference, since planes are never written to."""

    name: str
    kind: str
    axes: tuple[str, ...]
    labels: dict[str, tuple[Value, ...]]
    shape: tuple[int, ...]
    dtype: str
    contrast_limits: tuple[float, float] | None
    planes: list[tuple[dict[str, Value], NDArray[Any]]]

    def described(self, read: Callable[[NDArray[Any]], NDArray[Any]] | None) -> LayerInfo:
        """Return the layer as a client is told of it.

        Parameters
        ----------
        read : callable or None
            Reads back the pixels that stand for a plane, for its checksum; None takes none.
        """
        planes = tuple(
            PlaneInfo(
                components=components,
                shape=pixels.shape,
                dtype=pixels.dtype.newbyteorder("<").str,
                crc32=None if read is None else _checksum(read(pixels)),
            )
            for components, pixels in self.planes
        )
        return LayerInfo(**(self._asdict() | {"planes": planes}))


def _checksum(pixels: NDArray[Any]) -> int:
    """Return `zlib.crc32` of an array's C-contiguous little-endian bytes."""
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    return zlib.crc32(np.ascontiguousarray(little).data)
