"""The operating system's shared memory behind one small interface, without a resource tracker.

Linux: an anonymous memory file (memfd), sealed so that it can neither shrink nor grow, reached by
a reader through ``/proc/<pid>/fd/<n>``. It has no name and is gone with its last process, whoever
is killed. Elsewhere: a named segment; what a killed owner leaves of it, `sweep` removes.
docs/shared-memory.md says why. What the bytes mean is the business of its neighbours.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from coverslip.payload.errors import ArenaFull, ArenaUnreachable
from coverslip.payload.schema import ArenaAddress, MemfdAddress, PosixAddress, WindowsAddress

__all__ = [
    "GRANULARITY",
    "Mechanism",
    "Segment",
    "create",
    "default_mechanism",
    "open_at",
    "refusal",
    "sweep",
]

Mechanism: TypeAlias = Literal["memfd", "posix", "windows"]
"""What a segment of shared memory is made of."""

GRANULARITY = 2 * 2**20
"""Where a mapping may start: on every system, and at the start of a huge page too."""

_MEMFD_NAME = "coverslip-arena"
_ATTEMPTS = 16


class Segment(Protocol):
    """Shared memory of a fixed size: made by its owner, or opened by a reader."""

    @property
    def address(self) -> ArenaAddress:
        """Where another process of this machine finds it."""

    @property
    def size(self) -> int:
        """Its bytes; those that were never written may have no page yet."""

    @property
    def named(self) -> bool:
        """Whether it has a name, which must go when its owner does."""

    def map(self, offset: int, length: int, *, write: bool) -> mmap.mmap:
        """Return a mapping of `length` bytes from `offset`, a multiple of `GRANULARITY`."""

    def ensure(self, mapping: mmap.mmap, offset: int, length: int) -> None:
        """Have the system set these bytes aside; `mapping` is of the whole segment.

        Raises
        ------
        ArenaFull
            There are none to be had. Whoever wrote to them without asking would die of SIGBUS.
        """

    def close(self, *, owned: bool = True) -> None:
        """Let go of the descriptor; mappings live on. A forked child says ``owned=False``."""


def default_mechanism() -> Mechanism:
    """Return what this platform's segments are made of."""
    if sys.platform == "win32":
        return "windows"
    return "memfd" if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir() else "posix"


def create(size: int, mechanism: Mechanism | None = None) -> Segment:
    """Return a new segment of `size` bytes, all zero, none of them paid for yet.

    Raises
    ------
    ArenaFull
        The system refuses: no memory, no descriptor, or a limit of this process.
    """
    try:
        return _MAKERS[mechanism or default_mechanism()](size)
    except (OSError, OverflowError) as error:
        raise refusal(error, f"make a shared-memory segment of {size} bytes") from error


def open_at(address: ArenaAddress) -> Segment:
    """Return another process's segment.

    Raises
    ------
    ArenaUnreachable
        It is not there, not ours, or could be pulled away from under the reader.
    """
    try:
        return _OPENERS[type(address)](address)
    except (OSError, KeyError, ValueError) as error:
        raise ArenaUnreachable(f"{address} cannot be opened here: {error!r}") from error


def refusal(error: Exception, tried: str) -> ArenaFull:
    """Return what to raise when the system refused what was tried."""
    number = getattr(error, "errno", None) or errno.ENOMEM
    reason = getattr(error, "strerror", None) or str(error)
    return ArenaFull(number, f"the system refuses to {tried}: {reason}")


class _FileSegment:
    """What memfd and POSIX segments have in common: a descriptor of a sparse file in memory."""

    address: ArenaAddress
    named = True

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self.size = size

    def map(self, offset: int, length: int, *, write: bool) -> mmap.mmap:
        access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
        if sys.version_info >= (3, 13):
            return mmap.mmap(self._fd, length, offset=offset, access=access, trackfd=False)
        return mmap.mmap(self._fd, length, offset=offset, access=access)

    def ensure(self, mapping: mmap.mmap, offset: int, length: int) -> None:
        # macOS has no such call and no limit of its own for shared memory: it swaps
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._fd, offset, length)
            except OSError as error:
                raise refusal(error, f"set {length} bytes of shared memory aside") from error

    def close(self, *, owned: bool = True) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


if sys.platform == "linux":
    import fcntl

    _MADV_POPULATE_WRITE = 23  # <asm-generic/mman-common.h>; Python has no name for it yet
    _SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

    class _Memfd(_FileSegment):
        named = False

        def __init__(self, fd: int, size: int, address: MemfdAddress) -> None:
            super().__init__(fd, size)
            self.address = address

        def map(self, offset: int, length: int, *, write: bool) -> mmap.mmap:
            mapping = super().map(offset, length, write=write)
            # Where shmem_enabled is "advise", setting aside and writing 8 MiB for the first time
            # takes 0.8 ms instead of 5, and reading them for the first time half as long.
            with contextlib.suppress(OSError):
                mapping.madvise(mmap.MADV_HUGEPAGE)
            return mapping

        def ensure(self, mapping: mmap.mmap, offset: int, length: int) -> None:
            # posix_fallocate would take small pages whatever was advised
            start = offset // mmap.PAGESIZE * mmap.PAGESIZE
            try:
                mapping.madvise(_MADV_POPULATE_WRITE, start, offset + length - start)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise refusal(error, f"set {length} bytes of shared memory aside") from error
                super().ensure(mapping, offset, length)  # Linux before 5.14

    def _create_memfd(size: int) -> Segment:
        fd = os.memfd_create(_MEMFD_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            os.close(fd)
            raise
        return _Memfd(fd, size, MemfdAddress(os.getpid(), fd))

    def _open_memfd(address: MemfdAddress) -> Segment:
        path = Path(f"/proc/{address.pid}/fd/{address.fd}")
        # looked at before it is opened: opening a stranger's device or pipe has consequences
        target = str(path.readlink())
        if not target.startswith(f"/memfd:{_MEMFD_NAME}"):
            raise ValueError(f"{path} is {target[:80]!r}, no arena")
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            return _Memfd(fd, _sealed_size(fd), address)
        except BaseException:
            os.close(fd)
            raise

    def _sealed_size(fd: int) -> int:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        if seals & _SEALS != _SEALS:
            raise ValueError(f"its seals are {seals:#x}: it could shrink under the reader")
        return os.fstat(fd).st_size


if sys.platform != "win32":
    # What multiprocessing.shared_memory itself stands on: the class around it hands every segment
    # to the resource tracker, which before Python 3.13 removes those that a process only opened.
    import _posixshmem  # type: ignore[import-not-found]  # typeshed leaves it out
    import fcntl

    class _Posix(_FileSegment):
        """A named segment and, with its owner, the locked record that says the owner lives."""

        def __init__(self, fd: int, size: int, name: str, record: int | None) -> None:
            super().__init__(fd, size)
            self.address = PosixAddress(name)
            self._name = name
            self._record = record

        def close(self, *, owned: bool = True) -> None:
            super().close()
            record, self._record = self._record, None
            if record is None:
                return
            if owned:
                _unlink(self._name)
            os.close(record)

    def _records() -> Path:
        folder = Path(tempfile.gettempdir()) / f"coverslip-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(
                errno.EPERM, f"{folder} must be a folder that only its user can enter"
            )
        return folder

    def _unlink(name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            _posixshmem.shm_unlink(name)
        with contextlib.suppress(OSError):
            (_records() / name[1:]).unlink(missing_ok=True)

    def _create_posix(size: int) -> Segment:
        sweep()
        # the record comes first: a process killed after it leaves nothing that is not recorded
        name, record = _new_record()
        fd = -1
        try:
            fd = _posixshmem.shm_open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode=0o600)
            os.ftruncate(fd, size)
        except BaseException:
            if fd >= 0:
                os.close(fd)
            _unlink(name)
            os.close(record)
            raise
        return _Posix(fd, size, name, record)

    def _new_record() -> tuple[str, int]:
        """Return a name that no segment has, and the descriptor of its record, locked."""
        for _ in range(_ATTEMPTS):
            name = f"/coverslip-{secrets.token_hex(8)}"
            path = _records() / name[1:]
            record = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists():
                    return name, record
            except BlockingIOError:
                pass
            except BaseException:
                path.unlink(missing_ok=True)
                os.close(record)
                raise
            # another process's sweep found it before it was locked, and takes it away
            os.close(record)
        raise OSError(errno.EAGAIN, f"{_ATTEMPTS} new records were swept by others at once")

    def _open_posix(address: PosixAddress) -> Segment:
        fd = _posixshmem.shm_open(address.name, os.O_RDWR, mode=0)
        try:
            return _Posix(fd, _own_size(fd), address.name, None)
        except BaseException:
            os.close(fd)
            raise

    def _own_size(fd: int) -> int:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, f"it belongs to user {found.st_uid}")
        return found.st_size


if sys.platform == "win32":

    class _Windows:
        """A named mapping of the page file; it lives as long as its last handle."""

        named = True

        def __init__(self, size: int, address: WindowsAddress) -> None:
            self.size = size
            self.address: ArenaAddress = address
            self._tag = f"Local\\{address.name}"
            self._kept: mmap.mmap | None = None

        def map(self, offset: int, length: int, *, write: bool) -> mmap.mmap:
            access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
            return mmap.mmap(-1, length, tagname=self._tag, access=access, offset=offset)

        def ensure(self, mapping: mmap.mmap, offset: int, length: int) -> None:
            """Do nothing: the whole mapping was committed when it was made."""

        def close(self, *, owned: bool = True) -> None:
            self._kept = None

    def _create_windows(size: int) -> Segment:
        segment = _Windows(size, WindowsAddress(f"coverslip-{secrets.token_hex(16)}"))
        segment._kept = segment.map(0, size, write=True)
        return segment

    def _open_windows(address: WindowsAddress) -> Segment:
        # Windows does not tell a mapping's size: 0 leaves it to the header and to MapViewOfFile
        return _Windows(0, address)


def sweep() -> list[str]:
    """Remove named segments whose owner is dead; return their names.

    An owner holds a lock on its segment's record for as long as it lives, and the system lets go
    of that lock however it dies. A process id, which may be another process's by now, plays no
    part.
    """
    gone: list[str] = []
    if sys.platform != "win32":
        for path in _records().glob("coverslip-*"):
            with contextlib.suppress(OSError):
                record = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _unlink(f"/{path.name}")
                    gone.append(f"/{path.name}")
                finally:
                    os.close(record)
    return gone


_MAKERS: dict[str, Callable[[int], Segment]] = {}
_OPENERS: dict[type, Callable[..., Segment]] = {}
if sys.platform == "linux":
    _MAKERS["memfd"], _OPENERS[MemfdAddress] = _create_memfd, _open_memfd
if sys.platform != "win32":
    _MAKERS["posix"], _OPENERS[PosixAddress] = _create_posix, _open_posix
if sys.platform == "win32":
    _MAKERS["windows"], _OPENERS[WindowsAddress] = _create_windows, _open_windows
