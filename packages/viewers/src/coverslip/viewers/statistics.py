"""What a stream knows of itself without asking anyone."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from coverslip.transport import Delivery

if TYPE_CHECKING:
    from coverslip.viewers.lane import Lane

__all__ = ["Rate", "Statistics"]

_WINDOW = 5.0


class Statistics(NamedTuple):
    """What a stream knows without asking.

    Attributes
    ----------
    sent, shown, dropped, failed : int
        Planes, summed over the viewers. The viewer's part is at most a quarter
        of a second old.
    pending : int
        Planes of which no end is known yet.
    bytes_in_flight : int
        Bytes of memory that hold planes, compressed or not, that some viewer has not got.
    rate : float
        Planes sent a second, over the last five.
    reasons : dict of str to int
        Why planes were dropped or failed, and how many for each reason.
    compressed : int
        Planes that travelled inline and compressed, summed over the viewers.
    state : tuple of str
        Each viewer's lane: ``"live"``, ``"waiting for the viewer"``, …
    transfer : tuple of str
        How pixels travel to each viewer, since it proved or failed to prove that it can read this
        stream's memory: ``"shared_memory"``, ``"inline"``; ``""`` before.
    """

    sent: int
    shown: int
    dropped: int
    failed: int
    pending: int
    bytes_in_flight: int
    rate: float
    reasons: dict[str, int]
    compressed: int
    state: tuple[str, ...]
    transfer: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, lanes: Sequence[Lane], delivery: Delivery, in_flight: int, rate: float
    ) -> Statistics:
        """Return a stream's, with what its lanes know now; its lock is held.

        Parameters
        ----------
        lanes : sequence of Lane
            The stream's.
        delivery : Delivery
            Their counts.
        in_flight : int
            Bytes of memory that hold planes.
        rate : float
            Planes sent a second.
        """
        reasons: Counter[str] = Counter()
        for lane in lanes:
            reasons.update(lane.account.reasons())
        return cls(
            *delivery,
            pending=delivery.pending,
            bytes_in_flight=in_flight,
            rate=rate,
            reasons=dict(reasons),
            compressed=sum(lane.compressed for lane in lanes),
            state=tuple(lane.state.value for lane in lanes),
            transfer=tuple(lane.transfer for lane in lanes),
        )

    @classmethod
    def total(cls, parts: Iterable[Statistics]) -> Statistics:
        """Return the sum of several streams' statistics; zeros for none."""
        found = list(parts)
        reasons: Counter[str] = Counter()
        for part in found:
            reasons.update(part.reasons)
        return cls(
            sent=sum(part.sent for part in found),
            shown=sum(part.shown for part in found),
            dropped=sum(part.dropped for part in found),
            failed=sum(part.failed for part in found),
            pending=sum(part.pending for part in found),
            bytes_in_flight=sum(part.bytes_in_flight for part in found),
            rate=sum(part.rate for part in found),
            reasons=dict(reasons),
            compressed=sum(part.compressed for part in found),
            state=tuple(state for part in found for state in part.state),
            transfer=tuple(transfer for part in found for transfer in part.transfer),
        )


class Rate:
    """Planes a second, over the last five; its stream's lock guards it."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque(maxlen=4096)

    def count(self, planes: int) -> None:
        """Take in that planes were sent now."""
        self._recent.append((time.monotonic(), planes))

    def now(self) -> float:
        """Return the rate."""
        now = time.monotonic()
        recent = [(when, planes) for when, planes in self._recent if when > now - _WINDOW]
        span = now - recent[0][0] if recent else 0.0
        return sum(planes for _, planes in recent) / span if span > 0 else 0.0
