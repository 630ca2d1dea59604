"""What a plane costs: rate, hold, CPU and latency, the same for every way to send it."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import ways
from benchmarks.ways import Way

__all__ = ["latency_table", "rate_table"]

PACE = 400.0
"""Planes a second where latency is measured: below what a viewer of ours can take."""

_WARM = 32
_LONGEST = 4.0
"""Seconds that a paced run may take: a way that cannot keep the pace is given up there."""

MakeWay = Callable[[], AbstractContextManager[Way]]

REUSED = "memcpy, reused memory"
FRESH = "memcpy, fresh huge pages"
COMPUTED = "ours, np.add and copied in"
IN_PLACE = "ours, np.add(out=allocate())"


class Rate(NamedTuple):
    """What one way of sending costs, as fast as it goes."""

    seconds: float
    """Per plane, from the first plane's call to the last plane in the receiver's memory."""
    held: float
    """Per plane, median time that the call held the sender."""
    cpu: float
    """CPU seconds per plane, both processes."""


class Latency(NamedTuple):
    """Seconds at `PACE` planes a second."""

    p50: float
    p99: float
    worst: float
    """From the call to the plane in the receiver's memory."""
    held: float
    """Median time in the call."""
    pace: float
    """Planes a second that were sent in fact."""


def every_way(edge: int, count: int) -> dict[str, MakeWay]:
    """Return the ways that are compared, ours last."""
    return {
        REUSED: lambda: ways.memcpy(edge),
        FRESH: lambda: ways.memcpy(edge, keep=count + _WARM),
        "a fresh segment an image": lambda: ways.segments(edge),
        "two slots and a pipe, bare": lambda: ways.handoff(edge),
        "inline over ipc": lambda: ways.inline(edge, "ipc"),
        "inline over TCP": lambda: ways.inline(edge, "tcp"),
        "ours, copied in": lambda: ways.ours(edge),
        "ours, copied in, all kept": lambda: ways.ours(edge, keep=count + _WARM),
        COMPUTED: lambda: ways.computed(edge, in_place=False),
        IN_PLACE: lambda: ways.computed(edge, in_place=True),
    }


def rate(make: MakeWay, count: int) -> Rate:
    """Send `count` planes as fast as it goes, after some to warm up."""
    with make() as way:
        for number in range(_WARM):
            way.send(number, 0)
        before = way.settle().cpu
        held = []
        began, cpu = time.monotonic_ns(), time.process_time()
        for number in range(count):
            call = time.monotonic_ns()
            way.send(number, call)
            held.append(time.monotonic_ns() - call)
        settled = way.settle()
        cpu = time.process_time() - cpu + settled.cpu - before
    return Rate((settled.last - began) / 1e9 / count, statistics.median(held) / 1e9, cpu / count)


def latency(make: MakeWay, count: int) -> Latency:
    """Send up to `count` planes at `PACE`, after some to warm up."""
    pause = threading.Event()
    held = []
    with make() as way:
        for number in range(_WARM):
            way.send(number, 0)
        way.settle()
        began = due = time.monotonic()
        for number in range(count):
            due += 1 / PACE
            pause.wait(max(0.0, due - time.monotonic()))
            call = time.monotonic_ns()
            way.send(number, call)
            held.append(time.monotonic_ns() - call)
            if time.monotonic() > began + _LONGEST:
                break
        took = time.monotonic() - began
        found = sorted(way.settle().latencies)
    p50, p99, worst = (
        found[min(len(found) - 1, int(len(found) * part))] / 1e9 for part in (0.5, 0.99, 1)
    )
    return Latency(p50, p99, worst, statistics.median(held) / 1e9, len(held) / took)


def rate_table(console: Console, edge: int, count: int, rounds: int) -> None:
    """Print rates, holds and CPU beside memcpy; rounds are interleaved, so drift is shared."""
    makers = every_way(edge, count)
    found: dict[str, list[Rate]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            found[name].append(rate(make, count))
    usual = {
        name: Rate(*(statistics.median(column) for column in zip(*rows, strict=True)))
        for name, rows in found.items()
    }
    best = {name: min(row.seconds for row in rows) for name, rows in found.items()}
    size = edge * edge * 2
    table = _table(
        f"{count} planes of {edge} x {edge} uint16, median of {rounds} rounds",
        ["ms a plane", "GB/s", "of memcpy", "at best", "of fresh", "held ms", "CPU ms"],
    )
    for name, row in usual.items():
        table.add_row(
            name,
            f"{row.seconds * 1e3:.3f}",
            f"{size / row.seconds / 1e9:.2f}",
            f"{usual[REUSED].seconds / row.seconds:.2f}",
            f"{best[REUSED] / best[name]:.2f}",
            f"{usual[FRESH].seconds / row.seconds:.2f}",
            f"{row.held * 1e3:.3f}",
            f"{row.cpu * 1e3:.3f}",
        )
    console.print(table)
    gain = best[COMPUTED] / best[IN_PLACE]
    console.print(
        f"computing in place over computing and copying in, best of each: {gain:.2f} x the rate\n"
    )


def latency_table(console: Console, edge: int, count: int, rounds: int) -> None:
    """Print percentiles from the call to the receiver's memory; the medians of the rounds."""
    makers = every_way(edge, count)
    found: dict[str, list[Latency]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            found[name].append(latency(make, count))
    table = _table(
        f"call to the receiver's memory, {edge} x {edge}, {PACE:g} planes a second asked for",
        ["p50 ms", "p99 ms", "worst ms", "call p50 ms", "x memcpy", "planes/s"],
    )
    floor = statistics.median(row.held for row in found[REUSED])
    for name, rows in found.items():
        row = Latency(*(statistics.median(column) for column in zip(*rows, strict=True)))
        table.add_row(
            name,
            *(f"{seconds * 1e3:.3f}" for seconds in row[:4]),
            f"{row.held / floor:.2f}",
            f"{row.pace:.0f}",
        )
    console.print(table)


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title)
    table.add_column("")
    for heading in columns:
        table.add_column(heading, justify="right")
    return table
