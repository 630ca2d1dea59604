"""A server's pair of ports: binding is the lock, a holder is named and left alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from coverslip.transport import (
    AddressError,
    PortTaken,
    find,
    list_connections,
    ping,
    port_holder,
    runtime_folder,
)
from tests.transport.echo_viewer import EchoViewer
from tests.waiting import DEADLINE, eventually


@pytest.fixture
def stranger(free_port):
    """A web server on a port, as anybody may have one."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=runtime_folder(),
    )

    def up():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(up, "the web server")
    yield port, process
    process.kill()
    process.wait(DEADLINE)


def test_a_port_of_ones_own_choice(free_port):
    port = free_port()
    with EchoViewer(port=port) as server:
        assert server.connection.endpoint.port == port
        assert find("echo", port) == server.connection
        assert port_holder(port) == port_holder(port + 1000) == str(server.connection)


def test_a_taken_port_names_the_server_that_has_it(viewer):
    port = viewer.connection.endpoint.port
    pattern = rf"port {port} .* taken by coverslip echo viewer 'test' .*pid {os.getpid()}"
    with pytest.raises(PortTaken, match=pattern) as caught:
        EchoViewer(port=port).bind()
    assert caught.value.port == port
    assert list_connections() == [viewer.connection]
    assert ping(viewer.connection.endpoint, DEADLINE).state == "ready"


@pytest.mark.parametrize("offset", [0, 1000])
def test_a_strangers_port_names_the_program_and_leaves_it_alone(stranger, offset):
    held, process = stranger
    with pytest.raises(PortTaken, match=rf"port {held}.*pid {process.pid} .*http.server"):
        EchoViewer(port=held - offset).bind()
    assert process.poll() is None
    with socket.create_connection(("127.0.0.1", held), DEADLINE) as client:
        client.settimeout(DEADLINE)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 200")
    assert list_connections() == []


def test_nobody_holds_it(free_port):
    assert port_holder(free_port()) is None


def counting_from(port):
    class Counting(EchoViewer):
        default_port = port

    return Counting


@pytest.mark.parametrize("offset", [0, 1000])
def test_the_next_pair_when_no_port_was_asked_for(stranger, offset):
    held, process = stranger
    with counting_from(held - offset)() as server:
        assert server.connection.endpoint.port > held - offset
        assert server.connection.endpoint.port != held
    assert process.poll() is None


def test_when_none_is_free(free_port, monkeypatch):
    monkeypatch.setattr("coverslip.transport.ports._MOST_PAIRS", 2)
    cls = counting_from(free_port())
    with cls(), cls(), pytest.raises(PortTaken, match="no free pair of ports"):
        cls().bind()


def start_together(servers):
    """Bind all at one moment; return what each came to."""
    barrier = threading.Barrier(len(servers))
    ends: list[object] = [None] * len(servers)

    def bind(number):
        barrier.wait(DEADLINE)
        try:
            ends[number] = servers[number].bind()
        except PortTaken as error:
            ends[number] = error

    threads = [threading.Thread(target=bind, args=(number,)) for number in range(len(servers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_many_at_one_moment_each_get_a_pair(free_port):
    cls = counting_from(free_port())
    servers = [cls() for _ in range(8)]
    found = start_together(servers)
    assert sorted(each.instance for each in found) == sorted(
        each.instance for each in list_connections()
    )
    assert len({each.endpoint.port for each in found}) == len(servers)
    for server in servers:
        server.close()
    assert list_connections() == []


def test_many_at_one_port_one_gets_it(free_port):
    port = free_port()
    servers = [EchoViewer(port=port) for _ in range(6)]
    ends = start_together(servers)
    won = [each for each in ends if not isinstance(each, PortTaken)]
    assert len(won) == 1
    assert list_connections() == won
    for server in servers:
        server.close()


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid", "999.1.1.1"])
def test_a_host_that_is_not_here(free_port, host):
    with pytest.raises(AddressError, match="cannot serve on"):
        EchoViewer(port=free_port(), host=host).bind()


@pytest.mark.parametrize("host", ["localhost", "::1", "*"])
def test_other_names_of_this_machine(free_port, host):
    if host == "::1" and not _has_ipv6():
        pytest.skip("no IPv6 on this machine")
    with EchoViewer(port=free_port(), host=host) as server:
        server.start()
        assert ping(server.connection.endpoint, DEADLINE).state == "ready"


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
