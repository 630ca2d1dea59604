"""Processes that the tests start and kill, and what the system knows of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

from coverslip.viewers import StreamVisualizer

__all__ = ["Pipeline", "arenas_of", "frozen", "log_of", "usage"]


class Pipeline:
    """A pipeline of `tests.faults.pipelines` in a session of its own; killed when the block ends.

    Parameters
    ----------
    name : str
        Which.
    port : int
        The viewer's.
    """

    def __init__(self, name: str, port: int | None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.pipelines", name, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def hear(self) -> list[str]:
        """Return the next line that it says, in words."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def go_on(self) -> None:
        """Let it go on that waits for a word."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """Kill it, and nobody else."""
        self._process.kill()
        self._process.wait(20)

    def kill_group(self) -> None:
        """Kill it and all that it started in its session."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(20)

    def wait(self) -> int:
        """Wait for its end and return its status."""
        return self._process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill_group()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def arenas_of(pid: int) -> int:
    """Return how many mappings of arenas a process has."""
    return Path(f"/proc/{pid}/maps").read_text(errors="replace").count("memfd:coverslip-arena")


def usage(pid: int) -> tuple[int, int]:
    """Return how many threads and descriptors a process has."""
    process = psutil.Process(pid)
    return process.num_threads(), process.num_fds()


def log_of(viewer: StreamVisualizer) -> str:
    """Return what a viewer has logged so far."""
    assert viewer.connection.log is not None
    return Path(viewer.connection.log).read_text()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process within the block, as `kill -STOP` does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
