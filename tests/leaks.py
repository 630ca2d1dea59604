"""What a test may leave behind: nothing.

One :class:`Footprint` is taken before a test and one after it; what is new is reported as text.
Things end in their own time (a joined thread's stack, a child being reaped), so the comparison is
repeated until it is clean or a deadline has passed. It reads `/proc`, so files, mappings and
processes are compared on Linux only; threads and widgets everywhere.

Leaves it to `conftest.py` to say when, and stays within the standard library: it also runs in the
environments that hold one package alone.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRACE = 5.0
"""Seconds that a thread, a file or a process is given to be gone."""

SESSION_VARIABLE = "COVERSLIP_TEST_SESSION"
"""Set to one value a session: whatever is launched inherits it, however far it detaches."""

_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Footprint:
    """What this process holds at one moment, each kind as a multiset of descriptions."""

    threads: Counter[str]
    files: Counter[str]
    processes: Counter[str]
    segments: Counter[str]
    widgets: Counter[str]

    def beyond(self, before: Footprint, allowed: frozenset[str]) -> dict[str, list[str]]:
        """Return what is here and was not in `before`, by kind, without the `allowed` kinds."""
        found = {}
        for kind in ("threads", "files", "processes", "segments", "widgets"):
            if kind not in allowed:
                more = getattr(self, kind) - getattr(before, kind)
                if more:
                    found[kind] = sorted(more.elements())
        return found


def footprint() -> Footprint:
    """Take stock of this process and its children."""
    return Footprint(
        threads=Counter(_thread_name(thread) for thread in threading.enumerate()),
        files=Counter(_open_files()),
        processes=Counter(_processes()),
        segments=Counter(_segments()),
        widgets=Counter(_widgets()),
    )


def left_behind(before: Footprint, allowed: frozenset[str]) -> dict[str, list[str]]:
    """Return what is new since `before` and still there when the grace is over."""
    found = footprint().beyond(before, allowed)
    deadline = time.monotonic() + GRACE
    nothing = threading.Event()
    while found and time.monotonic() < deadline:
        gc.collect()
        _delete_widgets_later()
        nothing.wait(0.02)
        found = footprint().beyond(before, allowed)
    return found


def _thread_name(thread: threading.Thread) -> str:
    return f"{thread.name}{' (daemon)' if thread.daemon else ''}"


def _open_files() -> list[str]:
    """Describe this process's file descriptors, libraries' own devices left out."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return []
    tracker = _resource_tracker()
    found = []
    for entry in os.listdir(folder):
        try:
            target = os.readlink(folder / entry)  # noqa: PTH115 (a socket's name is no path)
        except OSError:  # the descriptor of the listing itself
            continue
        if int(entry) == tracker[0] or _kept_by_a_library(target):
            continue
        # A socket's or pipe's number is new each time: what counts is how many there are.
        found.append(target.partition(":[")[0] if ":[" in target else target)
    return found


def _kept_by_a_library(target: str) -> bool:
    """Tell what a library opens once and keeps for the life of the process: no leak of ours."""
    if target.startswith("/memfd:"):
        return "coverslip" not in target
    return target.startswith(("/dev/", "/proc/", "/sys/")) and not target.startswith("/dev/shm/")


def _processes() -> list[str]:
    """Describe the children, and whatever else was launched from this session."""
    if not Path("/proc/self").is_dir():
        return []
    me, tracker = os.getpid(), _resource_tracker()[1]
    session = os.environ.get(SESSION_VARIABLE)
    mark = f"{SESSION_VARIABLE}={session}\0".encode() if session else None
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in (me, tracker):
            continue
        process = Path("/proc", entry)
        try:
            fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
            ours = int(fields[1]) == me
            if not ours and mark:
                ours = mark in (process / "environ").read_bytes()
            if ours:
                found.append(f"{(process / 'comm').read_text().strip()} ({entry})")
        except (OSError, IndexError):  # gone meanwhile, or another user's
            continue
    return found


def _segments() -> list[str]:
    """List coverslip's shared memory: files in /dev/shm, and mappings of this process."""
    found = []
    if _SHARED_MEMORY.is_dir():
        found += [entry for entry in os.listdir(_SHARED_MEMORY) if "coverslip" in entry]
    maps = Path("/proc/self/maps")
    if maps.is_file():
        for line in maps.read_text(errors="replace").splitlines():
            if "coverslip" in line and ("/memfd:" in line or "/dev/shm/" in line):
                found.append(line.split(maxsplit=5)[-1])
    return found


def _qt_widgets() -> Any:
    return sys.modules.get("PyQt6.QtWidgets")


def _widgets() -> list[str]:
    """Describe Qt's top-level widgets, when Qt runs in this process at all."""
    qt = _qt_widgets()
    if qt is None or qt.QApplication.instance() is None:
        return []
    return [
        f"{type(widget).__name__} {widget.objectName() or widget.windowTitle()!r}"
        for widget in qt.QApplication.topLevelWidgets()
    ]


def _delete_widgets_later() -> None:
    """Let Qt do the deletions that it has put off."""
    qt = _qt_widgets()
    core = sys.modules.get("PyQt6.QtCore")
    if qt is not None and core is not None and qt.QApplication.instance() is not None:
        core.QCoreApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete)
        qt.QApplication.processEvents()


def _resource_tracker() -> tuple[int | None, int | None]:
    """Return the descriptor and the pid of multiprocessing's tracker: one a process, kept."""
    module: Any = sys.modules.get("multiprocessing.resource_tracker")
    if module is None:
        return None, None
    tracker = module._resource_tracker
    return tracker._fd, tracker._pid
