"""What a server does with what arrives: every request answered, none stops the next."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import msgspec
import pytest
import zmq

from coverslip.transport import (
    LARGEST_REQUEST,
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
    ProtocolError,
    Publisher,
    PublisherState,
    QueueFull,
    Refused,
    Reply,
    Report,
    Request,
    RequestRefused,
    RequestTimeout,
    Shutdown,
    Status,
    TransportError,
    decode_reply,
    encode,
    list_connections,
    ping,
    request,
    runtime_folder,
)
from coverslip.transport.server import _MOST_STREAMS
from coverslip.transport.sockets import open_context, open_request
from tests.transport.echo_viewer import Echo, Echoed, EchoViewer, Header
from tests.transport.turning import turning
from tests.waiting import DEADLINE, eventually


class Odd(Request, frozen=True, kw_only=True):
    what: str


class OddViewer(EchoViewer):
    """Does what a third party's viewer may do wrong."""

    open = True

    def __init__(self, **words):
        super().__init__(**words)
        self.late: Future[Done] = Future()

    def accepts_data(self):
        return self.open

    def handle_data(self, frames):
        if bytes(frames[0]) == b"raise":
            raise RuntimeError("a bug")
        super().handle_data(frames)

    def handlers(self):
        return {**super().handlers(), Odd: self._odd}

    def _odd(self, odd):
        match odd.what:
            case "raise":
                raise RuntimeError("a bug")
            case "refuse":
                raise Refused("not today")
            case "unreadable":
                raise RuntimeError("no such file: \udcff.tif")
            case "nonsense":
                return 3
            case "late":
                return self.late
            case "failed":
                future: Future[Done] = Future()
                future.set_exception(RuntimeError("late bug"))
                return future
            case "close":
                self.close()
                return Done()
        return Done()


@pytest.fixture
def odd(free_port):
    server = OddViewer(port=free_port())
    server.start()
    yield server
    server.open = True
    server.close()


def ask(server, message, kind, timeout=DEADLINE):
    return request(server.connection.endpoint, message, kind, timeout=timeout)


class Raw:
    """A client with the key, and no manners."""

    def __init__(self, endpoint, kind, *, control=True):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.linger = 0
        self.socket.rcvtimeo = int(DEADLINE * 1000)
        self.socket.curve_serverkey = endpoint.server_key.encode()
        self.socket.curve_secretkey = endpoint.client_secret.encode()
        self.socket.curve_publickey = endpoint.client_public.encode()
        self.socket.connect(endpoint.control_address if control else endpoint.data_address)

    def __enter__(self):
        return self.socket

    def __exit__(self, *_):
        self.context.destroy(linger=0)


def taken(publisher, header):
    """Send a message, large enough to fill queues soon; False when they are."""
    try:
        publisher.send([header, bytes(10_000)])
    except QueueFull:
        return False
    return True


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


def test_shutdown_answers_then_ends(viewer):
    assert ask(viewer, Shutdown(), Done) == Done()
    assert viewer.stopped.wait(DEADLINE)
    eventually(lambda: list_connections() == [], "the file is gone")


def test_close_is_idempotent_and_the_port_is_free_again(free_port):
    port = free_port()
    for _ in range(3):
        server = EchoViewer(port=port)
        server.start()
        server.close()
        server.close()
        assert list_connections() == []
    with pytest.raises(TransportError, match="was closed"):
        server.bind()


def test_close_before_bind_and_in_an_answer(odd):
    EchoViewer().close()
    ask(odd, Odd(what="close"), Done)
    assert odd.stopped.wait(DEADLINE)


def test_connection_before_bind():
    with pytest.raises(TransportError, match="not bound yet"):
        _ = EchoViewer().connection


def test_a_foreign_loop_drives_it(free_port):
    server = EchoViewer(port=free_port())
    endpoint = server.bind().endpoint
    replies: list[Reply] = []
    sent = 2000

    def client():
        publisher = Publisher(endpoint)
        eventually(lambda: publisher.poll() is PublisherState.LISTENING, "a subscription")
        request(endpoint, Attach(stream="s", epoch=0, sequence=0), Attached, timeout=DEADLINE)
        for number in range(sent):
            header = msgspec.msgpack.encode(Header("s", 0, number))
            eventually(partial(taken, publisher, header), "room")
        flush = Flush(stream="s", sequence=sent)
        replies.append(request(endpoint, flush, Report, timeout=DEADLINE))
        publisher.close()
        replies.append(request(endpoint, Shutdown(), Done, timeout=DEADLINE))

    thread = threading.Thread(target=client)
    thread.start()
    deadline = time.monotonic() + 2 * DEADLINE
    with selectors.DefaultSelector() as selector:
        for number in server.filenos():
            selector.register(number, selectors.EVENT_READ)
        # No timer: an edge that is missed would hang here until the deadline.
        while not server.stopped.is_set():
            assert selector.select(deadline - time.monotonic()), "an edge was missed"
            server.poll_once()
    assert server.poll_once() == 0
    server.close()
    thread.join()
    assert isinstance(replies[0], Report)
    assert replies[0].streams["s"].shown == sent
    assert replies[1] == Done()


def test_poll_once_alone(free_port):
    with EchoViewer(port=free_port()) as server:
        assert server.poll_once() == 0
        with Raw(server.connection.endpoint, zmq.REQ) as client:
            client.send(encode(Echo(text="x")))
            turning(server, lambda: client.poll(0), "the answer")
            assert decode_reply(client.recv(), [Echoed]) == Echoed(text="x")


def test_serve_forever_ends_by_a_signal(free_port):
    server = EchoViewer(port=free_port())
    before = signal.signal(signal.SIGUSR1, lambda *_: server.request_stop())
    try:
        main = threading.get_ident()

        def send():
            ask_when_there()
            signal.pthread_kill(main, signal.SIGUSR1)

        def ask_when_there():
            eventually(lambda: list_connections("echo"), "its file")
            ping(list_connections("echo")[0].endpoint, DEADLINE)

        thread = threading.Thread(target=send)
        thread.start()
        server.serve_forever()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert list_connections() == []


def test_wake_and_stop_from_a_storm_of_signals(free_port):
    server = EchoViewer(port=free_port())
    count = 0

    def storm(*_):
        nonlocal count
        count += 1
        server.wake()
        if count >= 2000:
            signal.setitimer(signal.ITIMER_REAL, 0)
            server.request_stop()

    before = signal.signal(signal.SIGALRM, storm)
    try:
        server.bind()
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        server.serve_forever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert count >= 2000


def test_close_from_another_thread_than_serve_forevers(free_port):
    server = EchoViewer(port=free_port())
    server.bind()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    ask(server, Ping(), Pong)
    server.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert list_connections() == []


def test_a_server_that_does_not_turn_is_a_timeout(free_port):
    with EchoViewer(port=free_port()) as server, pytest.raises(RequestTimeout, match="no answer"):
        ask(server, Ping(), Pong, timeout=0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_client_without_descriptors_is_told_so_and_lives(viewer):
    """Where libzmq gets some of what it takes and not all, it ends the process, by `abort`."""
    code = """
        import os, resource, sys
        from coverslip.transport import Endpoint, TransportError, ping
        endpoint = Endpoint.from_url(sys.stdin.read())
        ping(endpoint, 20)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held, told = [], []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        while held:
            try:
                ping(endpoint, 20)
                told.append("answered")
            except TransportError as error:
                told.append("ulimit -n" in str(error))
            os.close(held.pop())
        print(told[0], told[-1], set(told) == {True, "answered"})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        input=viewer.connection.endpoint.to_url(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "True answered True\n", done.stderr


def test_a_handshake_has_longer_than_its_request(free_port):
    """Else a frozen server seems to turn the key away: libzmq gives a handshake 30 seconds."""
    with EchoViewer(port=free_port()) as server, open_context() as context:
        socket = open_request(context, server.connection.endpoint, 45.0)
        assert int(socket.getsockopt(zmq.HANDSHAKE_IVL)) > 45_000
        socket.close()


def test_others_are_warned_of(free_port, caplog):
    with caplog.at_level(logging.INFO), EchoViewer(port=free_port(), host="0.0.0.0") as server:
        assert server.connection.endpoint.host == "127.0.0.1"
        server.start()
        assert ask(server, Ping(), Pong).host == "0.0.0.0"
    assert "other machines reach 0.0.0.0" in caplog.text


def test_a_server_that_cannot_say_where_it_is_leaves_nothing(tmp_path, monkeypatch, free_port):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COVERSLIP_RUNTIME_DIR", str(tmp_path / "file" / "folder"))
    server = EchoViewer(port=free_port())
    with pytest.raises(TransportError, match="cannot use the folder"):
        server.bind()
    server.close()


@pytest.mark.parametrize("end", ["", "raise SystemExit(1)", "1 / 0"])
def test_a_process_that_ends_without_close_takes_its_file_along(end):
    code = (
        "from tests.transport.echo_viewer import EchoViewer; from coverslip import transport;"
        f"server = EchoViewer(); server.start(); print(transport.list_connections()); {end}"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Connection" in result.stdout
    assert list(runtime_folder().iterdir()) == []
