"""Tasks show in the user's viewer: from their threads, their processes, and through backends."""

from __future__ import annotations

import io
import zlib

import pytest
from rich.console import Console

from coverslip.transport import Delivery
from tests.viewers.dask import tasks

DEADLINE = 60.0

pytestmark = pytest.mark.allow_leak("threads", "files", reason="the cluster's own, which goes on")


def shown(view):
    """Return each plane that the viewer holds: its components, and the CRC-32 of its pixels."""
    return {
        tuple(sorted(plane.components.items())): plane.crc32
        for layer in view.layers(checksums=True)
        for plane in layer.planes
    }


def test_every_worker_streams_and_every_plane_arrives(client, streams, view):
    workers = list(client.nthreads())
    futures = [
        client.submit(tasks.show, f"{letter}01", 20, workers=[worker], pure=False)
        for letter, worker in zip("AB", workers, strict=True)
    ]
    assert len(set(client.gather(futures))) == 2
    assert streams.flush(DEADLINE) == (40, 40, 0, 0)
    assert shown(view) == {
        (("well", well), ("z_index", number)): zlib.crc32(tasks.picture(number).tobytes())
        for well in ("A01", "B01")
        for number in range(20)
    }
    # As the view is: a layer for each well.
    assert len(view.layers()) == 2
    found = streams.workers()
    assert set(found) == set(workers)
    assert {one.statistics.transfer for one in found.values()} == {("shared_memory",)}
    assert sum(one.delivery.shown for one in found.values()) == 40


def test_a_tasks_own_threads_share_its_workers_stream(client, streams, view):
    client.submit(tasks.show_from_threads, "T", 4, 10, pure=False).result(DEADLINE)
    assert streams.flush(DEADLINE) == (40, 40, 0, 0)
    assert len(shown(view)) == 40


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_a_task_starts_stream_too(client, streams, view, method):
    future = client.submit(tasks.show_from_processes, method, "P", 2, 10, pure=False)
    assert future.result(DEADLINE)
    assert streams.flush(DEADLINE) == (20, 20, 0, 0)
    assert len(shown(view)) == 20
    assert len(view.layers()) == 2  # laid out as the view, in another process, too


def test_a_backend_saves_to_the_given_viewer(client, streams, view):
    client.submit(tasks.save, "C03", 5, pure=False).result(DEADLINE)
    assert streams.flush(DEADLINE) == (5, 5, 0, 0)
    assert {dict(components)["well"] for components in shown(view)} == {"C03"}


def test_progress_says_planes_beside_tasks(client, streams):
    futures = client.map(tasks.show, ["A01", "A02", "A03"], [10] * 3, pure=False)
    broken = client.submit(int, "no number", pure=False)
    out = io.StringIO()
    end = streams.progress([*futures, broken], console=Console(file=out, width=100))
    assert (end.tasks, end.done, end.failed) == (4, 3, 1)
    assert end.planes == Delivery(30, 30, 0, 0)
    assert end.complete
    assert str(end) == "3 of 4 tasks done, 1 failed; 30 of 30 planes shown"
    assert "30 of 30 planes shown" in out.getvalue()
    assert broken.exception() is not None
