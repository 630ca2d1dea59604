"""What goes wrong around a viewer costs planes, which are counted, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zmq

from coverslip.transport import (
    Ping,
    Pong,
    Publisher,
    PublisherState,
    is_alive,
    list_connections,
    request,
)
from coverslip.viewers import StreamVisualizer, View
from tests.viewers.contract.conftest import settle
from tests.viewers.contract.process import END
from tests.viewers.contract.producer import SHARE, command
from tests.viewers.contract.subject import START, Subject, plane
from tests.waiting import DEADLINE, eventually

pytestmark = pytest.mark.gui

posix = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no POSIX signals here")


def is_state(view: View, state: str) -> Callable[[], bool]:
    return lambda: view.statistics().state == (state,)


def test_planes_sent_while_it_starts_are_shown(
    subject: Subject, runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    visualizer = subject.make(port=free_port())
    visualizer.start_viewer(async_mode=True, timeout=START)
    try:
        view = View(visualizer)
        for number in range(40):
            view.show(np.full((256, 256), number, np.uint16), z_index=number)
        assert view.statistics().dropped == 0
        assert view.flush(START) == (40, 40, 0, 0)
        (layer,) = view.layers()
        assert layer.labels["z_index"] == tuple(range(40))
        view.close()
    finally:
        visualizer.stop_viewer()


@posix
def test_killed_in_mid_stream_it_holds_nobody_up_and_its_successor_goes_on(
    subject: Subject, own: StreamVisualizer
) -> None:
    view = View(own)
    pixels = np.ones((512, 512), np.uint16)
    pid = own.connection.pid
    for number in range(100):
        view.show(pixels, z_index=number)
        if number == 50:
            os.kill(pid, signal.SIGKILL)
    eventually(is_state(view, "absent"), "the death was noticed")
    counts = view.flush(DEADLINE)
    assert counts.sent == 100
    assert counts.complete
    assert counts.dropped > 0
    assert view.statistics().bytes_in_flight == 0
    assert list_connections() == []

    successor = subject.make(port=own.port)
    successor.start_viewer(timeout=START)
    try:
        assert successor.connection.pid != pid
        # Nobody told the stream: it found the viewer by itself.
        eventually(is_state(view, "live"), "the stream goes on")
        for number in range(10):
            view.show(plane(number), z_index=number)
        after = view.flush(DEADLINE)
        assert (after.sent, after.shown, after.dropped) == (110, counts.shown + 10, counts.dropped)
        (layer,) = view.layers(checksums=True)
        assert [one.crc32 for one in layer.planes] == [
            zlib.crc32(plane(number).tobytes()) for number in range(10)
        ]
        assert view.close() == after
    finally:
        successor.stop_viewer()


def test_a_producer_killed_in_mid_stream_leaves_the_viewer_as_it_was(
    running: StreamVisualizer,
) -> None:
    with subprocess.Popen(
        command(running, "endless"), stdout=subprocess.PIPE, text=True
    ) as producer:
        assert producer.stdout is not None
        assert producer.stdout.readline() == "streaming\n"
        maps = Path(f"/proc/{running.connection.pid}/maps")
        if maps.exists():
            assert "memfd:coverslip" in maps.read_text()
        producer.kill()
        producer.wait(DEADLINE)
    if maps.exists():
        # Java lets go of it with a collection, which is asked for every five seconds at most.
        eventually(lambda: "memfd:coverslip" not in maps.read_text(), "the arena is let go of", END)
    with View(running) as view:
        view.show(np.eye(64, dtype=np.uint8), name="after")
        assert "after" in {layer.name for layer in settle(view)}


@posix
def test_frozen_in_mid_stream_it_is_left_alone_and_taken_back(view: View) -> None:
    view.show(plane(0), z_index=0)
    settle(view)
    pid = view.visualizer.connection.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        for number in range(50):
            view.show(plane(number), z_index=number)
        eventually(is_state(view, "absent"), "the freeze was noticed")
        view.show(plane(1), z_index=1)
        assert view.statistics().bytes_in_flight == 0
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(is_state(view, "live"), "it is back")
    view.show(plane(1), name="back")
    counts = view.flush(DEADLINE)
    assert counts.sent == 53
    assert counts.complete
    assert counts.failed == 0
    assert counts.shown >= 2
    assert "back" in {layer.name for layer in view.layers()}


def test_junk_on_both_sockets_is_refused_and_counted(view: View) -> None:
    endpoint = view.visualizer.endpoint

    def refused() -> int:
        return request(endpoint, Ping(), Pong, timeout=DEADLINE).refused

    before = refused()
    rng = np.random.default_rng(5)
    publisher = Publisher.acquire(endpoint)
    try:
        eventually(lambda: publisher.poll() is PublisherState.LISTENING, "subscribed")
        for number in range(200):
            frames = [rng.bytes(int(rng.integers(0, 300))) for _ in range(number % 3 + 1)]
            publisher.send(frames)
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.curve_serverkey = endpoint.server_key.encode()
            dealer.curve_secretkey = endpoint.client_secret.encode()
            dealer.curve_publickey = endpoint.client_public.encode()
            dealer.connect(endpoint.control_address)
            for _ in range(100):
                dealer.send_multipart([b"", rng.bytes(50)])
            for _ in range(100):
                assert dealer.poll(int(DEADLINE * 1000)), "each is answered"
                dealer.recv_multipart()
        eventually(lambda: refused() - before == 300, "all 300 were counted")
    finally:
        publisher.release()
    view.show(np.eye(64, dtype=np.uint8))
    assert view.flush(DEADLINE) == (1, 1, 0, 0)


@pytest.mark.needs("window")
def test_quit_by_the_user_in_mid_stream_it_costs_planes_and_is_not_started_again(
    subject: Subject, own: StreamVisualizer
) -> None:
    view = View(own)
    hands = subject.hands(view)
    identity = own.connection.identity
    for number in range(20):
        view.show(plane(number), z_index=number)
    settle(view)
    hands.quit()
    for number in range(100):
        view.show(plane(number), z_index=number)
    eventually(lambda: not is_alive(identity), "the process ended", END)
    eventually(is_state(view, "absent"), "the end was noticed")
    counts = view.flush(DEADLINE)
    assert counts.sent == 120
    assert counts.complete
    assert counts.shown >= 20
    assert list_connections() == []
    assert view.close() == counts


def test_four_processes_send_ten_thousand_planes_and_none_is_lost(view: View) -> None:
    producers = [
        subprocess.Popen(command(view.visualizer, str(number)), stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    told = [producer.communicate(timeout=240)[0].strip() for producer in producers]
    assert told == [f"{SHARE} {SHARE} 0 0"] * 4
    (layer,) = view.layers(checksums=True)
    assert len(layer.planes) == 4 * SHARE
    for one in layer.planes:
        value = int(one.components["producer"]) * SHARE + int(one.components["timepoint"])
        assert one.crc32 == zlib.crc32(np.full((64, 64), value, "<u2").tobytes())


def test_several_views_at_once_are_counted_apart(view: View) -> None:
    views = [View(view.visualizer) for _ in range(4)]
    for number in range(25):
        for index, each in enumerate(views):
            each.show(plane(number), z_index=number, timepoint=index)
    for each in views:
        assert each.close(DEADLINE) == (25, 25, 0, 0)
    (layer,) = view.layers()
    assert len(layer.planes) == 100
