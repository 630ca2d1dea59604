"""``python -m benchmarks [planes] [napari] [fiji] [--rounds N]``: tables, as ratios of one run."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from benchmarks import planes
from benchmarks.planes import Measured

console = Console(width=110)


def main(arguments: list[str]) -> int:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=["planes", "napari", "fiji", []], help="default: all"
    )
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown")
    options = parser.parse_args(arguments)
    parts = options.parts or ["planes", "napari", "fiji"]
    if "planes" in parts:
        for edge, count in ((2048, 200), (256, 4000)):
            planes_table(edge, count, options.rounds)
        latency_table()
    if "napari" in parts:
        from benchmarks.napari_cost import napari_table

        napari_table(console)
    if "fiji" in parts:
        from benchmarks.fiji_cost import fiji_table

        fiji_table(console, options.rounds)
    return 0


def planes_table(edge: int, count: int, rounds: int) -> None:
    """Print rates, holds and CPU beside memcpy; rounds are interleaved, so drift is shared."""
    ways: dict[str, Callable[[], Measured]] = {
        "memcpy, reused memory": lambda: planes.memcpy(edge, count),
        "memcpy, fresh huge pages": lambda: planes.memcpy(edge, count, fresh=True),
        "a fresh segment an image": lambda: planes.segments(edge, count),
        "two slots and a pipe, bare": lambda: planes.handoff(edge, count),
        "inline over ipc": lambda: planes.inline(edge, count, "ipc"),
        "inline over TCP": lambda: planes.inline(edge, count, "tcp"),
        "ours, copied in": lambda: planes.copied_in(edge, count),
        "ours, copied in, all kept": lambda: planes.copied_in(edge, count, keep=True),
        "ours, np.add and copied in": lambda: planes.computed(edge, count, in_place=False),
        "ours, np.add(out=allocate())": lambda: planes.computed(edge, count, in_place=True),
    }
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    usual = {
        name: Measured(*(statistics.median(column) for column in zip(*rows, strict=True)))
        for name, rows in found.items()
    }
    best = {name: min(row.seconds for row in rows) for name, rows in found.items()}
    reused = usual["memcpy, reused memory"].seconds
    fresh = usual["memcpy, fresh huge pages"].seconds
    size = edge * edge * 2
    table = Table(title=f"{count} planes of {edge} x {edge} uint16, median of {rounds} rounds")
    for heading in (
        "",
        "ms a plane",
        "GB/s",
        "of memcpy",
        "at best",
        "of fresh",
        "held ms",
        "CPU ms",
    ):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in usual.items():
        table.add_row(
            name,
            f"{row.seconds * 1e3:.3f}",
            f"{size / row.seconds / 1e9:.2f}",
            f"{reused / row.seconds:.2f}",
            f"{best['memcpy, reused memory'] / best[name]:.2f}",
            f"{fresh / row.seconds:.2f}",
            f"{row.held * 1e3:.3f}",
            f"{row.cpu * 1e3:.3f}",
        )
    console.print(table)
    gain = best["ours, np.add and copied in"] / best["ours, np.add(out=allocate())"]
    console.print(
        f"computing in place over computing and copying in, best of each: {gain:.2f} x the rate\n"
    )


def latency_table() -> None:
    """Print percentiles from `show` to the receiver's memory."""
    table = Table(title=f"from show to the receiver's memory, {planes.PACE:g} planes a second")
    for heading in ("", "p50 ms", "p99 ms", "worst ms", "show p50 ms", "x memcpy"):
        table.add_column(heading, justify="right" if heading else "left")
    for edge, count in ((256, 2000), (2048, 400)):
        copy = planes.memcpy(edge, count).seconds
        latencies, held = planes.latency(edge, count)
        found = sorted(latencies)
        show = statistics.median(held)
        table.add_row(
            f"{edge} x {edge}",
            *(
                f"{found[min(len(found) - 1, int(len(found) * part))] * 1e3:.3f}"
                for part in (0.5, 0.99, 1)
            ),
            f"{show * 1e3:.3f}",
            f"{show / copy:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
