"""A headless viewer that begins to look for a port where it is told, as napari does at 5555."""

from __future__ import annotations

import os
import sys

from coverslip.viewers.entry import run_viewer, viewer_parser
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer

FIRST_PORT = "COVERSLIP_TEST_FIRST_PORT"
"""In the environment of its process."""


class ElsewhereServer(HeadlessServer):
    """Looks for a port from there on."""

    default_port = int(os.environ.get(FIRST_PORT, HeadlessServer.default_port))


class ElsewhereVisualizer(HeadlessVisualizer):
    """Starts one; its own `default_port` is to be the same."""

    module = "tests.faults.elsewhere"


if __name__ == "__main__":
    parser = viewer_parser(
        ElsewhereServer, prog="python -m tests.faults.elsewhere", description="Draws nothing."
    )
    sys.exit(run_viewer(ElsewhereServer, parser.parse_args()))
