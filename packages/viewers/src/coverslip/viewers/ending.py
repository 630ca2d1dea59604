"""How a viewer's process ends when somebody other than a client says so: signals, a dead parent."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

from coverslip.transport import ZMQServer, die_with_parent, launching_parent

__all__ = ["StoppingOnSignals", "end_with_parent"]

_GRACE = 10.0
"""Seconds that the window is given to close when the parent has died."""


class StoppingOnSignals:
    """Within it SIGINT and SIGTERM, however often, ask the server to stop; main thread only."""

    def __init__(self, server: ZMQServer) -> None:
        self._server = server
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._server.request_stop()


def end_with_parent(server: ZMQServer) -> None:
    """Ask the server to stop when the process that launched it has died; kill it if it does not."""

    def parent_died() -> None:
        server.request_stop()
        # A window that hangs must not outlive a pipeline that nobody can ask any more.
        timer = threading.Timer(_GRACE, os._exit, args=(1,))
        timer.daemon = True
        timer.start()

    die_with_parent(launching_parent(), parent_died)
