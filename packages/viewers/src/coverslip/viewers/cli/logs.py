"""``coverslip logs``: the end of a viewer's log, and what is added to it."""

from __future__ import annotations

import os
import threading
from collections import deque
from io import BufferedReader
from pathlib import Path
from typing import Final

import typer

from coverslip.transport import Connection, Identity, NoServer, is_alive
from coverslip.viewers.cli import report
from coverslip.viewers.cli.servers import one_on

__all__ = ["run_logs"]

_LOOK_AGAIN: Final = 0.25
"""Seconds between two looks at a log that is followed."""

_LARGEST: Final = 1 << 20
"""Bytes of a log that are looked at for its last lines."""


def run_logs(port: int, lines: int, *, follow: bool = False, as_json: bool = False) -> None:
    """Print the last lines of a viewer's log, and with `follow` what comes until it ends.

    Raises
    ------
    coverslip.transport.TransportError
        No viewer of this user is on that port, or nobody gave it a log.
    OSError
        The log cannot be read.
    """
    connection = one_on(port)
    if connection.log is None:
        raise NoServer(f"{connection} has no log: what started it shows what it says")
    with Path(connection.log).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LARGEST))
        last = [line.decode(errors="replace") for line in deque(log, maxlen=lines)]
        if as_json:
            told = [line.rstrip("\r\n") for line in last]
            report.print_json({"port": port, "log": str(connection.log), "lines": told})
            return
        typer.echo("".join(last), nl=False)
        if follow:
            _follow(connection, log)


def _follow(connection: Connection, log: BufferedReader) -> None:
    viewer = Identity(connection.pid, connection.start_time)
    pause = threading.Event()  # Ctrl-C ends a wait for it on every system
    running = True
    while running:
        # Asked first: what it says at its end is printed too.
        running = is_alive(viewer)
        while line := log.readline():
            typer.echo(line.decode(errors="replace"), nl=False)
        pause.wait(_LOOK_AGAIN)
