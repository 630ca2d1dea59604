"""``python -m coverslip.viewers.fiji``: the process that a `FijiStreamVisualizer` starts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from coverslip.viewers.entry import run_viewer, viewer_parser
from coverslip.viewers.fiji.server import FijiViewerServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an ImageJ viewer and return the exit status, as `run_viewer` says."""
    parser = viewer_parser(
        FijiViewerServer,
        prog="python -m coverslip.viewers.fiji",
        description="An ImageJ that shows what coverslip streams send.",
    )
    parser.add_argument(
        "--fiji",
        metavar="PATH_OR_ENDPOINT",
        help="a Fiji or ImageJ folder, or a Maven endpoint (default: COVERSLIP_FIJI, else a Fiji "
        "that is found, else what can be fetched)",
    )
    parser.add_argument(
        "--allow-macros", action="store_true", help="run the macros that clients send"
    )
    options = parser.parse_args(arguments)
    return run_viewer(
        FijiViewerServer,
        options,
        fiji=options.fiji,
        allow_macros=options.allow_macros,
    )


def _end(status: int) -> NoReturn:
    """End the process, past Python's own finalization.

    There, Java's threads that come for Python's lock are ended in the middle of C++, which aborts
    the process. What was to be closed has been closed by the server.
    """
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
