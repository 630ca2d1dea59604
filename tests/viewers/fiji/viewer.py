"""A Fiji viewer's process of a test's own, launched as a visualizer launches it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from coverslip.transport import Connection, wait_ready
from coverslip.transport.process import Launched, launch, new_launch_id

MODULE = "coverslip.viewers.fiji"
START = 120.0
"""Seconds: the first start on a machine fetches ImageJ."""

END = 20.0


class Viewer:
    """One ImageJ process of this test."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self.launch_id = new_launch_id()
        command = [sys.executable, "-m", MODULE, "--port", str(port)]
        self.launched: Launched = launch(
            [*command, "--launch-id", self.launch_id, *arguments],
            detached=True,
            log=folder / "viewer.log",
        )

    def wait(self, state: Any = "ready") -> Connection:
        return wait_ready(self.launched, self.launch_id, START, state=state)

    def ended(self) -> int | None:
        status = self.launched.wait(END)
        assert status is not None, self.launched.log_tail()
        return status

    def kill(self) -> None:
        """End it, if it has not ended by itself."""
        if self.launched.poll() is None:
            os.kill(self.launched.pid, signal.SIGKILL)
            self.launched.wait(END)
