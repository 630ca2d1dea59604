"""The sending end: nothing before a subscription, nothing lost in silence, nothing that waits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import msgspec
import pytest

from coverslip.transport import (
    Attach,
    Attached,
    Endpoint,
    Flush,
    KeyPair,
    NotListening,
    Publisher,
    PublisherState,
    QueueFull,
    Report,
    request,
)
from coverslip.transport.sockets import open_context, open_data
from tests.transport.echo_viewer import EchoViewer, Header
from tests.transport.turning import turning
from tests.waiting import DEADLINE, eventually

LISTENING, LOST = PublisherState.LISTENING, PublisherState.LOST


def listens(publisher):
    return lambda: publisher.poll() is LISTENING


def lost(publisher):
    return lambda: publisher.poll() is LOST


def header(number):
    return msgspec.msgpack.encode(Header("s", 0, number))


def fill(publisher):
    """Send what nobody takes until there is no room for more."""
    while True:
        publisher.send([b"not taken", bytes(1 << 20)])


@pytest.fixture
def nowhere(free_port):
    return Endpoint(
        kind="echo",
        host="127.0.0.1",
        port=free_port(),
        server_key=KeyPair.new().public,
        client_secret=KeyPair.new().secret,
    )


def test_nothing_is_sent_before_a_viewer_listens(nowhere):
    publisher = Publisher(nowhere)
    assert publisher.poll() is PublisherState.CONNECTING
    with pytest.raises(NotListening):
        publisher.send([b"x"])
    assert publisher.connections == 0
    publisher.close()
    assert publisher.poll() is LOST
    with pytest.raises(NotListening):
        publisher.send([b"x"])
    publisher.close()


def test_a_full_queue_is_an_error_and_nothing_else_is_lost(free_port):
    server = EchoViewer(port=free_port())
    endpoint = server.bind().endpoint
    publisher = Publisher(endpoint, high_water=20)
    # Nobody turns the loop but this thread: what is sent stays in ZeroMQ.
    turning(server, listens(publisher), "a subscription")
    server.attach(Attach(stream="s", epoch=0, sequence=0))
    taken, full = 0, 0
    while full < 100:
        try:
            publisher.send([header(taken), bytes(10_000)])
            taken += 1
        except QueueFull:
            full += 1
        assert taken < 100_000
    assert taken >= 20
    turning(server, lambda: server.ledger("s").counts().next == taken, "all")
    counts = server.ledger("s").counts()
    assert (counts.shown, counts.dropped) == (taken, 0)
    publisher.close()
    server.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_viewer_that_dies_is_noticed_and_the_next_one_too(launch_viewer, how):
    launched, connection = launch_viewer()
    publisher = Publisher(connection.endpoint)
    eventually(listens(publisher), "a subscription")
    assert publisher.connections == 1
    os.kill(connection.pid, how)
    eventually(lost(publisher), "its death")
    with pytest.raises(NotListening):
        publisher.send([b"x"])
    launched.wait(DEADLINE)
    assert publisher.connections == 1
    publisher.close()


def test_a_frozen_viewer_is_lost_and_comes_back(launch_viewer):
    _, connection = launch_viewer()
    publisher = Publisher(connection.endpoint)
    eventually(listens(publisher), "a subscription")
    attach = Attach(stream="s", epoch=0, sequence=0)
    request(connection.endpoint, attach, Attached, timeout=DEADLINE)
    for rounds in (1, 2):
        os.kill(connection.pid, signal.SIGSTOP)
        try:
            eventually(lost(publisher), "missed heartbeats")
        finally:
            os.kill(connection.pid, signal.SIGCONT)
        eventually(listens(publisher), "a fresh subscription")
        assert publisher.connections == rounds + 1
    publisher.send([header(0)])
    flush = Flush(stream="s", sequence=1)
    report = request(connection.endpoint, flush, Report, timeout=DEADLINE)
    assert report.streams["s"].shown == 1
    publisher.close()


def test_what_a_dead_viewer_did_not_take_is_not_the_next_ones(free_port):
    """The next one has the dead one's very keys here: else nothing could reach it anyhow."""
    keys, client = KeyPair.new(), KeyPair.new()
    endpoint = Endpoint(
        kind="echo",
        host="127.0.0.1",
        port=free_port(),
        server_key=keys.public,
        client_secret=client.secret,
    )
    publisher = Publisher(endpoint, high_water=20)
    for words in (b"to the first", b"to the next"):
        with open_context() as context, open_data(context, keys) as viewer:
            viewer.rcvhwm = 1
            viewer.bind(endpoint.data_address)
            # A SUB subscribes when its socket is turned, as a server's loop does.
            eventually(lambda: viewer.poll(0) or listens(publisher)(), "a subscription")
            publisher.send([words])
            eventually(lambda: viewer.poll(0), "a message")
            assert viewer.recv() == words
            with pytest.raises(QueueFull):
                fill(publisher)
        eventually(lost(publisher), "its end")
    assert publisher.connections == 2
    publisher.close()


def test_a_tracker_says_when_the_memory_is_free(viewer, publisher):
    request(
        viewer.connection.endpoint,
        Attach(stream="s", epoch=0, sequence=0),
        Attached,
        timeout=DEADLINE,
    )
    tracker = publisher.send([header(0), bytearray(1 << 20)], copy=False, track=True)
    assert tracker is not None
    tracker.wait(DEADLINE)
    assert publisher.send([header(1)]) is None
    eventually(lambda: viewer.ledger("s").counts().shown == 2, "both")


def test_memory_in_flight_is_free_when_the_viewer_goes(free_port):
    server = EchoViewer(port=free_port())
    publisher = Publisher(server.bind().endpoint)
    turning(server, listens(publisher), "a subscription")
    # Many frames: pyzmq is told of each by a queue of its own, which this overruns.
    trackers = [
        publisher.send([b"h"] + [bytearray(1 << 17)] * 10, copy=False, track=True)
        for _ in range(500)
    ]
    server.close()
    eventually(lost(publisher), "its end")
    eventually(lambda: all(each is not None and each.done for each in trackers), "the memory")
    publisher.close()


def test_close_lingers_for_what_is_queued(viewer):
    endpoint = viewer.connection.endpoint
    request(endpoint, Attach(stream="s", epoch=0, sequence=0), Attached, timeout=DEADLINE)
    publisher = Publisher.acquire(endpoint)
    eventually(listens(publisher), "a subscription")
    for number in range(300):
        publisher.send([header(number), bytes(100_000)])
    publisher.release(DEADLINE)
    eventually(lambda: viewer.ledger("s").counts().shown == 300, "all")


def test_one_publisher_an_endpoint(viewer, nowhere):
    endpoint = viewer.connection.endpoint
    first, second = Publisher.acquire(endpoint), Publisher.acquire(endpoint)
    other = Publisher.acquire(nowhere)
    assert first is second
    assert other is not first
    eventually(listens(first), "a subscription")
    first.release()
    second.send([b"x"])
    second.release()
    assert first.poll() is LOST
    fresh = Publisher.acquire(endpoint)
    assert fresh is not first
    fresh.release()
    other.release()


def test_from_many_threads_each_message_whole(viewer, publisher):
    endpoint = viewer.connection.endpoint
    names = [f"s{number}" for number in range(4)]
    for name in names:
        request(endpoint, Attach(stream=name, epoch=0, sequence=0), Attached, timeout=DEADLINE)

    def send(name):
        for number in range(300):
            frames = [msgspec.msgpack.encode(Header(name, 0, number)), b"a", b"b"]
            eventually(partial(taken, frames), "room")

    def taken(frames):
        try:
            publisher.send(frames)
        except QueueFull:
            return False
        return True

    threads = [threading.Thread(target=send, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        flush = Flush(stream=name, sequence=300)
        report = request(endpoint, flush, Report, timeout=DEADLINE)
        assert report.streams[name].shown == 300
        assert report.refused == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_its_own(viewer):
    endpoint = viewer.connection.endpoint
    for name in ("parent", "child"):
        request(endpoint, Attach(stream=name, epoch=0, sequence=0), Attached, timeout=DEADLINE)
    # In a process of its own: a fork of this one, with its threads, is no test's business.
    result = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).parent / "forking.py")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        input=endpoint.to_url(),
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE,
        check=False,
    )
    assert result.stderr == ""
    assert json.loads(result.stdout) == {
        "child": "own, sent",
        "child status": 0,
        "parent": "same, listening, one connection",
    }
    for name, count in (("parent", 2), ("child", 1)):
        flush = Flush(stream=name, sequence=count)
        report = request(endpoint, flush, Report, timeout=DEADLINE)
        assert report.streams[name].shown == count
