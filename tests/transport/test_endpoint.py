"""Where a server is, as a struct and as a line."""

from __future__ import annotations

import pytest

from coverslip.transport import AddressError, Endpoint, KeyPair

SERVER, CLIENT = KeyPair.new(), KeyPair.new()


def endpoint(kind="napari", host="127.0.0.1", port=5555):
    return Endpoint(
        kind=kind,
        host=host,
        port=port,
        server_key=SERVER.public,
        client_secret=CLIENT.secret,
    )


@pytest.mark.parametrize(
    ("kind", "host"),
    [("napari", "127.0.0.1"), ("fiji", "::1"), ("my viewer@2", "node-7.cluster.example")],
)
def test_a_line_gives_the_same_endpoint(kind, host):
    made = endpoint(kind, host, 64535)
    line = made.to_url()
    assert line.startswith("coverslip://")
    assert Endpoint.from_url(f"  {line}\n") == made
    assert hash(Endpoint.from_url(line)) == hash(made)


def test_addresses():
    made = endpoint()
    assert (made.data_address, made.control_address) == (
        "tcp://127.0.0.1:5555",
        "tcp://127.0.0.1:6555",
    )
    assert endpoint(host="::1").data_address == "tcp://[::1]:5555"
    assert made.client_public == CLIENT.public


def test_repr_hides_the_secrets():
    assert CLIENT.secret not in repr(endpoint())
    assert CLIENT.secret not in repr(CLIENT)


@pytest.mark.parametrize("port", [0, -1, 64536, 65535, 10**9])
def test_a_port_whose_pair_cannot_be(port):
    with pytest.raises(AddressError, match="out of range"):
        endpoint(port=port)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line[:-6], "damaged"),
        (lambda line: line.partition("&")[0], "no client key"),
        (lambda line: line.partition("?")[0], "no server key"),
        (lambda line: line.replace("coverslip:", "http:"), "expected coverslip://"),
        (lambda line: line.replace(":5555", ":99999"), "not a coverslip:// line"),
        (lambda line: line.replace("?", ""), "in quotes where a shell reads it"),
        (lambda line: line.replace("client=", "client%3D"), "not a coverslip:// line"),
        (lambda line: line.replace(":5555", ":64999"), "out of range"),
        (lambda line: line.replace(":5555", ""), "expected coverslip://"),
        (lambda line: line.replace("napari@", ""), "expected coverslip://"),
        (lambda line: line.replace("&", "&server=x&"), "no server key"),
        (lambda line: "coverslip://[::1", "not a coverslip:// line"),
        (lambda line: "", "expected coverslip://"),
    ],
)
def test_a_line_that_is_none(change, message):
    line = endpoint().to_url()
    with pytest.raises(AddressError, match=message) as caught:
        Endpoint.from_url(change(line))
    _, _, key = line.partition("client=")
    assert key
    assert key not in str(caught.value)


@pytest.mark.parametrize("host", ["a b", "*", "me;127.0.0.1", "-a", "h\n", "h/x", "ä", "[::1]"])
def test_a_host_that_is_none(host):
    with pytest.raises(AddressError, match="neither a host's name nor its address"):
        endpoint(host=host)


@pytest.mark.parametrize("key", ["", "short", "|" * 40, "é" * 40, "a" * 41, "#" * 40])
def test_a_key_that_is_none(key):
    with pytest.raises(AddressError, match="not a Z85 key"):
        Endpoint(kind="k", host="h", port=1, server_key=key, client_secret=CLIENT.secret)
