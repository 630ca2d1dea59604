"""``python -m benchmarks.cluster``: a Dask cluster of many processes, and one viewer for all.

Each worker is a process with one thread, as Dask starts them; all of them show as fast as there
is room, from one moment on. What became of the planes, how alike they were served, and what it took
of memory at both ends.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import dask
import psutil
from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table
from tests.viewers.dask.tasks import race

from benchmarks.crowds import receiver
from benchmarks.memory import Watch
from coverslip.transport import ping
from coverslip.viewers import View
from coverslip.viewers.dask import stream_to
from coverslip.viewers.remote import RemoteVisualizer

_EDGE = 512
_BUDGET = 16 * _EDGE * _EDGE
"""Bytes in flight of each worker: sixteen planes."""

_DEADLINE = 600.0
_LEAD = 30.0
"""Seconds until the race begins: every task is at its worker by then."""


def measure(console: Console, workers: int, planes: int) -> None:
    """Have every worker show so many planes of 512 x 512 bytes, and print what came of it."""
    began = time.monotonic()
    with (
        # Forked off one that has imported all there is: as spawned ones 64 take ten minutes of two
        # cores, before the first plane.
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
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
            start = time.monotonic() + _LEAD
            futures = [
                client.submit(race, number, planes, _EDGE, start, workers=[worker], pure=False)
                for number, worker in enumerate(client.nthreads())
            ]
            results = client.gather(futures)
            delivery = streams.flush(_DEADLINE)
            took = time.monotonic() - start
            watch.stop()
            after = _resident(client)
            processes = len({result["stream"] for result in results})
    rates = [planes / result["seconds"] for result in results]
    grown = max(after[worker] - before[worker] for worker in before)
    table = Table(title=f"{workers} workers, each a process, {planes} planes of {_EDGE} x {_EDGE}")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in {
        "streams": f"{processes}",
        "sent, shown, dropped, failed": " ".join(map(str, delivery)),
        "planes a second, all together": f"{delivery.shown / took:.0f}",
        "slowest worker's rate over the mean": f"{min(rates) * len(rates) / sum(rates):.2f}",
        "in flight of a worker at most, of its budget": (
            f"{max(result['most'] for result in results) / _BUDGET:.2f}"
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
    parser.add_argument("--planes", type=int, default=100, help="that each of them shows")
    options = parser.parse_args()
    measure(Console(width=110), options.workers, options.planes)


if __name__ == "__main__":
    main()
