"""Planes on their way through a stream: as given, as written, as sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import (
    Arena,
    Kind,
    Plane,
    Region,
    Slot,
    Source,
    UnsupportedArray,
    Value,
    wire_dtype,
)

__all__ = ["Draft", "Image", "Parcel", "seal"]

_PLANES = 64
_BYTES = 32 << 20
"""A batch goes out in messages of at most this much, so that the viewer copies
the first planes while the last are still being written."""


class Image(NamedTuple):
    """One plane as `Stream.send` takes it."""

    components: dict[str, Value]
    pixels: NDArray[Any]
    """``(y, x)``, or ``(y, x, 3 | 4)`` when `rgb`, any strides and byte order; or a table."""
    rgb: bool = False
    origin: str = ""
    kind: Kind = "image"
    along: tuple[str, ...] = ()
    """The components that a table gives row by row."""


class Parcel(NamedTuple):
    """Planes that go to the viewers as one message; their pixels lie in the arena."""

    source: Source
    planes: tuple[Plane, ...]
    private: bool
    """Whether no viewer finds some of them in shared memory, since the system had none."""

    @property
    def slots(self) -> list[Slot]:
        """Return the slots that a lane holds a lease on for these planes."""
        return [plane.pixels for plane in self.planes if isinstance(plane.pixels, Slot)]


class Draft:
    """Planes that are written and not yet published; of one call of `Stream.send`.

    Parameters
    ----------
    sources : sequence of Source
        What they share, as each viewer is to be told it.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self.nbytes = 0
        self._written: list[tuple[Region, Image]] = []

    def __len__(self) -> int:
        return len(self._written)

    @property
    def full(self) -> bool:
        """Whether it should be published before more is written."""
        return self.nbytes >= _BYTES or len(self) >= _PLANES

    def add(self, region: Region, image: Image) -> None:
        """Have a plane whose pixels lie in `region`."""
        self._written.append((region, image))
        self.nbytes += region.length

    def refuse_shown(self, pixels: NDArray[Any], arena: Arena) -> None:
        """Refuse what lies in a slot that was given away; what is still in here may be read.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            It does.
        """
        owner = _owner_of(pixels)
        if owner.flags.writeable or not arena.holds(owner):
            return
        if not any(owner is _owner_of(image.pixels) for _, image in self._written):
            raise UnsupportedArray(
                "this array came from allocate() and was shown before: its memory is the viewers' "
                "now and holds another plane by and by; allocate one for each plane"
            )

    def publish(self, arena: Arena, lanes: Sequence[int]) -> list[Parcel]:
        """Give the planes to the readers on `lanes`, a parcel each; nothing is left here."""
        written = self._take()
        planes = tuple(
            Plane(
                shape=image.pixels.shape,
                dtype=wire_dtype(image.pixels.dtype),
                rgb=image.rgb,
                components=image.components,
                origin=image.origin,
                kind=image.kind,
                along=image.along,
                pixels=arena.publish(region, lanes),
            )
            for region, image in written
        )
        private = not all(region.shared for region, _ in written)
        return [Parcel(self._sources[lane], planes, private) for lane in lanes]

    def discard(self, arena: Arena) -> None:
        """Give the planes' memory back; nothing is left here."""
        for region, _ in self._take():
            arena.discard(region)

    def _take(self) -> list[tuple[Region, Image]]:
        written, self._written, self.nbytes = self._written, [], 0
        return written


def _owner_of(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the array whose memory it is that `pixels` is a view of."""
    while isinstance(pixels.base, np.ndarray):
        pixels = pixels.base
    return pixels


def seal(pixels: NDArray[Any]) -> None:
    """Make an array read-only that the viewers own now, by whichever name the caller has it."""
    pixels.flags.writeable = False
    if isinstance(pixels.base, np.ndarray):
        pixels.base.flags.writeable = False
