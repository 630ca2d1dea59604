"""Waiting for what another thread or process does: looked at again and again, with a deadline.

The one such loop of the tests. Standard library only, since the environments that hold one package
alone load it too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 20.0
"""Seconds; generous, since it is only ever spent by a test that fails."""

_pause = threading.Event()


def eventually(condition: Callable[[], T], what: str, timeout: float = DEADLINE) -> T:
    """Return the condition's first true value; fail when there is none before the deadline."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        _pause.wait(0.005)
    return value
