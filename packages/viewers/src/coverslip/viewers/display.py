"""Whether there is a display to open a window on.

Qt aborts the process when it cannot reach its display, with a message about
plugins. So it is looked at before: by whoever starts a viewer, for an error in
the caller's terminal, and by the viewer's process itself.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from coverslip.viewers.errors import NoDisplay

__all__ = ["X_SOCKETS", "ends_with_xvfb_run", "find_display", "require_display"]

_REMEDY = "run it under `xvfb-run -a …` (Debian and Ubuntu: the package xvfb), or set DISPLAY"

X_SOCKETS = "/tmp/.X11-unix/X"
"""Where every X server listens: X11's own convention, on any machine."""

_X_PORT = 6000
_PATIENCE = 2.0


def require_display() -> str:
    """Return the display's name, or raise.

    Raises
    ------
    NoDisplay
        No display is named, or the one that is named does not answer; the
        message says which, and what to do.
    """
    found, reason = find_display()
    if found is None:
        raise NoDisplay(f"no window can be opened: {reason}; {_REMEDY}")
    return found


def find_display() -> tuple[str | None, str]:
    """Return the display that Qt would use, or None and the reason why there is none."""
    platform = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0]
    if platform in {"offscreen", "minimal"}:
        return None, f"QT_QPA_PLATFORM={platform} draws nothing, and has no OpenGL"
    if sys.platform in {"win32", "darwin"}:
        return sys.platform, ""
    wayland = os.environ.get("WAYLAND_DISPLAY")
    if wayland:
        folder = os.environ.get("XDG_RUNTIME_DIR", "")
        if _answers_unix(str(Path(folder, wayland))):
            return wayland, ""
    display = os.environ.get("DISPLAY")
    if not display:
        return None, "neither DISPLAY nor WAYLAND_DISPLAY is set"
    match = re.fullmatch(r"(?:(?P<host>[^:]*)/?)?:(?P<number>\d+)(?:\.\d+)?", display)
    if match is None:
        return None, f"DISPLAY={display!r} is not of the form host:number"
    number = int(match["number"])
    host = (match["host"] or "").rstrip("/")
    if host in {"", "unix"}:
        # The abstract socket is there even where a container hides /tmp.
        answers = _answers_unix(f"{X_SOCKETS}{number}") or _answers_unix(f"\0{X_SOCKETS}{number}")
    else:
        answers = _answers_tcp(host, _X_PORT + number)
    if answers:
        return display, ""
    return None, f"no X server answers at DISPLAY={display}"


def ends_with_xvfb_run(environment: Mapping[str, str]) -> bool:
    """Tell whether a process's display is one that ``xvfb-run`` takes away when it ends.

    It leaves no other trace than the cookie that it made, in a folder named after itself.
    """
    return "xvfb-run." in environment.get("XAUTHORITY", "")


def _answers_unix(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PATIENCE)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _answers_tcp(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except OSError:
        return False
    return True
