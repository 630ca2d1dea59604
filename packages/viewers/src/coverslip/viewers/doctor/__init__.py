"""What stands between a user and a window: looked at piece by piece, each with what to do.

Every check works without any extra installed, and none opens a window. `examine` runs them all;
what one viewer needs is asked of that viewer (`napari.health`, `fiji.health`), where its toolkit
may be imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

from coverslip.viewers.doctor.finding import Finding, State, worst
from coverslip.viewers.doctor.machine import check_display, check_runtime_folder, check_sharing
from coverslip.viewers.doctor.packages import check_packages
from coverslip.viewers.doctor.ports import check_ports
from coverslip.viewers.fiji.health import check_imagej, check_java
from coverslip.viewers.napari.health import check_opengl, check_qt

__all__ = ["CHECKS", "Finding", "State", "examine", "worst"]

logger = logging.getLogger(__name__)

CHECKS: Final[tuple[tuple[str, Callable[[], Iterator[Finding]]], ...]] = (
    ("display", check_display),
    ("Qt", check_qt),
    ("OpenGL", check_opengl),
    ("Java", check_java),
    ("ImageJ", check_imagej),
    ("shared memory", check_sharing),
    ("runtime folder", check_runtime_folder),
    ("ports", check_ports),
    ("packages", check_packages),
)
"""Each check by the name of what it looks at, in the order that they are best read in."""


def examine() -> Iterator[Finding]:
    """Yield what each check finds; one that breaks is a finding too."""
    for name, check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            logger.debug("the check of %s", name, exc_info=True)
            yield Finding(
                name,
                State.FAIL,
                f"could not be looked at: {type(error).__name__}: {error}",
                "report it, with what `coverslip --verbose doctor` says",
            )
