"""Where a server is: host, ports and keys, as a struct and as one line to copy.

Says nothing about whether a server is there: connection files (`connection`) and requests
(`client`) do.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import msgspec
from zmq.utils import z85

from coverslip.transport.errors import AddressError
from coverslip.transport.keys import public_key

__all__ = ["CONTROL_OFFSET", "SCHEME", "Endpoint", "check_port", "tcp_address"]

CONTROL_OFFSET: Final = 1000
"""The control port is the data port and this."""

SCHEME: Final = "coverslip"
"""Of the line that says where a server is: ``coverslip://…``."""

_HIGHEST_PORT: Final = 65535 - CONTROL_OFFSET
_KEY_BYTES: Final = 32
_HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:%_-]*")
"""What ZeroMQ takes to connect to, less what names another end as well."""

_NO_LINE: Final = (
    f"not a {SCHEME}:// line: expected {SCHEME}://kind@host:port?server=…&client=…, "
    "in quotes where a shell reads it"
)


def check_port(port: int) -> int:
    """Check that a data port and its control port can exist.

    Raises
    ------
    AddressError
        When either is outside 1..65535.
    """
    if not 1 <= port <= _HIGHEST_PORT:
        raise AddressError(
            f"port {port} is out of range: the control port is the data port + {CONTROL_OFFSET}, "
            f"so choose 1 to {_HIGHEST_PORT}"
        )
    return port


def tcp_address(host: str, port: int) -> str:
    """Return ZeroMQ's address of a TCP port; an IPv6 host goes into brackets."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one server, and the key that it lets in.

    Parameters
    ----------
    kind : str
        What the server is: ``"napari"``, ``"fiji"``, a third party's own word.
    host : str
        Name or address that a client connects to.
    port : int
        Data port; the control port is `CONTROL_OFFSET` above.
    server_key : str
        The server's public key, Z85.
    client_secret : str
        The secret key of the one client that the server lets in, Z85. `repr` hides it.

    Raises
    ------
    AddressError
        When a port is out of range, a key or host is invalid, or the kind is empty.
    """

    kind: str
    host: str
    port: int
    server_key: str
    client_secret: str

    def __post_init__(self) -> None:
        check_port(self.port)
        if not self.kind or not self.host:
            raise AddressError("an endpoint needs a kind and a host")
        if not _HOST.fullmatch(self.host):
            raise AddressError(f"{self.host[:80]!r} is neither a host's name nor its address")
        _key_bytes("server key", self.server_key)
        _key_bytes("client key", self.client_secret)

    def __repr__(self) -> str:
        return f"Endpoint({self.kind!r}, {self.host!r}, {self.port})"

    @property
    def control_port(self) -> int:
        """The port that requests go to."""
        return self.port + CONTROL_OFFSET

    @property
    def data_address(self) -> str:
        """ZeroMQ's address of the data socket."""
        return tcp_address(self.host, self.port)

    @property
    def control_address(self) -> str:
        """ZeroMQ's address of the control socket."""
        return tcp_address(self.host, self.control_port)

    @property
    def client_public(self) -> str:
        """The public half of the client's key, Z85."""
        return public_key(self.client_secret)

    def reached_at(self, host: str, port: int | None = None) -> Endpoint:
        """Return the same server as others reach it: by another name, or at a tunnel's end.

        Parameters
        ----------
        host : str
            Name or address.
        port : int, optional
            Data port there; the same as here if None.

        Raises
        ------
        AddressError
            When the host is invalid or the port out of range.
        """
        return msgspec.structs.replace(self, host=host, port=self.port if port is None else port)

    def to_url(self) -> str:
        """Return the endpoint as one line, key included: whoever has it is let in."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        keys = {"server": _to_url(self.server_key), "client": _to_url(self.client_secret)}
        return f"{SCHEME}://{quote(self.kind, safe='')}@{host}:{self.port}?{urlencode(keys)}"

    @classmethod
    def from_url(cls, text: str) -> Endpoint:
        """Read what `to_url` wrote.

        Parameters
        ----------
        text : str
            A ``coverslip://`` line.

        Raises
        ------
        AddressError
            When the line is cut, mistyped or of another scheme. The message never shows the key.
        """
        try:
            parts = urlsplit(text.strip())
            port = parts.port
            query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        except ValueError:
            # Not in these errors' own words: they quote the line, and so the key.
            raise AddressError(_NO_LINE) from None
        if parts.scheme != SCHEME or not parts.username or not parts.hostname or port is None:
            raise AddressError(_NO_LINE)
        keys = []
        for name in ("server", "client"):
            values = query.get(name, [])
            if len(values) != 1:
                raise AddressError(f"the {SCHEME}:// line has no {name} key: was it cut?")
            keys.append(_from_url(name, values[0]))
        kind = unquote(parts.username)
        return cls(
            kind=kind, host=parts.hostname, port=port, server_key=keys[0], client_secret=keys[1]
        )


def _key_bytes(what: str, text: str) -> bytes:
    try:
        key = z85.decode(text.encode("ascii"))
    # struct.error: five characters that are more than 32 bits.
    except (ValueError, KeyError, struct.error):
        key = b""
    if len(key) != _KEY_BYTES:
        raise AddressError(f"the {what} is not a Z85 key of {_KEY_BYTES} bytes")
    return key


def _to_url(key: str) -> str:
    return base64.urlsafe_b64encode(z85.decode(key)).rstrip(b"=").decode()


def _from_url(name: str, text: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise AddressError(f"the {name} key of the {SCHEME}:// line is damaged: was it cut?")
    return z85.encode(raw).decode()
