"""``python -m benchmarks.cluster``: a Dask cluster of many processes, and one viewer for all.

Each worker is a process with one thread, as Dask starts them. Once each of them has shown a plane,
all show as fast as there is room, from one moment on to another. How alike the viewer served them
in between, what became of the planes, and what it took of memory at both ends.
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import Any, Final, NamedTuple

import dask
import psutil
from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table
from tests.viewers.dask.tasks import picture

from benchmarks.crowds import receiver
from benchmarks.memory import Watch
from coverslip.transport import Delivery, Endpoint, Report, Status, ping, request
from coverslip.viewers import View
from coverslip.viewers.dask import ClusterStream, current_stream, stream_to
from coverslip.viewers.remote import RemoteVisualizer

_EDGE: Final = 512
_BUDGET: Final = 16 * _EDGE * _EDGE
"""Bytes in flight of each worker: sixteen planes."""

_DEADLINE: Final = 600.0
_LEAD: Final = 5.0
"""Seconds until all begin: every task is at its worker by then."""

_SETTLING: Final = 10.0
"""Seconds until what each may have under way is, and memory was backed once."""


class Raced(NamedTuple):
    """One worker's part."""

    stream: str
    late: float
    """Seconds after the moment at which all were to begin."""
    most: int
    """Bytes that were under way."""


def arrive() -> bool:
    """Show a plane; whether the viewer has it, so that the worker is there for the race."""
    stream = current_stream()
    stream.show(picture(0, _EDGE))
    return stream.flush(_DEADLINE).shown > 0


def race(worker: int, start: float, end: float) -> Raced:
    """Show as fast as there is room, from one moment to another of this machine's clock."""
    stream = current_stream()
    pixels = picture(worker, _EDGE)
    threading.Event().wait(max(0.0, start - time.monotonic()))
    late = time.monotonic() - start
    number = most = 0
    while time.monotonic() < end:
        stream.show(pixels, worker=worker, z_index=number % 100)
        if number % 8 == 0:
            most = max(most, stream.statistics().bytes_in_flight)
        number += 1
    return Raced(stream.stream.id, late, most)


class Found(NamedTuple):
    """What a race came to."""

    parts: list[Raced]
    shown: list[int]
    """Of each stream, while all were at it."""
    delivery: Delivery


def race_all(client: Any, streams: ClusterStream, endpoint: Endpoint, seconds: float) -> Found:
    """Have all workers race, and count what the viewer shows of each for so many seconds."""
    workers = [[worker] for worker in client.nthreads()]
    there = [client.submit(arrive, workers=one, pure=False) for one in workers]
    assert all(client.gather(there))
    start = time.monotonic() + _LEAD
    began, ended = start + _SETTLING, start + _SETTLING + seconds
    racing = [
        client.submit(race, number, start, ended + 1, workers=one, pure=False)
        for number, one in enumerate(workers)
    ]
    pause = threading.Event()
    pause.wait(began - time.monotonic())
    before = shown(endpoint)
    pause.wait(ended - time.monotonic())
    after = shown(endpoint)
    parts = client.gather(racing)
    found = [after[part.stream] - before[part.stream] for part in parts]
    return Found(parts, found, streams.flush(_DEADLINE))


def shown(endpoint: Endpoint) -> dict[str, int]:
    """Return how many planes of each stream the viewer has shown."""
    report = request(endpoint, Status(), Report, timeout=_DEADLINE)
    return {name: counts.shown for name, counts in report.streams.items()}


def measure(console: Console, workers: int, seconds: float) -> None:
    """Have so many workers race for so many seconds, and print what came of it."""
    began = time.monotonic()
    with (
        dask.config.set(
            {
                # Forked off one that has imported all there is: as spawned ones 64 take ten
                # minutes of two cores, before the first plane.
                "distributed.worker.multiprocessing-method": "forkserver",
                # Dask's own, which looks at each task a hundred times a second: on two cores the
                # last of 64 began half a minute late by it.
                "distributed.worker.profile.enabled": False,
            }
        ),
        receiver() as endpoint,
        LocalCluster(  # type: ignore[no-untyped-call]  # distributed has no annotations
            n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address="localhost:0"
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]  # likewise
        View(RemoteVisualizer(endpoint)) as view,
    ):
        client.wait_for_workers(workers, timeout=_DEADLINE)
        started = time.monotonic() - began
        watch = Watch(ping(endpoint).pid)
        with stream_to(client, view, budget=_BUDGET) as streams:
            opened = time.monotonic() - began - started
            before = _resident(client)
            watch.start()
            found = race_all(client, streams, endpoint, seconds)
            watch.stop()
            after = _resident(client)
    grown = max(after[worker] - before[worker] for worker in before)
    mean = sum(found.shown) / len(found.shown)
    table = Table(title=f"{workers} workers, each a process, planes of {_EDGE} x {_EDGE} bytes")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in {
        "streams": f"{len({part.stream for part in found.parts})}",
        "sent, shown, dropped, failed": " ".join(map(str, found.delivery)),
        "the last began late by": f"{max(part.late for part in found.parts):.2f} s",
        f"planes a second, all together, of {seconds:g} s": f"{sum(found.shown) / seconds:.0f}",
        "planes of one: fewest, mean, most": (
            f"{min(found.shown)}, {mean:.0f}, {max(found.shown)}"
        ),
        "the slowest by the mean": f"{min(found.shown) / mean:.2f}",
        "in flight of a worker at most, of its budget": (
            f"{max(part.most for part in found.parts) / _BUDGET:.2f}"
        ),
        "a worker grew by at most": f"{grown / 2**20:.0f} MiB",
        "viewer, resident: first, most": (
            f"{watch.resident[0] / 2**20:.0f}, {max(watch.resident) / 2**20:.0f} MiB"
        ),
        "until all workers were there": f"{started:.0f} s",
        "until all had a stream": f"{opened:.1f} s",
    }.items():
        table.add_row(name, value)
    console.print(table)


def _resident(client: Client) -> dict[str, int]:
    """Return what each worker's process takes."""
    found: dict[str, Any] = client.run(lambda: psutil.Process().memory_info().rss)
    return found


def main() -> None:
    """Measure with what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0, help="for which they are watched")
    options = parser.parse_args()
    measure(Console(width=110), options.workers, options.seconds)


if __name__ == "__main__":
    main()
