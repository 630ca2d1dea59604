"""How far a viewer may be behind with reading what a lane sends it."""

from __future__ import annotations

from collections.abc import Iterable

from coverslip.payload import Arena
from coverslip.viewers.parcel import Parcel

__all__ = ["WINDOW", "Credit"]

WINDOW = 512
"""Planes that the viewer may have been sent and not yet read.

A viewer's queue must never be full: ZeroMQ then stops reading that connection, heartbeats
included, and a viewer that is merely slow is cut off as if it were frozen (measured).
"""


class Credit:
    """Planes that may be sent before the viewer reads on; under its lane's lock.

    Parameters
    ----------
    arena : Arena
        Where a plane that was sent is leased until the viewer has copied it.
    index : int
        Which byte of a slot is the lane's.
    """

    def __init__(self, arena: Arena, index: int) -> None:
        self._arena = arena
        self._index = index
        self._left = WINDOW

    def begin(self) -> None:
        """Forget what was sent: the viewer begins anew."""
        self._left = WINDOW

    def allows(self, queue: Iterable[Parcel]) -> bool:
        """Whether the first parcel of the lane's queue may be sent."""
        if self._left <= 0:
            # A copied plane's lease is over; what is queued is leased and not sent.
            queued = sum(len(parcel.planes) for parcel in queue)
            self._left = WINDOW - (self._arena.leases(self._index) - queued)
        return self._left > 0

    def spend(self, planes: int) -> None:
        """Count planes that were sent."""
        self._left -= planes
