"""Makes the tutorial's pictures by running the tutorial: ``python docs/pictures.py``.

It is run as it stands, in order, under a display of its own; each line that promises what it
prints (``# …`` behind a ``print``) is held to it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from snippets import run_page

__all__ = ["main"]

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "tutorial.md"
MADE = DOCS / "images" / "made"


def main() -> int:
    """Run the tutorial under Xvfb, with viewers of its own, and end them."""
    from coverslip.transport import list_connections, stop
    from coverslip.viewers.cli.xvfb import VirtualDisplay

    MADE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as runtime, VirtualDisplay():
        os.environ["COVERSLIP_RUNTIME_DIR"] = runtime
        try:
            with contextlib.chdir(MADE):
                run_page(PAGE)
        finally:
            for connection in list_connections():
                stop(connection)
    return 0


if __name__ == "__main__":
    sys.exit(main())
