"""An error in one line, as a person at a terminal reads it; ``--verbose`` logs the rest."""

from __future__ import annotations

import re

from coverslip.transport import LaunchError

__all__ = ["in_one_line"]

_OWN_WORDS = re.compile(r"^coverslip \w+ viewer: ", re.MULTILINE)
"""How a viewer's process begins the line that says why it could not start."""


def in_one_line(error: BaseException) -> str:
    """Return what an error says, without line breaks and error numbers."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, LaunchError):
        text = _why_not_started(str(error))
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__


def _why_not_started(text: str) -> str:
    """Pick from the tail of a viewer's log its own words, or else its last line."""
    what, _, tail = text.partition("\n")
    own = list(_OWN_WORDS.finditer(tail))
    if own:
        return f"the viewer did not start: {tail[own[-1].end() :]}"
    return f"the viewer did not start: {what} {tail.rpartition(chr(10))[2]}"
