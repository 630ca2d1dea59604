"""``python -m benchmarks [PART …] [--rounds N]``: tables, as ratios of one run."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

console = Console(width=110)

PARTS = ("planes", "napari", "shapes", "fiji", "network", "relay")


def main(arguments: list[str]) -> int:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[*PARTS, "plates", "memory", []],
        help="default: all but plates and memory, which take 3 and 15 GB of disk",
    )
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown")
    parser.add_argument("--flood", default="30GB", help="memory: how much is sent into 1 GiB")
    parser.add_argument("--wells", type=int, default=384, help="plates: how many wells it has")
    options = parser.parse_args(arguments)
    parts = options.parts or PARTS
    if "planes" in parts:
        from benchmarks.planes import latency_table, rate_table

        for edge, count in ((2048, 200), (256, 4000)):
            rate_table(console, edge, count, options.rounds)
        for edge, count in ((2048, 400), (256, 1200)):
            latency_table(console, edge, count, options.rounds)
    if "napari" in parts:
        from benchmarks.napari_cost import napari_table

        napari_table(console)
    if "shapes" in parts:
        from benchmarks.shapes_cost import shapes_table

        shapes_table(console, options.rounds)
    if "fiji" in parts:
        from benchmarks.fiji_cost import fiji_table

        fiji_table(console, options.rounds)
    if "network" in parts:
        from benchmarks.network import network_table

        network_table(console, options.rounds)
    if "relay" in parts:
        from benchmarks.relay import relay_table

        relay_table(console, options.rounds)
    if "plates" in parts:
        from benchmarks.plates import plate_table

        plate_table(console, options.wells)
    if "memory" in parts:
        from benchmarks.memory import GIB, endless_table, flood_table
        from benchmarks.scratch_formats import formats_table
        from coverslip.viewers.memory import parse_size

        formats_table(console)
        flood_table(console, parse_size(options.flood), GIB)
        endless_table(console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
