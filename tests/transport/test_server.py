"""What a server answers: every request, now or later, and none stops the next."""

from __future__ import annotations

import os

import msgspec
import pytest
import zmq

from coverslip.transport import (
    Attach,
    Attached,
    Clear,
    Counts,
    Detach,
    Done,
    Failure,
    Flush,
    Ledger,
    Ping,
    Pong,
    Refused,
    Report,
    RequestRefused,
    Status,
    decode_reply,
    encode,
    ping,
)
from coverslip.transport.server import _MOST_STREAMS
from tests.transport.echo_viewer import Echo, Echoed, EchoViewer, Header
from tests.transport.odd_viewer import Odd, Raw, ask
from tests.waiting import DEADLINE, eventually


def test_pong(viewer):
    pong = ping(viewer.connection.endpoint, DEADLINE)
    connection = viewer.connection
    assert (pong.kind, pong.title, pong.state) == ("echo", "test", "ready")
    assert (pong.pid, pong.start_time) == (os.getpid(), connection.start_time)
    assert (pong.host, pong.port) == ("127.0.0.1", connection.endpoint.port)
    assert pong.instance == connection.instance
    assert pong.versions["coverslip-transport"]
    assert (pong.refused, pong.last_error) == (0, None)


def test_states(free_port):
    with EchoViewer(port=free_port(), starting=True) as server:
        server.start()
        assert ask(server, Ping(), Pong).state == "starting"
        server.set_state("ready")
        server.report_failure("x" * 10_000)
        pong = ask(server, Ping(), Pong)
        assert pong.state == "ready"
        assert pong.last_error == "x" * 2000
    assert server.state == "stopping"


def test_words_that_are_no_unicode_are_told_all_the_same(free_port):
    """A file's name may be any bytes, and an error quotes it: it must not silence the server."""
    with EchoViewer(port=free_port(), title="\udcff") as server:
        server.start()
        server.report_failure("no room in /tmp/\udcff")
        ledger = server.ledgers["s"] = Ledger()
        ledger.attach(0, 0)
        ledger.receive(0, 0)
        ledger.failed(0, "no file \udcff.tif")
        pong = ask(server, Ping(), Pong)
        assert (pong.title, pong.last_error) == ("\\udcff", "no room in /tmp/\\udcff")
        report = ask(server, Flush(stream="s", sequence=1), Report)
        assert report.streams["s"].reasons == {"no file \\udcff.tif": 1}


def test_a_stream_from_attach_to_detach(viewer, publisher):
    attached = ask(viewer, Attach(stream="s", epoch=0, sequence=10), Attached)
    assert attached.instance == viewer.instance
    assert attached.counts == Counts(first=10, next=10)
    publisher.send([msgspec.msgpack.encode(Header("s", 0, 12))])
    report = ask(viewer, Flush(stream="s", sequence=13), Report)
    assert report.streams["s"] == Counts(
        first=10, next=13, shown=1, dropped=2, reasons={"lost in transit": 2}
    )
    assert ask(viewer, Status(), Report) == ask(viewer, Status(stream="s"), Report)
    ask(viewer, Detach(stream="s"), Done)
    assert ask(viewer, Status(), Report).streams["s"].shown == 1


@pytest.mark.parametrize(
    "message",
    [Status(stream="x"), Flush(stream="x", sequence=1), Detach(stream="x")],
    ids=lambda message: type(message).__name__,
)
def test_an_unknown_stream_is_refused(viewer, message):
    with pytest.raises(RequestRefused, match="'x' is not attached") as caught:
        ask(viewer, message, Report)
    assert caught.value.failure.code == "refused"
    assert ask(viewer, Ping(), Pong).refused == 1


def test_streams_are_bounded_and_the_settled_make_room(free_port):
    server = EchoViewer(port=free_port())
    for number in range(_MOST_STREAMS):
        server.attach(Attach(stream=str(number), epoch=0, sequence=0))
        server.ledger(str(number)).receive(0, 0)
    with pytest.raises(Refused, match="streams are attached"):
        server.attach(Attach(stream="more", epoch=0, sequence=0))
    for number in (5, 3):
        server.ledger(str(number)).shown(0)
    server._detach(Detach(stream="5"))
    server.attach(Attach(stream="more", epoch=0, sequence=0))
    assert "5" not in server.ledgers
    server.ledger("more").receive(0, 0)
    server.attach(Attach(stream="again", epoch=0, sequence=0))
    assert "3" not in server.ledgers
    assert len(server.ledgers) == _MOST_STREAMS


def test_what_it_does_not_answer_it_says(viewer):
    with pytest.raises(RequestRefused, match="'Clear' is not among Attach, Detach, Echo") as caught:
        ask(viewer, Clear(), Done)
    assert caught.value.failure.code == "unknown"


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        ("raise", "error", "Odd: RuntimeError: a bug"),
        ("refuse", "refused", "not today"),
        ("nonsense", "error", "no Reply but int"),
        ("unreadable", "error", r"no such file: \\udcff\.tif"),
        ("failed", "error", "late bug"),
    ],
)
def test_an_answer_that_fails_is_a_failure(odd, what, code, message, caplog):
    for _ in range(3):
        with pytest.raises(RequestRefused, match=message) as caught:
            ask(odd, Odd(what=what), Done)
        assert caught.value.failure.code == code
    assert ask(odd, Ping(), Pong).refused == (3 if code == "refused" else 0)
    assert ("Traceback" in caplog.text) == (code == "error")


def test_a_late_answer_keeps_nobody_waiting(odd):
    with Raw(odd.connection.endpoint, zmq.REQ) as client:
        client.send(encode(Odd(what="late")))
        assert ask(odd, Echo(text="meanwhile"), Echoed).text == "meanwhile"
        assert not client.poll(0)
        odd.late.set_result(Done())
        assert decode_reply(client.recv(), [Done]) == Done()


def test_who_waits_when_the_server_ends_is_told(odd):
    with Raw(odd.connection.endpoint, zmq.REQ) as client:
        client.send(encode(Odd(what="late")))
        eventually(lambda: odd._dispatch._open, "the request is there")
        odd.close()
        failure = decode_reply(client.recv(), [Done])
        assert isinstance(failure, Failure)
        assert failure.code == "stopping"


def test_those_who_wait_are_bounded(odd):
    with Raw(odd.connection.endpoint, zmq.DEALER) as client:
        client.sndhwm = client.rcvhwm = 0
        for number in range(4097):
            client.send_multipart([str(number).encode(), b"", encode(Odd(what="late"))])
        first = client.recv_multipart()
        assert first[0] == b"0"
        failure = decode_reply(first[-1], [Done])
        assert isinstance(failure, Failure)
        assert failure.code == "too-many"


@pytest.mark.parametrize("correlate", [0, 1])
def test_every_kind_of_req(viewer, correlate):
    with Raw(viewer.connection.endpoint, zmq.REQ) as client:
        client.setsockopt(zmq.REQ_CORRELATE, correlate)
        client.setsockopt(zmq.REQ_RELAXED, correlate)
        for number in range(3):
            client.send(encode(Echo(text=str(number))))
            assert decode_reply(client.recv(), [Echoed]) == Echoed(text=str(number))
