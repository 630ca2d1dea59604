"""``python -m coverslip.viewers.napari``: the process that a `NapariStreamVisualizer` starts."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Sequence

from coverslip.viewers.entry import run_viewer, viewer_parser
from coverslip.viewers.errors import NotInstalled
from coverslip.viewers.napari.server import NapariViewerServer

_REMEDY = 'pip install "coverslip-viewers[napari]"'


def main(
    arguments: Sequence[str] | None = None, server: type[NapariViewerServer] = NapariViewerServer
) -> int:
    """Run a napari viewer, or one that adds to it; return the exit status as `run_viewer` says."""
    parser = viewer_parser(
        server,
        prog="python -m coverslip.viewers.napari",
        description="A napari window that shows what coverslip streams send.",
    )
    return run_viewer(server, parser.parse_args(arguments), prepare=_prepare)


def _prepare() -> None:
    """Quieten what others log, and look for napari without importing it, which takes seconds.

    Raises
    ------
    NotInstalled
        It is missing, or Qt is.
    """
    # vispy writes its lines itself: once is enough.
    logging.getLogger("vispy").propagate = False
    # What napari's dependencies deprecate among themselves is not for a user's log.
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    if importlib.util.find_spec("napari") is None:
        raise NotInstalled(f"napari is not installed: {_REMEDY}")
    bindings = ("PyQt6", "PySide6", "PyQt5", "PySide2")
    if not any(importlib.util.find_spec(name) for name in bindings):
        raise NotInstalled(f"napari needs a Qt binding and there is none: {_REMEDY}")


if __name__ == "__main__":
    sys.exit(main())
