"""A lane's account: what became of every plane that was to go to one viewer.

Planes are counted here when they are not published, and by the viewer from
then on. A viewer counts for one *instance* of itself; when it is replaced by
another, what the old one had not settled is lost, and the new one starts from
the next sequence number. So at any time::

    sent = shown + dropped + failed + pending

and ``pending`` is zero after a flush, or after the viewer's death.
"""

from __future__ import annotations

from collections import Counter

from coverslip.transport import Counts, Delivery

__all__ = ["Account"]


class Account:
    """Counts of one lane. Not thread-safe: its lane's lock guards it.

    Attributes
    ----------
    published : int
        Planes that were handed to the socket; the next plane's sequence number.
    """

    def __init__(self) -> None:
        self.published = 0
        self._here: Counter[str] = Counter()
        self._waiting = 0
        self._refused = 0
        self._shown = self._dropped = self._failed = 0
        self._lost: Counter[str] = Counter()
        self._instance = ""
        self._first = 0
        self._counts = Counts(first=0, next=0, shown=0, dropped=0, failed=0, reasons={})

    def wait(self, planes: int) -> None:
        """`planes` more wait on this side, for the viewer to start or to make room."""
        self._waiting += planes

    def publish(self, planes: int) -> int:
        """Take `planes` from those that wait; return the sequence number of their first."""
        sequence = self.published
        self.published += planes
        self._waiting -= planes
        return sequence

    def drop(self, planes: int, reason: str, *, waiting: bool = False) -> None:
        """`planes` were never published; with `waiting`, they were among those that wait."""
        self._here[reason] += planes
        if waiting:
            self._waiting -= planes

    @property
    def expected(self) -> int:
        """Sequence number of the plane after those that are published or wait."""
        return self.published + self._waiting

    def fail(self, planes: int, reason: str, *, waiting: bool = False) -> None:
        """`planes` can never be sent, to any viewer; with `waiting`, they were among those."""
        self._failed += planes
        self._lost[reason] += planes
        self._refused += planes
        if waiting:
            self._waiting -= planes

    def attached(self, instance: str, counts: Counts) -> None:
        """Take over the account of the viewer that answered `Attach`.

        A new instance knows nothing of its predecessor's planes, nor does a
        viewer that made room for other streams: those that were not settled are
        dropped.
        """
        if instance != self._instance or counts.first != self._first:
            self.lost("the viewer ended before it showed them")
            self._instance = instance
            self._first = counts.first
        self._counts = counts

    def reported(self, counts: Counts) -> None:
        """Take over a newer report of the same instance; one of its predecessor comes late."""
        if counts.first == self._first and _settled(counts) >= _settled(self._counts):
            self._counts = counts

    def lost(self, reason: str) -> None:
        """Close the account of an instance that is gone: what it had not settled is dropped."""
        missing = self.unsettled
        counts = self._counts
        self._shown += counts.shown
        self._failed += counts.failed
        self._dropped += counts.dropped + missing
        self._lost.update(counts.reasons)
        if missing:
            self._lost[reason] += missing
        self._instance = ""
        self._first = self.published
        self._counts = Counts(
            first=self.published, next=self.published, shown=0, dropped=0, failed=0, reasons={}
        )

    @property
    def unsettled(self) -> int:
        """Planes published to this instance of which no end is known yet."""
        return max(0, self.published - self._first - _settled(self._counts))

    @property
    def settled(self) -> int:
        """Planes whose end is known: grows while the viewer gets on."""
        return self._shown + self._dropped + self._failed + _settled(self._counts)

    def delivery(self) -> Delivery:
        """Return the counts as they are known now."""
        here = self._here.total()
        return Delivery(
            sent=self.published + self._waiting + here + self._refused,
            shown=self._shown + self._counts.shown,
            dropped=self._dropped + self._counts.dropped + here,
            failed=self._failed + self._counts.failed,
        )

    def reasons(self) -> dict[str, int]:
        """Return why planes were dropped or failed, and how many for each reason."""
        return dict(self._here + self._lost + Counter(self._counts.reasons))


def _settled(counts: Counts) -> int:
    return counts.shown + counts.dropped + counts.failed
