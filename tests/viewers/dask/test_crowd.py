"""Sixty-four producers and one viewer: none lost, memory bounded at both ends, all served alike.

Sixty-four workers of a cluster, each with a stream, an arena and a socket of its own, sixteen to a
process: as many processes would take this test a minute to start.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from coverslip.transport import ping
from coverslip.viewers import View
from coverslip.viewers.dask import stream_to
from tests.viewers.dask import tasks
from tests.viewers.headless import HeadlessVisualizer

PROCESSES, EACH = 4, 16
PRODUCERS = PROCESSES * EACH
PLANES, EDGE = 50, 128
KEPT = 10
PLANE = EDGE * EDGE
BUDGET = 16 * PLANE
DEADLINE = 90.0

pytestmark = pytest.mark.allow_leak("threads", "files", reason="distributed keeps thread pools")


class SlowVisualizer(HeadlessVisualizer):
    """Starts a viewer that takes a while for each plane: what all of them wait for."""

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        return [*super()._command(launch_id, log, port), "--slow", "0.0003"]


@pytest.fixture
def crowd() -> Iterator[Client]:
    command = [sys.executable, "-m", "tests.viewers.dask.many"]
    with (
        LocalCluster(n_workers=0, dashboard_address="localhost:0") as cluster,
        Client(cluster) as client,
    ):
        address = cluster.scheduler_address
        processes = [
            subprocess.Popen([*command, address, str(EACH)], stderr=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        client.wait_for_workers(PRODUCERS, timeout=DEADLINE)
        yield client
    # They end with the scheduler.
    for process in processes:
        _, said = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, said


@pytest.fixture
def slow(runtime_folder, free_port) -> Iterator[SlowVisualizer]:
    made = SlowVisualizer(port=free_port(), persistent=False)
    made.start_viewer()
    yield made
    made.stop_viewer()


def test_sixty_four_producers_and_one_viewer(crowd, slow):
    # A layer for each producer, which keeps its newest planes.
    view = View(slow, modes={"worker": "slice"}, keep=KEPT)
    with stream_to(crowd, view, budget=BUDGET) as streams:
        start = time.monotonic() + 2
        futures = [
            crowd.submit(tasks.race, number, PLANES, EDGE, start, workers=[worker], pure=False)
            for number, worker in enumerate(crowd.nthreads())
        ]
        results = crowd.gather(futures)
        delivery = streams.flush(DEADLINE)
        reasons = [*filter(None, (one.statistics.reasons for one in streams.workers().values()))]
        assert delivery == (PRODUCERS * PLANES, PRODUCERS * PLANES, 0, 0), reasons
    assert len({result["stream"] for result in results}) == PRODUCERS
    layers = view.layers()
    assert len(layers) == PRODUCERS
    newest = list(range(PLANES - KEPT, PLANES))
    assert all([one.components["z_index"] for one in layer.planes] == newest for layer in layers)
    # Memory: of each producer, what waits; of the viewer, what it keeps.
    assert max(result["most"] for result in results) <= BUDGET
    usage = ping(slow.endpoint).usage
    assert (usage.in_memory, usage.on_disk) == (PRODUCERS * KEPT, 0)
    assert usage.memory < 2 * PRODUCERS * KEPT * PLANE < PRODUCERS * PLANES * PLANE
    # Fair: the slowest was served at half of the mean rate, or better.
    rates = [PLANES / result["seconds"] for result in results]
    assert min(rates) >= 0.5 * sum(rates) / len(rates), sorted(rates)
    view.close(0)
