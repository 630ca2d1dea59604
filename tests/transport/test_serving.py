"""Who turns a server's wheel, and how it ends: a loop, a signal, another thread, its process."""

from __future__ import annotations

import logging
import selectors
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import msgspec
import pytest
import zmq

from coverslip.transport import (
    Attach,
    Attached,
    Done,
    Flush,
    Ping,
    Pong,
    Publisher,
    PublisherState,
    Reply,
    Report,
    RequestTimeout,
    Shutdown,
    TransportError,
    decode_reply,
    encode,
    list_connections,
    ping,
    request,
    runtime_folder,
)
from coverslip.transport.sockets import open_context, open_request
from tests.transport.echo_viewer import Echo, Echoed, EchoViewer, Header
from tests.transport.odd_viewer import Odd, Raw, ask, taken
from tests.transport.turning import turning
from tests.waiting import DEADLINE, eventually


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
