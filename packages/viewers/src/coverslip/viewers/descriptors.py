"""How many files and connections a viewer's process may have open: as many as the system lets."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

__all__ = ["allow_descriptors"]

_ENOUGH: Final = 1 << 16
"""For more streams than a server has accounts for."""


def allow_descriptors() -> None:
    """Raise this process's own limit, as Java does; for a process that is ours.

    A stream takes three: its connection, and two for its arena, which mmap keeps before Python
    3.13. Where the limit is 1024, as it is by default, and has been reached, nobody is let in.
    """
    if sys.platform == "win32":
        return
    import resource

    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if most == resource.RLIM_INFINITY else min(most, _ENOUGH)
    if limit != resource.RLIM_INFINITY and limit < wanted:
        # macOS may allow fewer than it says.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
