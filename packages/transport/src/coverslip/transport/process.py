"""A server's process from outside: launch, wait until it is ready, stop.

No process is signalled by its port or its pid alone: only one that proved to be ours, by pid and
start time.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from coverslip.transport.client import ping, request
from coverslip.transport.connection import (
    FOLDER_VARIABLE,
    Connection,
    is_serving,
    list_connections,
    log_folder,
    remove,
)
from coverslip.transport.errors import LaunchError, StopError, TransportError
from coverslip.transport.identity import Identity, identify, is_alive, open_pidfd
from coverslip.transport.messages import Done, Pong, Shutdown, State
from coverslip.transport.parent import PARENT_VARIABLE

__all__ = [
    "Launched",
    "launch",
    "new_launch_id",
    "new_log",
    "stop",
    "wait_ready",
]

logger = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 0.05
_TAIL_BYTES: Final = 1 << 16
_KEPT_LOGS: Final = 50
_LEAST_SPACE: Final = 1 << 14

# Windows knows one way only, which is the kill.
_KILL: Final = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
_RUNGS: Final = (signal.SIGTERM, _KILL)


class Launched:
    """A process that `launch` started. Thread-safe. It is reaped when it ends.

    Parameters
    ----------
    process : subprocess.Popen
        The process; nobody else may wait for it.
    log : Path
        Where its output goes.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.log = log
        self.pid = process.pid
        self.identity: Identity | None = identify(process.pid)
        self._process = process
        # Its thread reaps: no zombie, and no ResourceWarning when this object is collected.
        self._reaper = threading.Thread(
            target=process.wait, name=f"coverslip-reaper-{process.pid}", daemon=True
        )
        self._reaper.start()

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal's number; None while it runs."""
        return self._process.returncode

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for its end, and return as `poll`."""
        self._reaper.join(max(timeout, 0.0))
        return self.poll()

    def stop(self, timeout: float = 5.0) -> None:
        """End a process that does not serve yet: terminate, then kill, if it still is that one.

        A server that answers is stopped by `stop`, which asks it first.

        Parameters
        ----------
        timeout : float, default 5.0
            Seconds for each of the two.
        """
        for rung in _RUNGS:
            if self.identity is None or self.poll() is not None:
                return
            _signal(self.identity, rung)
            self.wait(timeout)

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of its log; empty when there are none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def new_launch_id() -> str:
    """Return a word that no other launch has, for `wait_ready` to know a server by."""
    return uuid.uuid4().hex


def new_log(kind: str, launch_id: str) -> Path:
    """Return the path of a new, empty log file, mode 0600, and delete the oldest of many.

    The log of a server that lives stays, however long ago it said something.

    Raises
    ------
    LaunchError
        When it cannot be made.
    """
    folder = log_folder()
    path = folder / f"{kind}-{launch_id}.log"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise LaunchError(
            f"cannot make a log for a {kind} viewer: {error}; free some space, "
            f"or name another folder with {FOLDER_VARIABLE}"
        ) from error
    logs = []
    living = {connection.log for connection in list_connections()}
    for entry in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            if str(entry) not in living:
                logs.append((entry.stat().st_mtime, entry))
    for _, old in sorted(logs)[:-_KEPT_LOGS]:
        with contextlib.suppress(OSError):
            old.unlink()
    return path


def launch(
    command: Sequence[str],
    *,
    detached: bool,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> Launched:
    """Start a server's process, its output going to a log file.

    Either way it has a session of its own (on Windows a process group), so that Ctrl-C in the
    terminal ends the pipeline and not the viewer half way. A detached one outlives this process.
    Another finds this one's identity in its environment and is to die with it: it calls
    `die_with_parent` with `launching_parent`.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; no shell reads them.
    detached : bool
        Whether it outlives this process.
    log : Path
        Appended to; made with mode 0600.
    env : mapping of str to str, optional
        Added to this process's environment.

    Raises
    ------
    LaunchError
        When the program or the log cannot be opened.
    """
    environment = {**os.environ, **(env or {})}
    environment.pop(PARENT_VARIABLE, None)
    me = identify()
    if not detached and me is not None:
        environment[PARENT_VARIABLE] = f"{me.pid}:{me.start_time!r}"
    try:
        descriptor = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "ab") as output:
            process = _popen(command, environment, output.fileno(), detached=detached)
    except (OSError, ValueError) as error:
        raise LaunchError(f"cannot start {' '.join(command)!r}: {error}") from error
    logger.debug("launched %s as pid %d, log %s", command, process.pid, log)
    return Launched(process, log)


def wait_ready(
    launched: Launched,
    launch_id: str,
    timeout: float,
    state: State | None = "ready",
) -> Connection:
    """Wait until a launched server's connection file is there and its `Pong` says `state`.

    Parameters
    ----------
    launched : Launched
        The process.
    launch_id : str
        What the server was told to write into its connection file.
    timeout : float
        Seconds.
    state : str or None, default "ready"
        None: any state will do, the server answers.

    Raises
    ------
    LaunchError
        When the process ends, or is not ready in time (it is then left running). Says what was
        seen last, and the end of the log.
    """
    deadline = time.monotonic() + timeout
    seen = "it wrote no connection file"
    while True:
        # Asked first: a server that is ready and then ends was not there to be found.
        status = launched.poll()
        for connection in list_connections():
            if connection.launch_id == launch_id:
                pong, seen = _try_ping(connection, deadline)
                if pong is not None and state in (None, pong.state):
                    return connection
        left = deadline - time.monotonic()
        if status is not None:
            raise _launch_error(f"ended with {_exit_words(status)} before it was ready", launched)
        if left <= 0:
            # What was left of a caller's deadline is no round number.
            given = f"{round(timeout, 1):g}"
            raise _launch_error(f"was not ready within {given} s ({seen})", launched)
        launched.wait(min(_LOOK_AGAIN, left))


def stop(connection: Connection, *, timeout: float = 5.0, force: bool = False) -> None:
    """Stop a server and take its connection file away: Shutdown, then terminate, then kill.

    Parameters
    ----------
    connection : Connection
        The server. Only its very process is signalled, never another with its pid; a guest, and
        a server in this process, is only asked.
    timeout : float, default 5.0
        Seconds for each rung.
    force : bool, default False
        Kill at once, but for those that are only asked.

    Raises
    ------
    StopError
        When it is still there after the last rung.
    """
    # Its process is its user's own work, or ours: to end that is nobody's here.
    only_asked = connection.guest or connection.pid == os.getpid()
    if (only_asked or not force) and is_serving(connection):
        deadline = time.monotonic() + timeout
        try:
            request(connection.endpoint, Shutdown(), Done, timeout=timeout)
        except TransportError as error:
            logger.info("%s does not take Shutdown: %s", connection, error)
        if _wait_stopped(connection, deadline):
            return
    if not only_asked:
        for rung in (_KILL,) if force else _RUNGS:
            if not is_alive(connection.identity):
                break
            logger.warning("%s is still there: %s", connection, rung.name)
            _signal(connection.identity, rung)
            if _wait_stopped(connection, time.monotonic() + timeout):
                break
    if is_serving(connection):
        if connection.guest:
            raise StopError(
                f"{connection} did not stop listening within {timeout:g} s; it is part of a "
                "program of its user's, which is not ended from here: close it there"
            )
        raise StopError(
            f"{connection} is still there after Shutdown, terminate and kill of {timeout:g} s "
            "each: it belongs to another user, hangs in the system, or is this very process"
        )
    remove(connection)


def _wait_stopped(connection: Connection, deadline: float) -> bool:
    pause = threading.Event()
    while is_serving(connection):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        pause.wait(min(_LOOK_AGAIN, left))
    remove(connection)
    return True


def _signal(identity: Identity, number: signal.Signals) -> None:
    """Send a signal to that very process, or to none."""
    descriptor = open_pidfd(identity.pid)
    try:
        # Verified after the descriptor was opened, which pins the process: where there is one,
        # the pid cannot become another's before the signal.
        if identify(identity.pid) != identity:
            return
        if sys.platform == "linux" and descriptor is not None:
            signal.pidfd_send_signal(descriptor, number)
        else:
            psutil.Process(identity.pid).send_signal(number)
    except (OSError, psutil.Error) as error:
        logger.debug("process %d took no signal: %s", identity.pid, error)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _popen(
    command: Sequence[str], environment: Mapping[str, str], output: int, *, detached: bool
) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        flags |= subprocess.DETACHED_PROCESS if detached else subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        creationflags=flags,
        start_new_session=sys.platform != "win32",
    )


def _try_ping(connection: Connection, deadline: float) -> tuple[Pong | None, str]:
    left = max(_LOOK_AGAIN, min(1.0, deadline - time.monotonic()))
    try:
        pong = ping(connection.endpoint, left)
    except TransportError as error:
        return None, str(error)
    return pong, f"its state was {pong.state!r}"


def _exit_words(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-status).name}"
    return f"signal {-status}"


def _launch_error(what: str, launched: Launched) -> LaunchError:
    tail = launched.log_tail() or _empty_words(launched.log)
    return LaunchError(f"pid {launched.pid} {what}; the end of {launched.log}:\n{tail}")


def _empty_words(log: Path) -> str:
    """Say that a log is empty, and why, where it is the disk that took nothing."""
    try:
        free = shutil.disk_usage(log.parent).free
    except OSError as error:
        return f"(it cannot be read: {error})"
    if free >= _LEAST_SPACE:
        return "(empty)"
    return (
        f"(empty: {os.strerror(errno.ENOSPC)} of {log.parent}, and a viewer needs a little; "
        f"free some space, or name another folder with {FOLDER_VARIABLE})"
    )
