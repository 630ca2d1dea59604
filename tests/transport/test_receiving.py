"""What a server does with junk, a flood and a bug: each is counted, and the next is served."""

from __future__ import annotations

import logging
import os
import threading

import msgspec
import pytest
import zmq

from coverslip.transport import (
    LARGEST_REQUEST,
    Attach,
    Attached,
    Counts,
    Failure,
    Flush,
    Ping,
    Pong,
    ProtocolError,
    Publisher,
    PublisherState,
    QueueFull,
    Report,
    Status,
    decode_reply,
    encode,
)
from tests.transport.echo_viewer import Echo, Echoed, EchoViewer, Header
from tests.transport.odd_viewer import Raw, ask, taken
from tests.waiting import eventually

JUNK = [
    [b"junk"],
    [b""],
    [b"", b""],
    [b"", b"junk"],
    [b"", encode(Ping()), b"more"],
    [b"a", b"b", b"c"],
    [b"a"] * 500,
    [b"a" * 5000, b"", encode(Ping())],
    [encode(Ping())],
    [b"", b"\xc1" * 1000],
    [b"", encode(Ping(protocol=99))],
]


def test_junk_on_control_is_answered_and_counted(viewer):
    with Raw(viewer.connection.endpoint, zmq.DEALER) as client:
        for number, frames in enumerate(JUNK, 1):
            client.send_multipart(frames)
            failure = decode_reply(client.recv_multipart()[-1], [Pong])
            assert isinstance(failure, Failure)
            assert ask(viewer, Ping(), Pong).refused == number


@pytest.mark.parametrize("over", [1, 3 * LARGEST_REQUEST - 100], ids=["a byte", "three times"])
def test_a_request_that_is_too_large_is_answered_and_counted(viewer, over):
    with Raw(viewer.connection.endpoint, zmq.DEALER) as client:
        client.send_multipart([b"", bytes(LARGEST_REQUEST + over)])
        failure = decode_reply(client.recv_multipart()[-1], [Pong])
        assert isinstance(failure, Failure)
        assert failure.code == "too-large"
        client.send_multipart([b"", encode(Ping())])
        pong = decode_reply(client.recv_multipart()[-1], [Pong])
        assert isinstance(pong, Pong), "its connection goes on"
        assert pong.refused == 1


def test_a_request_that_is_too_large_is_not_sent(viewer):
    with pytest.raises(ProtocolError, match="where 16777216 are the most") as raised:
        ask(viewer, Echo(text="x" * LARGEST_REQUEST), Echoed)
    assert raised.value.code == "too-large"
    assert ask(viewer, Ping(), Pong).refused == 0


def test_a_request_too_large_to_be_read_ends_its_connection_and_no_other(viewer):
    with Raw(viewer.connection.endpoint, zmq.DEALER) as client:
        client.send_multipart([b"", bytes(4 * LARGEST_REQUEST)])

        def answered():
            client.send_multipart([b"", encode(Ping())])
            return client.poll(100)

        eventually(answered, "it connects again")
        assert isinstance(decode_reply(client.recv_multipart()[-1], [Pong]), Pong)
    assert ask(viewer, Ping(), Pong).state == "ready"


def test_junk_on_data_is_counted_and_told_once_a_burst(viewer, publisher, caplog):
    for number in range(50):
        publisher.send([b"\xc1" * number, b"x"])
    publisher.send([msgspec.msgpack.encode(Header("nobody's", 0, 0))])
    eventually(lambda: viewer.refused == 51, "51 refused")
    pong = ask(viewer, Ping(), Pong)
    assert pong.refused == 51
    assert pong.last_error is not None
    assert "not attached" in pong.last_error
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1


def test_a_bug_in_handle_data_does_not_end_the_server(odd, caplog):
    publisher = Publisher(odd.connection.endpoint)
    eventually(lambda: publisher.poll() is PublisherState.LISTENING, "a subscription")
    publisher.send([b"raise"])
    eventually(lambda: odd.refused == 1, "counted")
    assert "RuntimeError: a bug" in (ask(odd, Ping(), Pong).last_error or "")
    assert "Traceback" in caplog.text
    publisher.close()


def test_a_message_of_too_many_frames_is_cut_and_refused(viewer, publisher):
    publisher.send([b"\xc1"] + [b""] * 70_000)
    eventually(lambda: viewer.refused == 1, "refused")


def test_frames_are_read_only_and_whole(free_port):
    kept = []

    class Keeper(EchoViewer):
        def handle_data(self, frames):
            kept.append(frames)

    with Keeper(port=free_port()) as server:
        server.start()
        publisher = Publisher(server.connection.endpoint)
        eventually(lambda: publisher.poll() is PublisherState.LISTENING, "a subscription")
        message = [b"header", b"", b"s" * 100, os.urandom(3 << 20)]
        for copy in (True, False):
            publisher.send(message, copy=copy)
        eventually(lambda: len(kept) == 2, "both")
        publisher.close()
    for frames in kept:
        assert all(frame.readonly for frame in frames)
        assert [bytes(frame) for frame in frames] == message


def test_back_pressure_leaves_control_alive(odd):
    odd.open = False
    publisher = Publisher(odd.connection.endpoint, high_water=10)
    eventually(lambda: publisher.poll() is PublisherState.LISTENING, "a subscription")
    ask(odd, Attach(stream="s", epoch=0, sequence=0), Attached)
    sent = 0

    while sent < 100_000 and taken(publisher, msgspec.msgpack.encode(Header("s", 0, sent))):
        sent += 1
    assert 0 < sent < 100_000
    newcomer = Publisher(odd.connection.endpoint)
    eventually(lambda: newcomer.poll() is PublisherState.LISTENING, "a subscription, held back")
    newcomer.close()
    report = ask(odd, Status(), Report)
    assert report.streams["s"].next == 0
    odd.open = True
    odd.wake()
    report = ask(odd, Flush(stream="s", sequence=sent), Report)
    assert report.streams["s"] == Counts(first=0, next=sent, shown=sent)
    publisher.close()


def test_control_stays_live_under_a_flood_of_data(viewer, publisher):
    ask(viewer, Attach(stream="s", epoch=0, sequence=0), Attached)
    done = threading.Event()
    sent = 0

    def flood():
        nonlocal sent
        while not done.is_set():
            try:
                publisher.send([msgspec.msgpack.encode(Header("s", 0, sent))])
                sent += 1
            except QueueFull:
                done.wait(0.001)

    thread = threading.Thread(target=flood)
    thread.start()
    for number in range(50):
        assert ask(viewer, Echo(text=str(number)), Echoed).text == str(number)
    done.set()
    thread.join()
    report = ask(viewer, Flush(stream="s", sequence=sent), Report)
    assert report.streams["s"].shown == sent > 0
