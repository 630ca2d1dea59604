"""Connection files: how a server says where it is, and how others find it.

One JSON file a server, ``<runtime folder>/<kind>-<port>.json``, mode 0600 since it holds the key,
written once the sockets are bound: holding the port is what gives the right to the file. A file
whose process is dead, or whose pid now is another process, is swept by whoever meets it; that
other process is never touched. So a folder is one machine's: from another one, or from a container,
its processes cannot be seen.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import stat
import sys
import uuid
import warnings
from pathlib import Path
from typing import Final

import msgspec
import platformdirs

from coverslip.transport.endpoint import Endpoint
from coverslip.transport.errors import NoServer, PortTaken, TransportError
from coverslip.transport.identity import Identity, is_alive

__all__ = [
    "Connection",
    "find",
    "is_serving",
    "list_connections",
    "log_folder",
    "read",
    "remove",
    "runtime_folder",
    "write",
]

logger = logging.getLogger(__name__)

FOLDER_VARIABLE: Final = "COVERSLIP_RUNTIME_DIR"
_LARGEST_FILE: Final = 1 << 16
_ATTEMPTS: Final = 8
_KIND = re.compile(r"[A-Za-z0-9_.]+")


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection file says.

    Parameters
    ----------
    endpoint : Endpoint
        Where the server is, and the key.
    pid, start_time : int, float
        Its process, see `Identity`.
    title : str
        What its user calls it.
    instance : str
        Differs for each start of a server.
    launch_id : str
        Given by its launcher, to recognize it; empty when nobody launched it.
    log : str or None
        Its log file.
    guest : bool
        It serves in a program of its user's own, which goes on when it ends: that process is
        never signalled.
    version : int
        Of this file's format; a file of another version is left alone.
    """

    endpoint: Endpoint
    pid: int
    start_time: float
    title: str
    instance: str
    launch_id: str = ""
    log: str | None = None
    guest: bool = False
    version: int = 1

    @property
    def identity(self) -> Identity:
        """The process that serves."""
        return Identity(self.pid, self.start_time)

    def __str__(self) -> str:
        title = f" {self.title!r}" if self.title else ""
        return (
            f"coverslip {self.endpoint.kind} viewer{title} on port {self.endpoint.port} "
            f"(pid {self.pid})"
        )


def runtime_folder() -> Path:
    """Return the user's folder for connection files, made with mode 0700 when it is not there.

    ``COVERSLIP_RUNTIME_DIR`` names another one than the platform's.

    Raises
    ------
    TransportError
        When it cannot be made, belongs to someone else, or others may write to it: keys do not
        go there.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return _private(Path(named))
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR it falls back to a folder in /tmp, which `_private` makes safe.
        warnings.simplefilter("ignore")
        return _private(platformdirs.user_runtime_path("coverslip", appauthor=False))


def log_folder() -> Path:
    """Return the folder for servers' logs, beside the connection files and as private."""
    return _private(runtime_folder() / "log")


def write(connection: Connection) -> Path:
    """Write the file of a server whose ports are bound.

    Appears whole or not at all, and never over the file of another living process.

    Raises
    ------
    PortTaken
        When a living process has this kind and port in the same folder (bound to another
        address, or in another network namespace).
    TransportError
        When the folder or the file cannot be written.
    """
    path = _path(connection.endpoint.kind, connection.endpoint.port)
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.draft")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(connection), indent=2))
        for _ in range(_ATTEMPTS):
            try:
                os.link(draft, path)
            except FileExistsError:
                _make_way(path, connection)
            else:
                return path
        raise TransportError(f"{path} appears again each time it is swept: is another tool at it?")
    except OSError as error:
        raise TransportError(
            f"cannot write the connection file {path}: {error}; "
            f"{_remedy(error)}, or name another folder with {FOLDER_VARIABLE}"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def read(path: Path) -> Connection | None:
    """Return what a connection file says; sweep a stale one.

    Returns
    -------
    Connection or None
        None when the file is gone, is no connection file (a warning is logged and it stays), or
        was stale.
    """
    found = _load(path)
    if found is None:
        return None
    connection, raw = found
    if is_alive(connection.identity):
        return connection
    logger.info("sweeping %s: process %d is gone", path, connection.pid)
    _discard(path, raw)
    return None


def list_connections(kind: str | None = None) -> list[Connection]:
    """Return the living servers of this user, by kind and port. Sweeps stale files.

    Living means that its process lives; `ping` tells whether it answers.

    Parameters
    ----------
    kind : str, optional
        Such as ``"napari"``; None for all.
    """
    # What is not named <kind>-<port>.json is none of ours, and not worth a warning.
    paths = sorted(runtime_folder().glob("*-*.json"))
    found = [connection for path in paths if (connection := read(path)) is not None]
    chosen = [each for each in found if kind is None or each.endpoint.kind == kind]
    return sorted(chosen, key=lambda each: (each.endpoint.kind, each.endpoint.port))


def is_serving(connection: Connection) -> bool:
    """Whether a server is there still, as far as can be seen without asking it.

    That is, its process lives. A guest ends before its process does, and so does a server in this
    very process: their files say when.
    """
    if not is_alive(connection.identity):
        return False
    if not connection.guest and connection.pid != os.getpid():
        return True
    return any(each.instance == connection.instance for each in list_connections())


def find(kind: str | None, port: int) -> Connection:
    """Return the living server of a kind on a port.

    Parameters
    ----------
    kind : str or None
        Such as ``"napari"``; None for any.
    port : int
        Its data port.

    Raises
    ------
    NoServer
        When there is none; the message lists the living ones.
    """
    living = list_connections()
    for connection in living:
        if connection.endpoint.port == port and kind in (None, connection.endpoint.kind):
            return connection
    others = "; ".join(map(str, living)) or "none at all"
    raise NoServer(
        f"no {kind or 'coverslip'} server on port {port}: looked in {runtime_folder()}, "
        f"found {others}; start one first"
    )


def remove(connection: Connection) -> None:
    """Take a server's file away, if it still is that server's. Never raises for a missing file."""
    path = _path(connection.endpoint.kind, connection.endpoint.port)
    found = _load(path)
    if found is not None and found[0].instance == connection.instance:
        _discard(path, found[1])


def _remedy(error: OSError) -> str:
    """Return what to do about a file that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space"
    if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
        # As FAT and some network and user-space file systems say.
        return "let that folder be on a file system with hard links"
    return "let that folder be writable for its user"


def _path(kind: str, port: int) -> Path:
    if not _KIND.fullmatch(kind):
        raise TransportError(f"{kind!r} cannot name a file: a kind is letters, digits, _ and .")
    return runtime_folder() / f"{kind}-{port}.json"


def _private(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32":
            # Both the link and what it leads to: a fallback folder may lie below /tmp.
            for status in (folder.lstat(), folder.stat()):
                if status.st_uid != os.getuid():
                    raise TransportError(
                        f"{folder} belongs to user {status.st_uid}: keys are not kept there; "
                        f"name a folder of your own with {FOLDER_VARIABLE}"
                    )
            # Nor is it made private here: it may be a home, or /tmp.
            if folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise TransportError(
                    f"others may write to {folder}: keys are not kept there; "
                    f"name a folder of your own with {FOLDER_VARIABLE}, or chmod 700 this one"
                )
    except OSError as error:
        raise TransportError(
            f"cannot use the folder {folder}: {error}; name another with {FOLDER_VARIABLE}"
        ) from error
    return folder


def _load(path: Path) -> tuple[Connection, bytes] | None:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            raw = file.read(_LARGEST_FILE + 1) or b""
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("cannot read %s: %s", path, error)
        return None
    try:
        connection = msgspec.json.decode(raw, type=Connection)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        logger.warning("ignoring %s: not a connection file: %s", path, error)
        return None
    expected = f"{connection.endpoint.kind}-{connection.endpoint.port}.json"
    if connection.version != 1 or path.name != expected:
        logger.warning(
            "ignoring %s: version %d, expected 1 in %s", path, connection.version, expected
        )
        return None
    return connection, raw


def _open_at_once(path: str, flags: int) -> int:
    # A pipe of such a name would be waited for, and by everybody who looks for a server.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _make_way(path: Path, connection: Connection) -> None:
    """Clear a port's file for the server that now holds the port."""
    found = _load(path)
    if found is None:
        # Gone by now, or junk under the name of a port that is ours.
        path.unlink(missing_ok=True)
        return
    other, raw = found
    if other.pid != connection.pid and is_alive(other.identity):
        raise PortTaken(
            f"port {connection.endpoint.port} on {connection.endpoint.host} could be bound, "
            f"but {other} has it at {other.endpoint.host}: stop it or choose another port",
            port=connection.endpoint.port,
            holder=str(other),
        )
    _discard(path, raw)


def _discard(path: Path, expected: bytes) -> None:
    """Delete a file if it still says what was judged.

    A new server may put its own file there in between, so the file is moved aside first, which
    is atomic, and put back if it is not the one that was judged.
    """
    grave = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.swept")
    try:
        path.rename(grave)
    except OSError:
        return
    try:
        if grave.read_bytes() != expected:
            with contextlib.suppress(FileExistsError):
                os.link(grave, path)
    finally:
        grave.unlink(missing_ok=True)
