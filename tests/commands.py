"""Commands that must succeed, with all that they said when they do not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["DEADLINE", "run"]

DEADLINE = 300
"""Seconds: environments are made, wheels are built."""


def run(*command: str | Path, **environment: str) -> str:
    """Return what a command printed; it fails the test unless its exit status is 0."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
