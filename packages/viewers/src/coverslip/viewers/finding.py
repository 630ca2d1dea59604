"""Which viewers run, and which of them answer: from connection files, asking each."""

from __future__ import annotations

import logging

from coverslip.transport import Connection, Pong, TransportError, list_connections, ping

__all__ = ["LOCAL_HOSTS", "PATIENCE", "ask", "candidates", "successor"]

logger = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds that a viewer which is well has to answer."""


LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""What this machine calls itself."""


def candidates(
    kind: str, port: int | None, title: str | None, host: str = "localhost"
) -> list[Connection]:
    """Return the running viewers of a kind on a port, or of a title, or any; newest first.

    All are this machine's: of another `host` there is only one that was bound to that very address.
    """
    found = [
        connection
        for connection in list_connections(kind)
        if (host in LOCAL_HOSTS or host == connection.endpoint.host)
        and (
            connection.endpoint.port == port
            if port is not None
            else title in (None, connection.title)
        )
    ]
    return sorted(found, key=lambda connection: connection.start_time, reverse=True)


def successor(connection: Connection) -> Connection | None:
    """Return the viewer that took a dead one's port, if one did."""
    endpoint = connection.endpoint
    return next(iter(candidates(endpoint.kind, endpoint.port, None)), None)


def ask(connection: Connection, timeout: float = PATIENCE) -> Pong | None:
    """Return what a viewer says of itself, None if it does not answer."""
    try:
        return ping(connection.endpoint, timeout)
    except TransportError as error:
        logger.debug("%s: %s", connection, error)
        return None
