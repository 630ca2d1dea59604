"""Planes that the server thread has put in and the GUI thread has not yet taken out."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, NamedTuple

from numpy.typing import NDArray

from coverslip.payload import Placement

__all__ = ["Arrival", "Inbox"]

_PLANES = 1 << 14


class Arrival(NamedTuple):
    """One plane on its way from the server thread to the GUI thread."""

    stream: str
    sequence: int
    placement: Placement
    pixels: NDArray[Any]
    """``(y, x)``, ``(y, x, c)`` or a table, owned by the viewer, read-only by agreement."""
    origin: str
    limits: tuple[float, float] | None
    """What contrast the plane asks for; None for one of one value, for RGB and for annotations."""
    tile: NDArray[Any] | None = None
    """The plane at reduced size, for an overview; None where the viewer has none."""
    late: bool = False
    """Newer ones came before it."""


class Inbox:
    """Holds each arrival once, in order, until it is taken; never refuses one.

    One thread puts, another takes. It is bounded by whoever puts, who asks `has_room` before the
    next message: one message more than the bound may be in it.

    Parameters
    ----------
    nbytes : int
        Bytes of planes for which there is room.
    """

    def __init__(self, nbytes: int) -> None:
        self._limit = nbytes
        self._arrivals: deque[Arrival] = deque()
        self._lock = threading.Lock()
        self._held = 0

    def __len__(self) -> int:
        return len(self._arrivals)

    @property
    def has_room(self) -> bool:
        """Whether another message may be read."""
        return self._held < self._limit and len(self._arrivals) < _PLANES

    def put(self, arrival: Arrival) -> None:
        """Add one; the putting thread."""
        with self._lock:
            self._held += arrival.pixels.nbytes
        self._arrivals.append(arrival)

    def take(self) -> Arrival | None:
        """Return the oldest, or None; the taking thread. Its bytes count until `settle`."""
        return self._arrivals.popleft() if self._arrivals else None

    def settle(self, nbytes: int) -> None:
        """Count bytes that were taken as gone; once for many planes, since it takes a lock."""
        with self._lock:
            self._held -= nbytes
