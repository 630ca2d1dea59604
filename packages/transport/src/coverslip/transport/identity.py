"""Which process that is: a pid and when it started, so that a pid used again is another process.

Only reads: what signals a process is `process`.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path
from typing import Final

import msgspec
import psutil

__all__ = ["Identity", "describe_process", "identify", "is_alive", "open_pidfd", "wait_gone"]

_LOOK_AGAIN: Final = 0.25


class Identity(msgspec.Struct, frozen=True):
    """One process for all time.

    Parameters
    ----------
    pid : int
        Process id.
    start_time : float
        When it started. On Linux clock ticks since boot, which a jump of the clock cannot move;
        elsewhere seconds since the epoch. Compare it, do not compute with it.
    """

    pid: int
    start_time: float


def identify(pid: int | None = None) -> Identity | None:
    """Return the identity of a living process (default: this one), or None.

    A zombie is dead: it holds nothing, and only its parent can take its pid away. None, too, where
    the system does not tell.
    """
    try:
        return _look(os.getpid() if pid is None else pid)
    except OSError:
        return None


def is_alive(identity: Identity) -> bool:
    """Say whether that very process is alive, not another with its pid.

    Without a descriptor left to look with, any process of that pid counts as it, since a living one
    must not be given up for that. Before signalling, use `identify`, which is sure or says None.
    """
    try:
        return _look(identity.pid) == identity
    except OSError:
        return Path(f"/proc/{identity.pid}").exists()


def wait_gone(identity: Identity) -> None:
    """Wait, for as long as it takes, until a process has ended."""
    descriptor = open_pidfd(identity.pid)
    if sys.platform == "linux" and descriptor is not None:
        try:
            if is_alive(identity):
                # poll, not select, which takes no descriptor above 1023.
                gone = select.poll()
                gone.register(descriptor, select.POLLIN)
                gone.poll()
        finally:
            os.close(descriptor)
    pause = threading.Event()
    while is_alive(identity):
        pause.wait(_LOOK_AGAIN)


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that stands for a process; None where there is none to be had.

    That is elsewhere than on Linux, on kernels before 5.3, in a Python built against headers of
    such a kernel, and when the process is gone.
    """
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def describe_process(pid: int) -> str:
    """Return ``pid 12 (python -m http.server)``, as far as this user may know."""
    try:
        process = psutil.Process(pid)
        words = process.name()
        # A stranger's command line may carry anything: shortened, and only for people to read.
        words = " ".join(process.cmdline())[:120] or words
    except psutil.Error:
        words = "?"
    return f"pid {pid} ({words})"


def _look(pid: int) -> Identity | None:
    start_time = _start_time_linux(pid) if sys.platform == "linux" else _start_time(pid)
    return None if start_time is None else Identity(pid, start_time)


def _start_time_linux(pid: int) -> float | None:
    """Return ticks, None without such a process. Raises OSError when that cannot be looked up."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name is in parentheses and may itself hold spaces and parentheses: proc(5).
    fields = text.rpartition(")")[2].split()
    if not fields or fields[0] in "ZXx":
        return None
    return float(fields[19])


def _start_time(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return float(process.create_time())
    except psutil.Error:
        return None
