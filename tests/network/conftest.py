"""A pipeline and a viewer on two machines of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.network.links import THERE, Link, why_not

DEADLINE = 60.0


class Remote:
    """A viewer there and a pipeline here, which does as it is told."""

    def __init__(self, link: Link, host: str = THERE) -> None:
        self.link = link
        self.host = host
        self.viewer = self.start_viewer()
        self.line = read_line_of(self.viewer)
        self.pipeline = link.here(sys.executable, "-m", "tests.network.pipeline")

    def start_viewer(self) -> subprocess.Popen[str]:
        """Start a headless viewer there."""
        module = ("-m", "tests.viewers.headless", "--host", self.host, "--port", "5555", "--say")
        return self.link.there(sys.executable, *module)

    def tell(self, *call: object) -> None:
        """Have the pipeline do something, without waiting."""
        assert self.pipeline.stdin is not None
        self.pipeline.stdin.write(json.dumps(call) + "\n")

    def answer(self, timeout: float = DEADLINE) -> dict[str, Any]:
        """Wait for what the pipeline says of it."""
        found: dict[str, Any] = json.loads(_readline(self.pipeline, timeout))
        return found

    def ask(self, *call: object, timeout: float = DEADLINE) -> dict[str, Any]:
        """Have the pipeline do something, and wait."""
        self.tell(*call)
        return self.answer(timeout)


def read_line_of(viewer: subprocess.Popen[str]) -> str:
    """Return the line that a viewer prints once it is bound."""
    return _readline(viewer, DEADLINE).strip()


def _readline(process: subprocess.Popen[str], timeout: float) -> str:
    stdout = process.stdout
    assert stdout is not None
    timer = threading.Timer(timeout, process.kill)
    timer.start()
    try:
        line: str = stdout.readline()
    finally:
        timer.cancel()
        timer.join()
    assert line, f"it ended, or said nothing within {timeout:g} s"
    return line


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, with words, where no machines can be made."""
    reason = why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def link(namespaces: None) -> Iterator[Link]:
    """Two machines and a cable of 1 Gbit/s."""
    with Link() as made:
        yield made


@pytest.fixture
def remote(link: Link, runtime_folder: Path) -> Remote:
    """A headless viewer there, a pipeline here."""
    return Remote(link)
