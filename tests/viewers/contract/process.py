"""A viewer's process by itself, as a terminal or a launcher has it: no visualizer in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from coverslip.transport import Connection, launch, new_launch_id, wait_ready
from tests.viewers.contract.subject import START

__all__ = ["ViewerProcess", "run_viewer_process"]

END = 30.0
"""Seconds for a process to end once it was asked to."""


class ViewerProcess:
    """A viewer that is starting, detached, with its log in `folder`."""

    def __init__(self, module: str, folder: Path, port: int, *arguments: str) -> None:
        self.launch_id = new_launch_id()
        own = ["--port", str(port), "--launch-id", self.launch_id]
        self.launched = launch(
            [sys.executable, "-m", module, *own, *arguments],
            detached=True,
            log=folder / "viewer.log",
        )

    def wait(self, state: Any = "ready") -> Connection:
        """Wait until it answers, in a state or (None) in any."""
        return wait_ready(self.launched, self.launch_id, START, state=state)

    def signal(self, *numbers: signal.Signals) -> None:
        """Send signals to it, one right after the other."""
        for number in numbers:
            os.kill(self.launched.pid, number)

    def ended(self) -> int:
        """Wait for its end and return its exit status."""
        status = self.launched.wait(END)
        assert status is not None, self.launched.log_tail()
        return status

    def end(self) -> None:
        """Kill it if it is still there."""
        if self.launched.poll() is None:
            self.signal(signal.SIGKILL)
            self.launched.wait(END)


def run_viewer_process(
    module: str, *arguments: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a viewer that is to fail at once."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
        cwd=folder,
    )
