"""``hatch run bench:scale``: what a plane costs each thread, and the page that comes of it."""

from __future__ import annotations

import argparse
import sys

from benchmarks.scale import costs, page


def main(arguments: list[str]) -> int:
    """Measure, unless only the page is asked for, and write docs/scale.md."""
    parser = argparse.ArgumentParser(prog="hatch run bench:scale", description=__doc__)
    parser.add_argument("--page", action="store_true", help="the page alone, from the last results")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each measurement takes")
    options = parser.parse_args(arguments)
    if not options.page:
        from tests.network.links import why_not

        if reason := why_not():
            raise SystemExit(f"costs are measured between two network namespaces: {reason}")
        costs.measure(options.seconds, print)
    page.write(costs.read())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
