"""What becomes of the streams when workers die and come, clients leave and viewers end."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from distributed import Client

from coverslip.viewers import View
from coverslip.viewers.dask import stream_to
from coverslip.viewers.given import CONNECTION_VARIABLE
from coverslip.viewers.remote import RemoteVisualizer
from tests.viewers.dask import tasks
from tests.viewers.headless import serving
from tests.waiting import eventually

DEADLINE = 60.0

pytestmark = pytest.mark.allow_leak("threads", "files", reason="the cluster's own, which goes on")


def plugins(client: Client) -> list[str]:
    """Return the names of our plugins on the workers."""
    found = client.run(lambda dask_worker: list(dask_worker.plugins))
    return sorted({name for names in found.values() for name in names if "coverslip" in name})


def environment(client: Client) -> set[bool]:
    """Return whether the workers' environment holds a viewer's line."""
    return set(client.run(lambda: CONNECTION_VARIABLE in os.environ).values())


@pytest.mark.allow_leak(
    "threads", "files", "processes", reason="the worker that the nanny starts is the cluster's"
)
def test_a_killed_worker_comes_back_with_a_stream(client, streams, tmp_path):
    victim, other = client.nthreads()
    said = tmp_path / "pid"
    future = client.submit(
        tasks.show_until_killed, "K01", str(said), workers=[victim], pure=False, retries=0
    )
    pid = int(eventually(lambda: said.exists() and said.read_text(), "planes were shown", DEADLINE))
    future.release()
    before = streams.delivery()
    assert before.shown >= 20
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: victim not in client.nthreads(), "it is gone", DEADLINE)
    eventually(lambda: len(streams.workers()) == 2, "its nanny started another", DEADLINE)
    (new,) = set(streams.workers()) - {victim, other}
    client.submit(tasks.show, "K02", 10, workers=[new], pure=False).result(DEADLINE)
    delivery = streams.flush(DEADLINE)
    # What the killed one had sent by then, as the viewer met it.
    assert delivery.sent >= before.sent + 10
    assert delivery.sent == delivery.shown + delivery.dropped + delivery.failed
    assert streams.workers()[new].delivery == (10, 10, 0, 0)


def test_a_worker_that_comes_later_has_a_stream(cluster, client, streams):
    cluster.scale(3)
    client.wait_for_workers(3, timeout=DEADLINE)
    eventually(lambda: len(streams.workers()) == 3, "all three have a stream", DEADLINE)
    futures = [
        client.submit(tasks.show, f"L{n}", 10, workers=[worker], pure=False)
        for n, worker in enumerate(client.nthreads())
    ]
    client.gather(futures)
    assert streams.flush(DEADLINE) == (30, 30, 0, 0)
    cluster.scale(2)
    eventually(lambda: len(streams.workers()) == 2, "one has left", DEADLINE)
    # It took its stream along, but not its counts.
    assert streams.flush(DEADLINE) == (30, 30, 0, 0)


def test_the_streams_close_with_the_client_and_harm_no_task(cluster, client, view):
    assert plugins(client) == []
    with Client(cluster) as other:
        streams = stream_to(other, view)
        assert plugins(client) == [streams.name]
        assert environment(client) == {True}
        other.submit(tasks.show, "A01", 10, pure=False).result(DEADLINE)
        streams.flush(DEADLINE)
    eventually(lambda: not plugins(client), "the plugin is gone", DEADLINE)
    assert streams.workers() == {}
    assert environment(client) == {False}
    worker, *_ = client.nthreads()
    for _ in range(2):
        future = client.submit(tasks.dropped_when_closed, "A02", workers=[worker], pure=False)
        assert future.result(DEADLINE) == {"sent": 1, "dropped": 1}


def test_a_client_that_was_killed_takes_its_streams_along(cluster, client, view):
    lost = Client(cluster)
    stream_to(lost, view)
    # As the scheduler sees it: the connection breaks, and nobody said goodbye.
    comm: Any = lost.scheduler_comm
    comm.comm.abort()
    eventually(lambda: not plugins(client), "the plugin is gone", DEADLINE)
    lost.close()


def test_of_two_streams_the_newest_is_the_current_one(
    client, streams, view, runtime_folder, free_port
):
    with serving(port=free_port()) as server:
        second = View(RemoteVisualizer(server.connection.endpoint))
        with stream_to(client, second) as newest:
            client.gather(client.map(tasks.show, ["N1", "N2"], [5, 5], pure=False))
            assert newest.flush(DEADLINE) == (10, 10, 0, 0)
            assert streams.flush(DEADLINE) == (0, 0, 0, 0)
        second.close()
    client.submit(tasks.show, "N3", 5, pure=False).result(DEADLINE)
    assert streams.flush(DEADLINE) == (5, 5, 0, 0)


def test_streaming_switched_off_costs_tasks_nothing(client):
    with View(()) as nothing, stream_to(client, nothing) as off:
        client.submit(tasks.show, "O1", 5, pure=False).result(DEADLINE)
        client.submit(tasks.save, "C03", 5, pure=False).result(DEADLINE)
        assert off.flush(DEADLINE) == (0, 0, 0, 0)


def test_a_viewer_that_ends_costs_no_task(client, runtime_folder, free_port):
    with serving(port=free_port()) as server:
        view = View(RemoteVisualizer(server.connection.endpoint))
        streams = stream_to(client, view)
        client.submit(tasks.show, "E1", 5, pure=False).result(DEADLINE)
        assert streams.flush(DEADLINE) == (5, 5, 0, 0)
    client.gather(client.map(tasks.show, ["E2", "E3"], [5, 5], pure=False))
    assert streams.delivery()[:2] == (15, 5)
    streams.close()
    # A viewer may come back as long as its streams are open.
    assert streams.delivery() == (15, 5, 10, 0)
    view.close(0)
