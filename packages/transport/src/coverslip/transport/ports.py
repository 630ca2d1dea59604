"""Ports: bind a server's pair, and say who holds one that is taken.

A server binds its ports itself, and binding is the lock: nothing is probed and released, so two
servers that start at one moment never believe in the same pair.
"""

from __future__ import annotations

import logging
import socket as system_socket
import sys
from errno import EACCES
from typing import Final

import psutil
import zmq

from coverslip.transport.connection import list_connections
from coverslip.transport.endpoint import CONTROL_OFFSET, check_port, tcp_address
from coverslip.transport.errors import AddressError, PortTaken
from coverslip.transport.identity import describe_process
from coverslip.transport.sockets import Socket

__all__ = [
    "bind_pair",
    "candidates",
    "is_loopback",
    "outward_addresses",
    "port_holder",
    "port_taken",
    "resolve",
]

logger = logging.getLogger(__name__)

_MOST_PAIRS: Final = 256


def candidates(port: int | None, default_port: int) -> range:
    """Return the data ports to try: the one asked for, or a run from the default one."""
    if port is not None:
        return range(check_port(port), port + 1)
    last = min(default_port + _MOST_PAIRS, 65536 - CONTROL_OFFSET)
    return range(check_port(default_port), last)


def bind_pair(data: Socket, control: Socket, host: str, port: int) -> int | None:
    """Bind a data socket to a port and a control socket `CONTROL_OFFSET` above.

    Parameters
    ----------
    data, control : zmq.Socket
        Unbound sockets; unbound again when this gives up.
    host : str
        Address to bind, as `resolve` gives it.
    port : int
        Data port.

    Returns
    -------
    int or None
        The port that someone else holds; None when both are bound.

    Raises
    ------
    AddressError
        When the host is no address of this machine, or the port needs privileges.
    """
    if not _bind(data, host, port):
        return port
    bound = False
    try:
        bound = _bind(control, host, port + CONTROL_OFFSET)
    finally:
        if not bound:
            data.unbind(tcp_address(host, port))
    return None if bound else port + CONTROL_OFFSET


def port_taken(taken: int, port: int, host: str) -> PortTaken:
    """Return the error that names who holds a port which a pair needs."""
    holder = port_holder(taken)
    which = "" if taken == port else f" (the control port of {port})"
    return PortTaken(
        f"port {taken}{which} on {host} is taken by {holder or 'a program unknown here'}; "
        "it is left alone: choose another port, or none to get the next free one",
        port=port,
        holder=holder,
    )


def port_holder(port: int) -> str | None:
    """Return who listens on a TCP port of this machine, for people to read.

    Returns
    -------
    str or None
        One of ours by its kind and title, another program by its pid and command line; None when
        the system does not tell (another user's program, often).
    """
    for connection in list_connections():
        if port in (connection.endpoint.port, connection.endpoint.control_port):
            return str(connection)
    try:
        listening = [
            entry.pid
            for entry in psutil.net_connections(kind="tcp")
            if entry.status == psutil.CONN_LISTEN and entry.laddr and entry.laddr.port == port
        ]
    except (psutil.Error, OSError) as error:
        logger.debug("who holds port %d cannot be known: %s", port, error)
        return None
    return next((describe_process(pid) for pid in listening if pid), None)


def resolve(host: str) -> str:
    """Return the numeric address of a host name, which is all that a bind takes.

    Raises
    ------
    AddressError
        When the name is not known.
    """
    if host == "*":
        return "0.0.0.0"
    try:
        entries = system_socket.getaddrinfo(host, None, type=system_socket.SOCK_STREAM)
    except OSError as error:
        raise AddressError(f"cannot serve on host {host!r}: {error}; use an address") from None
    # IPv4 first: "localhost" has both, and clients of one would miss the other.
    entries.sort(key=lambda entry: entry[0] != system_socket.AF_INET)
    return str(entries[0][4][0])


def outward_addresses() -> list[str]:
    """Return this machine's addresses that others may reach, the likeliest first."""
    interfaces = psutil.net_if_stats()
    found = [
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        if name in interfaces and interfaces[name].isup
        for entry in entries
        if entry.family in (system_socket.AF_INET, system_socket.AF_INET6)
    ]
    # A link-local address means nothing without the name of the sender's own interface.
    usable = [each for each in found if not is_loopback(each) and "%" not in each]
    chosen = _towards_the_internet()
    return sorted(dict.fromkeys(usable), key=lambda each: (each != chosen, ":" in each))


def _towards_the_internet() -> str | None:
    """Return the address that packets to elsewhere would leave from; none is sent."""
    with system_socket.socket(system_socket.AF_INET, system_socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of RFC 5737: for examples, nobody's
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address


def is_loopback(address: str) -> bool:
    """Say whether only this machine can reach an address."""
    return address.startswith("127.") or address == "::1"


def _bind(socket: Socket, host: str, port: int) -> bool:
    try:
        socket.bind(tcp_address(host, port))
    except zmq.ZMQError as error:
        # Windows says EACCES of a port that another program holds exclusively.
        if error.errno == zmq.EADDRINUSE or (sys.platform == "win32" and error.errno == EACCES):
            return False
        raise AddressError(
            f"cannot serve on {host}, port {port}: {error.strerror}; name an address of this "
            "machine and a port that needs no privileges"
        ) from None
    return True
