"""A viewer's process, from its command line to its exit status; each kind's ``__main__`` is a call.

What differs between kinds stays with them: what they are made of, further options, what has to be
installed.
"""

from __future__ import annotations

import argparse
import logging
import sys
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final

from coverslip.transport import TransportError
from coverslip.viewers.descriptors import allow_descriptors
from coverslip.viewers.display import require_display
from coverslip.viewers.ending import end_with_parent, stop_on_signals
from coverslip.viewers.errors import ViewerError
from coverslip.viewers.layering import MAX_LAYERS
from coverslip.viewers.memory import size_argument
from coverslip.viewers.server import ViewerServer

__all__ = ["BREATH", "BUDGET", "IDLE", "REPAINT", "StandaloneServer", "run_viewer", "viewer_parser"]

REPAINT: Final = 0.05
"""The least seconds between the end of one repaint and the start of the next."""

BUDGET: Final = 0.02
"""Seconds of inserting in one `tick`: the rest of a repaint's 50 ms is the user's."""

IDLE: Final = 0.25
"""Seconds between two ticks while nothing comes: what comes ends it; a signal, a closed window are
noticed in it."""

BREATH: Final = 0.004
"""Seconds between two ticks while planes wait: long enough for a GUI to see to the mouse."""

_INTERRUPTED = 130
"""Exit status of a process that Ctrl-C ended, as shells count: 128 and SIGINT's number."""


class StandaloneServer(ViewerServer):
    """A viewer's server that has a process to itself. Parameters are `ViewerServer`'s."""

    needs_display: ClassVar[bool] = True
    """Whether a missing display ends it before it begins."""

    def run(self) -> None:
        """Serve and show until a stop is asked for or the user ends the viewer; main thread only.

        The sockets are bound before the viewer is opened, which takes seconds: streams attach, and
        their planes wait.

        Raises
        ------
        coverslip.viewers.ViewerError
            What the viewer is made of is missing, or cannot be opened.
        coverslip.transport.PortTaken
            The port is another program's.
        """
        try:
            self.start()
            self.live()
        finally:
            self.close()

    @abstractmethod
    def live(self) -> None:
        """Open the viewer, say ``set_state("ready")``, `tick` until `stopped`, and close it.

        Called by `run` on the main thread, while another serves. A stop may be asked for before
        the viewer is open.
        """


def viewer_parser(
    server: type[StandaloneServer], *, prog: str, description: str
) -> argparse.ArgumentParser:
    """Return a parser of what every viewer's process takes; a kind adds its own options to it."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    first = server.default_port
    parser.add_argument("--port", type=int, help=f"data port (default: first free from {first})")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (default: %(default)s)"
    )
    parser.add_argument("--title", help="the window's title")
    parser.add_argument(
        "--memory",
        type=size_argument,
        metavar="SIZE",
        help="what it may take, such as 2GiB (default: 4GiB, or half of what is free)",
    )
    parser.add_argument(
        "--max-layers",
        type=_count,
        default=MAX_LAYERS,
        metavar="N",
        help="most layers or windows that are made (default: %(default)s)",
    )
    parser.add_argument("--launch-id", default="", help="by which the launcher knows this process")
    parser.add_argument(
        "--log", help="the log file that standard error is redirected to, for others to find"
    )
    parser.add_argument(
        "--log-level",
        type=str.upper,
        choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        default="INFO",
        help="(default: %(default)s)",
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of layers: name 1 or more")
    return int(text)


def run_viewer(
    server: type[StandaloneServer],
    options: argparse.Namespace,
    *,
    prepare: Callable[[], object] | None = None,
    **further: Any,
) -> int:
    """Run a viewer until it is stopped, or until the process that launched it has died.

    Parameters
    ----------
    server : type
        What the viewer is.
    options : argparse.Namespace
        From a `viewer_parser`.
    prepare : callable, optional
        Called first: sets up what the kind needs, and raises a `ViewerError` if it is missing.
    **further
        The server's own parameters.

    Returns
    -------
    int
        Exit status: 0 after a stop or when the user ended the viewer, 1 when it could not start;
        then the reason is one line on standard error.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("coverslip").setLevel(options.log_level)
    allow_descriptors()
    try:
        if server.needs_display:
            require_display()
        if prepare is not None:
            prepare()
        viewer = server(
            port=options.port,
            host=options.host,
            title=options.title,
            launch_id=options.launch_id,
            log=options.log,
            memory=options.memory,
            max_layers=options.max_layers,
            **further,
        )
        # However early, however often: they end it cleanly.
        stop_on_signals(viewer)
        end_with_parent(viewer)
        viewer.run()
    except (ViewerError, TransportError) as error:
        sys.stderr.write(f"coverslip {server.kind} viewer: {error}\n")
        return 1
    except KeyboardInterrupt:  # before there was a server to ask
        return _INTERRUPTED
    except Exception:
        logging.getLogger("coverslip").exception("the viewer ends")
        return 1
    return 0
