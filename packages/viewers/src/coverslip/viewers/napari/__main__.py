"""``python -m coverslip.viewers.napari``: the process that a `NapariStreamVisualizer` starts."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
from collections.abc import Sequence

from coverslip.transport import TransportError
from coverslip.viewers.display import require_display
from coverslip.viewers.ending import end_with_parent
from coverslip.viewers.errors import NotInstalled, ViewerError
from coverslip.viewers.napari.server import NapariViewerServer

_REMEDY = 'pip install "coverslip-viewers[napari]"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a viewer until it is stopped.

    Returns
    -------
    int
        Exit status: 0 after a stop or a closed window, 1 when it could not start; then the
        reason is one line on standard error.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("coverslip").setLevel(options.log_level)
    # vispy writes its lines itself: once is enough.
    logging.getLogger("vispy").propagate = False
    # What napari's dependencies deprecate among themselves is not for a user's log.
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    try:
        require_display()
        _require_napari()
        server = NapariViewerServer(
            port=options.port,
            host=options.host,
            title=options.title,
            launch_id=options.launch_id,
            log=options.log,
        )
        end_with_parent(server)
        server.run()
    except (ViewerError, TransportError) as error:
        sys.stderr.write(f"coverslip napari viewer: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coverslip.viewers.napari",
        description="A napari window that shows what coverslip streams send.",
    )
    parser.add_argument("--port", type=int, help="data port (default: first free from 5555)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (default: %(default)s)"
    )
    parser.add_argument("--title", help="the window's title")
    parser.add_argument("--launch-id", default="", help="what the launcher knows this process by")
    parser.add_argument(
        "--log", help="the log file that standard error goes to, for others to find"
    )
    parser.add_argument("--log-level", default="INFO", help="(default: %(default)s)")
    return parser


def _require_napari() -> None:
    """Look for napari without importing it, which takes seconds.

    Raises
    ------
    NotInstalled
        It is missing, or Qt is.
    """
    if importlib.util.find_spec("napari") is None:
        raise NotInstalled(f"napari is not installed: {_REMEDY}")
    bindings = ("PyQt6", "PySide6", "PyQt5", "PySide2")
    if not any(importlib.util.find_spec(name) for name in bindings):
        raise NotInstalled(f"napari needs a Qt binding and there is none: {_REMEDY}")


if __name__ == "__main__":
    sys.exit(main())
