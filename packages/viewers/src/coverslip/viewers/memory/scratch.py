"""Planes on disk, for as long as their viewer runs: Blosc2 chunks in one file without a name.

Blosc2's chunks (LZ4 over bit-shuffled pixels) are a documented format that says itself how it is
to be read; all that is ours is which bytes of the file are free. Measured against zarr v3 and
Blosc2's own frames in ``docs/memory.md``.

The file has no name from the start (``O_TMPFILE``, or unlinked at once; deleted on close on
Windows): it is gone when the process ends, in whatever way, and there is nothing to sweep.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import platformdirs
from numpy.typing import NDArray

from coverslip.payload import Space, kept
from coverslip.viewers.errors import NoRoom

__all__ = ["Region", "Scratch", "scratch_folder"]

_VARIABLE: Final = "COVERSLIP_SCRATCH"

_CHUNK: Final = 8 << 20
"""Bytes of pixels in one chunk: what is compressed at a time, so what it costs in memory."""

_OVERHEAD: Final = 32
"""Bytes by which a chunk of incompressible pixels is longer: BLOSC2_MAX_OVERHEAD."""

_BLOCK: Final = 4096
"""Regions are of whole blocks of the file system: few sizes, that fit each other's places."""

_SPARE: Final = 1 << 30
_SPARE_SHARE: Final = 10
"""So much of the disk is left to others: 1 GiB, or a tenth of a small one."""

_LIMIT: Final = 1 << 62


class Region(NamedTuple):
    """Where a chunk lies in the file."""

    offset: int
    size: int


def scratch_folder() -> Path:
    """Return where scratch files are made: ``COVERSLIP_SCRATCH``, else in the user's cache."""
    named = os.environ.get(_VARIABLE)
    if named:
        return Path(named)
    return platformdirs.user_cache_path("coverslip", appauthor=False) / "scratch"


class Scratch:
    """Writes planes and reads them back, exactly. From any thread; one at a time writes.

    The file is made with the first plane.

    Parameters
    ----------
    folder : path-like, optional
        Where; `scratch_folder` by default.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._folder = Path(folder) if folder is not None else None
        self._file: IO[bytes] | None = None
        self._space = Space(_LIMIT)
        self._lock = threading.Lock()
        self._seek = threading.Lock()
        self._buffer = bytearray()
        self._closed = False
        self.nbytes = 0
        """Bytes of the file that hold planes."""

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
            blosc2_decode(self._read_at(region), out=chunk, numthreads=1)
        return pixels

    def free(self, regions: tuple[Region, ...]) -> None:
        """Give the places of a plane back to be written again."""
        with self._lock:
            for region in regions:
                self._space.give(region.offset, region.size)
                self.nbytes -= region.size
            if regions and not self.nbytes and self._file is not None:
                # Empty: the disk gets it back. Holes in between are written again.
                self._space = Space(_LIMIT)
                self._file.truncate(0)

    def close(self) -> None:
        """Let go of the file, and of the disk that it took. Idempotent."""
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
            self.nbytes = 0
        if file is not None:
            file.close()

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
                file, region = self._take(len(packed))
                self._write_at(file, region, memoryview(packed))
                return region
            except NoRoom as error:
                if not make_room(str(error)):
                    raise

    def _take(self, nbytes: int) -> tuple[IO[bytes], Region]:
        size = -(-nbytes // _BLOCK) * _BLOCK
        with self._lock:
            if self._closed:
                raise NoRoom("the viewer ends")
            file = self._open()
            offset = self._space.take(size)
            if offset is None and self._space.merge():
                offset = self._space.take(size)
            if offset is None:
                _leave_spare(size, file, self._folder or scratch_folder())
                offset = self._space.extend(size)
            if offset is None:
                raise NoRoom(f"the scratch file is longer than {_LIMIT} bytes")
            self.nbytes += size
        return file, Region(offset, size)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            folder = self._folder or scratch_folder()
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = tempfile.TemporaryFile(  # noqa: SIM115  # kept open: it has no name
                    dir=folder, buffering=0
                )
            except OSError as error:
                raise NoRoom(
                    f"no scratch file can be made in {folder}: {error}; name another folder in "
                    f"{_VARIABLE}"
                ) from error
        return self._file

    def _read_at(self, region: Region) -> bytes:
        file = self._file
        if file is None:
            raise OSError("the scratch file is closed")
        if hasattr(os, "pread"):
            return os.pread(file.fileno(), region.size, region.offset)
        with self._seek:
            file.seek(region.offset)
            return file.read(region.size)

    def _write_at(self, file: IO[bytes], region: Region, data: memoryview) -> None:
        offset = region.offset
        try:
            while data:
                if hasattr(os, "pwrite"):
                    done = os.pwrite(file.fileno(), data, offset)
                else:
                    with self._seek:
                        file.seek(offset)
                        done = file.write(data)
                data, offset = data[done:], offset + done
        except (OSError, ValueError) as error:
            with self._lock:
                # Not given back: where nothing could be written, the next would fail as well.
                self.nbytes -= region.size
            raise NoRoom(f"the scratch file cannot be written: {error}") from error


def _leave_spare(size: int, file: IO[bytes], folder: Path) -> None:
    """Raise `NoRoom` where `size` bytes more would leave too little for others."""
    try:
        # Of the file, where the system can be asked that: it outlives a folder that is removed.
        disk = shutil.disk_usage(file.fileno() if hasattr(os, "statvfs") else folder)
    except OSError as error:
        raise NoRoom(f"the disk of {folder} does not say what it has free: {error}") from error
    spare = min(_SPARE, disk.total // _SPARE_SHARE)
    if disk.free - size < spare:
        raise NoRoom(
            f"the disk of {folder} has {disk.free >> 20} MiB free, of which {spare >> 20} are left "
            f"to others: name another folder in {_VARIABLE}, or keep fewer planes"
        )
