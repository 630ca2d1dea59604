"""``coverslip`` in this process: what a command leaves behind, and viewers without a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from coverslip.viewers.starter import Starter
from tests.viewers.headless import HeadlessVisualizer


class Ended(NamedTuple):
    """What is left of a command."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says why nothing was begun, or why it ended badly."""
        assert self.out == ""
        assert "Traceback" not in self.err
        line = self.err.splitlines()[-1]
        assert line.startswith("coverslip: ")
        return line


Command = Callable[..., Ended]


class QuietVisualizer(HeadlessVisualizer):
    """Starts viewers that draw nothing and end with the tests, whatever a command asks for."""

    def _start(self, *arguments: Any, **options: Any) -> Starter:
        asked, self.persistent = self.persistent, False
        try:
            return super()._start(*arguments, **options)
        finally:
            self.persistent = asked
