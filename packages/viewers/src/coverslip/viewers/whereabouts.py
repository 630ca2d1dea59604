"""Where a viewer answers: what is known of it, and who took its port when it is gone."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import ClassVar

from coverslip.transport import Connection, Endpoint, is_serving
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.finding import ask, candidates, successor
from coverslip.viewers.target import Presence

__all__ = ["Whereabouts"]


class Whereabouts(ABC):
    """One viewer of one kind, as its connection file says where it is. Safe from any thread."""

    kind: ClassVar[str]
    host: str
    viewer_title: str | None

    _wanted_port: int | None
    """The port that was asked for."""

    _connection: Connection | None
    """The viewer's, as far as it is known; changed by the lanes' threads, too."""

    _connecting: threading.Lock
    """Guards `_connection`; never held for long."""

    @property
    def is_running(self) -> bool:
        """Whether the viewer answers now."""
        connection = self._connection
        return connection is not None and ask(connection) is not None

    @property
    def connection(self) -> Connection:
        """The viewer's connection file.

        Raises
        ------
        ViewerGone
            There is none: it was not started, or has not bound its sockets yet.
        """
        if self._connection is None:
            raise ViewerGone(f"no {self.kind} viewer runs; start_viewer() starts one")
        return self._connection

    @property
    def endpoint(self) -> Endpoint:
        """Where the viewer answers; raises as `connection` does."""
        return self.connection.endpoint

    @property
    def port(self) -> int | None:
        """Data port: the viewer's, or the one that was asked for."""
        connection = self._connection
        return self._wanted_port if connection is None else connection.endpoint.port

    # ---- Target -----------------------------------------------------------------------

    def locate(self) -> Endpoint | None:
        """Return where the viewer answers; finds one that took a dead one's port."""
        connection = self._connection
        if connection is None:
            # Not started from here: somebody may start one meanwhile.
            if self.presence() is Presence.STARTING:
                return None
            connection = self._connect(None, next(iter(self._candidates()), None))
            return None if connection is None else connection.endpoint
        if not is_serving(connection):
            heir = successor(connection)
            if heir is None:
                return None
            connection = self._connect(connection, heir)
        return None if connection is None else connection.endpoint

    @abstractmethod
    def presence(self) -> Presence:
        """Return what is known of the viewer's process."""

    # ---- the parts --------------------------------------------------------------------

    def _candidates(self) -> list[Connection]:
        return candidates(self.kind, self._wanted_port, self.viewer_title, self.host)

    def _connect(self, seen: Connection | None, found: Connection | None) -> Connection | None:
        """Take `found` unless another thread changed the connection since it was `seen`.

        Returns
        -------
        Connection or None
            The one that holds now.
        """
        with self._connecting:
            if self._connection is seen:
                self._connection = found
            return self._connection
