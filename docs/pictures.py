"""Makes the tutorial's pictures by running the tutorial: ``python docs/pictures.py``.

Its Python is run as it stands, in order, under a display of its own; each line that promises what
it prints (``# …`` behind a ``print``) is held to it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

__all__ = ["run_page"]

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "tutorial.md"
MADE = DOCS / "images" / "made"

_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
_PROMISE = re.compile(r"^\s*print\(.*\)\s{2,}# (.*)$", re.MULTILINE)


def run_page(page: Path, folder: Path) -> None:
    """Run a page's Python in `folder`, where it leaves its pictures.

    Raises
    ------
    AssertionError
        It printed something else than the page says.
    """
    text = page.read_text(encoding="utf-8")
    code = "\n".join(_BLOCK.findall(text))
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(compile(code, str(page), "exec"), {"__name__": "__tutorial__"})  # noqa: S102 - our own page
    promised = [line.split("  ")[0] for line in _PROMISE.findall(code)]
    said = printed.getvalue().splitlines()
    assert said == promised, f"{page} promises {promised}, and prints {said}"


def main() -> int:
    """Run the tutorial under Xvfb, with viewers of its own, and end them."""
    from coverslip.transport import list_connections, stop
    from coverslip.viewers.cli.xvfb import VirtualDisplay

    MADE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as runtime, VirtualDisplay():
        os.environ["COVERSLIP_RUNTIME_DIR"] = runtime
        try:
            run_page(PAGE, MADE)
        finally:
            for connection in list_connections():
                stop(connection)
    return 0


if __name__ == "__main__":
    sys.exit(main())
