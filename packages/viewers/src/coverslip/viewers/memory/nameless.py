"""A file without a name, for as long as its process runs: which of its bytes are free, and no more.

It has no name from the start (``O_TMPFILE``, or unlinked at once; deleted on close on Windows): it
is gone when the process ends, in whatever way, and there is nothing to sweep.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

import platformdirs

from coverslip.payload import Space
from coverslip.viewers.errors import NoRoom

__all__ = ["NamelessFile", "Region", "scratch_folder"]

_VARIABLE: Final = "COVERSLIP_SCRATCH"

_BLOCK: Final = 4096
"""Regions are of whole blocks of the file system: few sizes, that fit each other's places."""

_SPARE: Final = 1 << 30
_SPARE_SHARE: Final = 10
"""So much of the disk is left to others: 1 GiB, or a tenth of a small one."""

_LIMIT: Final = 1 << 62


class Region(NamedTuple):
    """Where something lies in the file."""

    offset: int
    size: int


def scratch_folder() -> Path:
    """Return where scratch files are made: ``COVERSLIP_SCRATCH``, else in the user's cache."""
    named = os.environ.get(_VARIABLE)
    if named:
        return Path(named)
    return platformdirs.user_cache_path("coverslip", appauthor=False) / "scratch"


class NamelessFile:
    """Keeps regions of bytes. From any thread; the file is made with the first region.

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
        self._closed = False
        self.nbytes = 0
        """Bytes of the file that are in use."""

    def store(self, parts: Sequence[bytes | bytearray | memoryview]) -> Region:
        """Write bytes, one part behind the other; return where they lie.

        Raises
        ------
        NoRoom
            The disk has no room, or refuses; nothing of it is kept.
        """
        file, region = self._take(sum(len(part) for part in parts))
        offset = region.offset
        for part in parts:
            self._write_at(file, region, offset, memoryview(part))
            offset += len(part)
        return region

    def load(self, region: Region) -> bytes:
        """Return the bytes of a region, and what lies behind them up to its end.

        Raises
        ------
        OSError
            The disk does not give them back.
        """
        file = self._file
        if file is None:
            raise OSError("the scratch file is closed")
        if hasattr(os, "pread"):
            return os.pread(file.fileno(), region.size, region.offset)
        with self._seek:
            file.seek(region.offset)
            return file.read(region.size)

    def free(self, regions: tuple[Region, ...]) -> None:
        """Give regions back to be written again."""
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

    def _take(self, nbytes: int) -> tuple[IO[bytes], Region]:
        size = -(-nbytes // _BLOCK) * _BLOCK
        with self._lock:
            if self._closed:
                raise NoRoom("its process ends")
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

    def _write_at(self, file: IO[bytes], region: Region, offset: int, data: memoryview) -> None:
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
