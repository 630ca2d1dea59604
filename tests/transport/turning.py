"""Waiting on a server that has no thread: whoever waits turns it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from coverslip.transport import ZMQServer
from tests.waiting import eventually

T = TypeVar("T")


def turning(server: ZMQServer, condition: Callable[[], T], what: str) -> T:
    """Do as `eventually`, turning the server meanwhile."""

    def turn() -> T:
        server.poll_once()
        return condition()

    return eventually(turn, what)
