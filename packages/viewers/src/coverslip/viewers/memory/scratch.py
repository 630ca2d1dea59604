"""Planes on disk, for as long as their viewer runs: Blosc2 chunks in one file without a name.

Blosc2's chunks (LZ4 over bit-shuffled pixels) are a documented format that says itself how it is
to be read; all that is ours is which bytes of the file are free (`nameless`). Measured against
zarr v3 and Blosc2's own frames in ``docs/memory.md``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import kept
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.memory.nameless import NamelessFile, Region

__all__ = ["Scratch"]

_CHUNK: Final = 8 << 20
"""Bytes of pixels in one chunk: what is compressed at a time, so what it costs in memory."""

_OVERHEAD: Final = 32
"""Bytes by which a chunk of incompressible pixels is longer: BLOSC2_MAX_OVERHEAD."""


class Scratch(NamelessFile):
    """Writes planes and reads them back, exactly. From any thread; one at a time writes.

    The file is made with the first plane.

    Parameters
    ----------
    folder : path-like, optional
        Where; `scratch_folder` by default.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        super().__init__(folder)
        self._buffer = bytearray()

    def write(
        self, pixels: NDArray[Any], make_room: Callable[[str], bool] = lambda _: False
    ) -> tuple[Region, ...]:
        """Write a plane; return where it lies, for `read` and `free`.

        Parameters
        ----------
        pixels : ndarray
            The plane.
        make_room : callable
            Called with the reason where there is no room; frees other planes, or returns False.

        Raises
        ------
        NoRoom
            The disk has no room, or refuses; nothing of the plane is kept.
        """
        flat = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
        regions: list[Region] = []
        try:
            for start in range(0, flat.size, _CHUNK):
                chunk = flat[start : start + _CHUNK].data
                regions.append(self._write_chunk(chunk, pixels.dtype.itemsize, make_room))
        except BaseException:
            self.free(tuple(regions))
            raise
        return tuple(regions)

    def read(
        self, regions: tuple[Region, ...], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return a plane that was written, in fresh memory.

        Raises
        ------
        OSError, RuntimeError
            The disk does not give it back.
        """
        from imagecodecs import blosc2_decode

        pixels = kept(shape, dtype)
        flat = pixels.reshape(-1).view(np.uint8)
        for region, start in zip(regions, range(0, flat.size, _CHUNK), strict=True):
            chunk = flat[start : start + _CHUNK].data
            blosc2_decode(self.load(region), out=chunk, numthreads=1)
        return pixels

    def _write_chunk(
        self, chunk: memoryview, itemsize: int, make_room: Callable[[str], bool]
    ) -> Region:
        from imagecodecs import blosc2_encode

        if len(self._buffer) < chunk.nbytes + _OVERHEAD:
            self._buffer = bytearray(chunk.nbytes + _OVERHEAD)
        packed = blosc2_encode(
            chunk,  # type: ignore[arg-type]  # its stubs know no memoryview, it does
            1,
            compressor="lz4",
            shuffle="bitshuffle",
            splitmode="never",  # for 2 % more bytes a third less time to read (measured)
            typesize=itemsize,
            numthreads=1,
            out=self._buffer,
        )
        while True:
            try:
                return self.store([packed])
            except NoRoom as error:
                if not make_room(str(error)):
                    raise
