"""``python -m coverslip.viewers.relay``: the relay's process."""

from __future__ import annotations

import argparse
import sys

from coverslip.transport import TransportError
from coverslip.viewers.memory.budget import size_argument
from coverslip.viewers.relay.process import run_relay


def main() -> int:
    """Run a relay until it is stopped; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m coverslip.viewers.relay",
        description="Takes planes from pipelines and passes them on to viewers that fetch them.",
    )
    parser.add_argument("--port", type=int, help="data port (default: first free from 5570)")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument("--title", help="what it is called in lists")
    parser.add_argument("--memory", type=size_argument, metavar="SIZE", help="such as 2GiB")
    parser.add_argument("--disk", type=size_argument, metavar="SIZE", help="such as 100GiB")
    parser.add_argument("--launch-id", default="", help="what the launcher knows this process by")
    parser.add_argument("--log", help="the log file that standard error goes to")
    options = parser.parse_args()
    try:
        run_relay(**vars(options))
    except TransportError as error:
        sys.stderr.write(f"coverslip relay: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
