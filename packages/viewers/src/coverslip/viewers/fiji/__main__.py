"""``python -m coverslip.viewers.fiji``: the process that a `FijiStreamVisualizer` starts."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from coverslip.transport import TransportError
from coverslip.viewers.display import require_display
from coverslip.viewers.ending import end_with_parent
from coverslip.viewers.errors import ViewerError
from coverslip.viewers.fiji.server import FijiViewerServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a viewer until it is stopped.

    Returns
    -------
    int
        Exit status: 0 after a stop or when ImageJ was quit, 1 when it could not start; then the
        reason is one line on standard error.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("coverslip").setLevel(options.log_level)
    try:
        require_display()
        server = FijiViewerServer(
            port=options.port,
            host=options.host,
            title=options.title,
            launch_id=options.launch_id,
            log=options.log,
            fiji=options.fiji,
            heap=None if options.memory is None else int(options.memory * 2**30),
            allow_macros=options.allow_macros,
        )
        end_with_parent(server)
        server.run()
    except (ViewerError, TransportError) as error:
        sys.stderr.write(f"coverslip fiji viewer: {error}\n")
        return 1
    except Exception:
        logging.getLogger("coverslip").exception("the viewer ends")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coverslip.viewers.fiji",
        description="An ImageJ that shows what coverslip streams send.",
    )
    parser.add_argument("--port", type=int, help="data port (default: first free from 5556)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (default: %(default)s)"
    )
    parser.add_argument("--title", help="to stand in the main window's title")
    parser.add_argument(
        "--fiji",
        metavar="PATH_OR_ENDPOINT",
        help="a Fiji or ImageJ folder, or a Maven endpoint (default: COVERSLIP_FIJI, else a Fiji "
        "that is found, else what can be fetched)",
    )
    parser.add_argument(
        "--memory", type=float, metavar="GIB", help="of the Java heap (default: half of all)"
    )
    parser.add_argument(
        "--allow-macros", action="store_true", help="run the macros that clients send"
    )
    parser.add_argument("--launch-id", default="", help="what the launcher knows this process by")
    parser.add_argument(
        "--log", help="the log file that standard error goes to, for others to find"
    )
    parser.add_argument("--log-level", default="INFO", help="(default: %(default)s)")
    return parser


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
