"""Who does not hold the key gets nothing, and takes nothing from those who do."""

from __future__ import annotations

import socket

import msgspec
import pytest
import zmq

from coverslip.transport import (
    Attach,
    Attached,
    KeyPair,
    Ping,
    Pong,
    ProtocolError,
    Publisher,
    PublisherState,
    Report,
    Status,
    encode,
    ping,
    request,
)
from tests.transport.echo_viewer import Header
from tests.waiting import DEADLINE, eventually

PATIENCE = 500
"""Milliseconds to see that nothing comes; a let-in client is answered in two."""


@pytest.fixture
def intrude():
    """Open a socket without what it takes, connecting to an address."""
    context, opened = zmq.Context(), []

    def connect(kind, how, endpoint, address):
        intruder = context.socket(kind)
        opened.append(intruder)
        dress(intruder, endpoint, how)
        intruder.connect(address)
        return intruder

    yield connect
    context.destroy(linger=0)


def dress(connecting, endpoint, how):
    connecting.linger = 0
    if how == "no curve":
        return
    pair = KeyPair.new()
    connecting.curve_serverkey = (
        KeyPair.new().public if how == "wrong server key" else endpoint.server_key
    ).encode()
    secret = endpoint.client_secret if how == "wrong server key" else pair.secret
    connecting.curve_secretkey = secret.encode()
    connecting.curve_publickey = zmq.curve_public(secret.encode())


HOW = ["no curve", "server key alone", "wrong server key"]


@pytest.mark.parametrize("how", HOW)
def test_no_request_gets_in(viewer, intrude, how):
    endpoint = viewer.connection.endpoint
    client = intrude(zmq.DEALER, how, endpoint, endpoint.control_address)
    for _ in range(3):
        client.send_multipart([b"", encode(Ping())])
    assert not client.poll(PATIENCE)
    pong = ping(endpoint, DEADLINE)
    # ZAP sees those who could talk to it; the others ZeroMQ itself turns away.
    assert (pong.refused > 0) == (how == "server key alone")


@pytest.mark.parametrize("how", HOW)
def test_no_data_get_in(viewer, intrude, how):
    endpoint = viewer.connection.endpoint
    request(endpoint, Attach(stream="s", epoch=0, sequence=0), Attached, timeout=DEADLINE)
    intruder = intrude(zmq.XPUB, how, endpoint, endpoint.data_address)
    assert not intruder.poll(PATIENCE), "it was subscribed to"
    intruder.send(msgspec.msgpack.encode(Header("s", 0, 0)))
    report = request(endpoint, Status(), Report, timeout=DEADLINE)
    assert report.streams["s"].next == 0


def test_who_sends_to_a_stranger_is_not_heard(viewer):
    endpoint = msgspec.structs.replace(
        viewer.connection.endpoint, client_secret=KeyPair.new().secret
    )
    publisher = Publisher(endpoint)
    eventually(lambda: viewer.refused, "ZAP refuses")
    assert publisher.poll() is PublisherState.CONNECTING
    publisher.close()
    with pytest.raises(ProtocolError, match="refused the handshake"):
        ping(endpoint, DEADLINE)


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xff" + b"\x00" * 8 + b"\x7f" + b"\x03\x01CURVE" + b"\x00" * 200,
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + b"\x00" * 48 + b"\x04\x05READY",
        b"",
        bytes(range(256)) * 256,
    ],
    ids=["http", "greeting cut", "null", "nothing", "noise"],
)
def test_plain_tcp_gets_nothing_and_the_server_goes_on(viewer, words):
    endpoint = viewer.connection.endpoint
    for port in (endpoint.port, endpoint.control_port):
        crowd = [socket.create_connection((endpoint.host, port), timeout=5) for _ in range(20)]
        for plain in crowd:
            try:
                plain.sendall(words)
            except OSError:
                continue
        assert request(endpoint, Ping(), Pong, timeout=DEADLINE).state == "ready"
        for plain in crowd:
            plain.close()
    assert ping(endpoint, DEADLINE).refused == 0
