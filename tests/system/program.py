"""``coverslip`` as a process of its own, with its streams and its exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

__all__ = ["NO_DISPLAY", "coverslip"]

DEADLINE = 150

NO_DISPLAY = {"DISPLAY": None, "WAYLAND_DISPLAY": None, "QT_QPA_PLATFORM": None}
"""Of an environment, for `coverslip`: nowhere to open a window."""


def coverslip(
    *arguments: object,
    cwd: Path | None = None,
    under: Sequence[str] = (),
    environment: Mapping[str, str | None] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run the program, `under` another one if need be.

    Of `environment`, a variable that is None is taken out of this process's own.
    """
    # Wide, so that no line is wrapped that a test reads.
    merged = os.environ | {"COLUMNS": "300"} | dict(environment)
    return subprocess.run(
        [*under, sys.executable, "-W", "error::ResourceWarning", "-m", "coverslip.viewers"]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in merged.items() if value is not None},
    )
