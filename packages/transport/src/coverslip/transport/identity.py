"""Which process that is: a pid and when it started, so that a pid used again is another process.

Only reads: what signals a process is `process`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import psutil

__all__ = ["Identity", "describe_process", "identify", "is_alive"]


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

    A zombie is dead: it holds nothing, and only its parent can take its pid away.
    """
    pid = os.getpid() if pid is None else pid
    start_time = _start_time_linux(pid) if sys.platform == "linux" else _start_time(pid)
    return None if start_time is None else Identity(pid, start_time)


def is_alive(identity: Identity) -> bool:
    """Say whether that very process is alive, not another with its pid."""
    return identify(identity.pid) == identity


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


def _start_time_linux(pid: int) -> float | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
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
