"""How a viewer's process ends when somebody other than a client says so: signals, a dead parent."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from coverslip.transport import ZMQServer, die_with_parent, launching_parent

__all__ = ["end_with_parent", "stop_on_signals"]

_GRACE = 10.0
"""Seconds that the window is given to close when the parent has died."""


def stop_on_signals(server: ZMQServer) -> None:
    """Have SIGINT and SIGTERM, however often, ask the server to stop; main thread only.

    For good: one that comes while the process ends must not make another exit status of it.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        server.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)


def end_with_parent(server: ZMQServer) -> None:
    """Ask the server to stop when the process that launched it has died; kill it if it does not."""

    def parent_died() -> None:
        server.request_stop()
        # A window that hangs must not outlive a pipeline that nobody can ask any more.
        timer = threading.Timer(_GRACE, os._exit, args=(1,))
        timer.daemon = True
        timer.start()

    die_with_parent(launching_parent(), parent_died)
