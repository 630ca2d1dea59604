"""The default ports: free, a viewer's of ours, or somebody else's."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from coverslip.transport import CONTROL_OFFSET, list_connections, port_holder
from coverslip.viewers.doctor.finding import Finding, State
from coverslip.viewers.kinds import viewer_kinds, visualizer_class

__all__ = ["check_ports"]

_HOST = "127.0.0.1"


def check_ports() -> Iterator[Finding]:
    """Look at the pair of ports that each kind of viewer takes by default."""
    ours = {connection.endpoint.port for connection in list_connections()}
    for kind in viewer_kinds():
        port = visualizer_class(kind).default_port
        name = f"ports of {kind}"
        pair = (port, port + CONTROL_OFFSET)
        taken = [one for one in pair if not _is_free(one)]
        if not taken:
            yield Finding(name, State.OK, f"{pair[0]} and {pair[1]} are free")
        elif port in ours:
            yield Finding(name, State.OK, f"{pair[0]} and {pair[1]}: {port_holder(port)}")
        else:
            holders = ", ".join(
                f"{one} is held by {port_holder(one) or 'a program unknown here'}" for one in taken
            )
            yield Finding(
                name,
                State.WARN,
                holders,
                "nothing: a viewer takes the next free pair, unless that very port is asked for",
            )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers bind: connections that have just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
