"""The machine: a display, memory that processes can share, a folder for keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import psutil

from coverslip.payload import Arena, PayloadError, encode_offer
from coverslip.transport import TransportError, runtime_folder
from coverslip.viewers.display import find_display
from coverslip.viewers.doctor.finding import Finding, State
from coverslip.viewers.words import format_size

__all__ = ["check_display", "check_runtime_folder", "check_sharing"]

_NEIGHBOUR: Final = """
import sys
from coverslip.payload import ArenaReader, decode_offer
ArenaReader.open(decode_offer(bytes.fromhex(sys.argv[1]))).close()
"""
_PATIENCE = 60.0
_SCARCE = 1 << 30
"""Bytes of free memory below which planes are soon dropped."""


def check_display() -> Iterator[Finding]:
    """Look for a display to open windows on."""
    found, reason = find_display()
    if found is None:
        yield Finding(
            "display",
            State.FAIL,
            reason,
            "put `xvfb-run -a` before the command (Debian, Ubuntu: apt-get install xvfb), or show "
            "on another machine's screen: start the viewer there",
        )
    else:
        yield Finding("display", State.OK, found)


def check_sharing() -> Iterator[Finding]:
    """Have another process open an arena and prove it, the way a viewer does."""
    name = "shared memory"
    try:
        with Arena(1 << 20, lanes=1) as arena:
            kind = type(arena.address).__name__.removesuffix("Address").lower()
            reason = _why_not_elsewhere(arena)
    except (PayloadError, OSError) as error:
        yield Finding(name, State.FAIL, str(error), "free some memory, or raise its limit")
        return
    free = psutil.virtual_memory().available
    room = f"{kind}; {format_size(free)} of memory free"
    if reason:
        yield Finding(
            name,
            State.WARN,
            f"{room}; another process cannot open it: {reason}",
            "planes are sent through the socket instead, at half the speed; let processes of this "
            "user see each other's /proc (hidepid, a sandbox or seccomp may forbid it)",
        )
    elif free < _SCARCE:
        yield Finding(name, State.WARN, room, "planes travel inline when it is full: free some")
    else:
        yield Finding(name, State.OK, f"{room}; opened by another process")


def _why_not_elsewhere(arena: Arena) -> str:
    """Return why a process of its own cannot open this arena; empty when it can."""
    offer = encode_offer(arena.offer(0))
    try:
        neighbour = subprocess.run(
            [sys.executable, "-c", _NEIGHBOUR, offer.hex()],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_PATIENCE:.0f} s"
    if neighbour.returncode == 0:
        return ""
    return (neighbour.stderr.strip().splitlines() or [f"status {neighbour.returncode}"])[-1]


def check_runtime_folder() -> Iterator[Finding]:
    """Look at the folder of connection files, which hold the keys."""
    name = "runtime folder"
    try:
        folder = runtime_folder()
    except TransportError as error:
        yield Finding(name, State.FAIL, str(error), "name another one in COVERSLIP_RUNTIME_DIR")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            name,
            State.FAIL,
            f"{folder} cannot be written to",
            "name another one in COVERSLIP_RUNTIME_DIR",
        )
    else:
        yield Finding(name, State.OK, str(folder))
