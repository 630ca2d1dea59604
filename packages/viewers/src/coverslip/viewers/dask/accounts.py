"""What became of a whole cluster's planes, from those who know: workers, and the viewers.

A worker that lives knows of all that its tasks sent. Of one that was killed, and of a process that
a task started, the viewers know what reached them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coverslip.transport import Counts, Delivery

__all__ = ["Accounts"]


class Accounts:
    """Adds up streams' accounts; remembers those of streams that are gone. For one thread."""

    def __init__(self) -> None:
        self._told: dict[str, Delivery] = {}
        """What workers said last, by stream."""
        self._seen: dict[str, Delivery] = {}
        """What viewers said last, by stream, summed over them."""

    def take(self, told: Mapping[str, Delivery], seen: Iterable[Mapping[str, Counts]]) -> Delivery:
        """Take in what is said now, and return the sum.

        Parameters
        ----------
        told : mapping of str to Delivery
            Each living worker's account of its stream.
        seen : iterable of mapping of str to Counts
            Each viewer's accounts of the cluster's streams.
        """
        self._told.update(told)
        fresh: dict[str, Delivery] = {}
        for counts in seen:
            for stream, one in counts.items():
                fresh[stream] = _sum([fresh.get(stream, _NOTHING), _as_delivery(one)])
        self._seen.update(fresh)
        streams = self._told.keys() | self._seen.keys()
        return _sum(told.get(stream) or self._of_the_gone(stream) for stream in streams)

    def _of_the_gone(self, stream: str) -> Delivery:
        """Return the account of a stream that nobody keeps any more, or whose process we know not.

        What it sent and the viewers never met ended with its process.
        """
        last = self._told.get(stream, _NOTHING)
        seen = self._seen.get(stream, _NOTHING)
        if seen.sent < last.shown + last.failed:
            # The viewers do not know it any more: another one was started.
            seen = Delivery(last.shown + last.failed, last.shown, 0, last.failed)
        sent = max(last.sent, seen.sent)
        return Delivery(sent, seen.shown, seen.dropped + sent - seen.sent, seen.failed)


_NOTHING = Delivery(0, 0, 0, 0)


def _as_delivery(counts: Counts) -> Delivery:
    sent = counts.next - counts.first
    return Delivery(sent, counts.shown, counts.dropped, counts.failed)


def _sum(parts: Iterable[Delivery]) -> Delivery:
    found = list(parts)
    return Delivery(
        sent=sum(part.sent for part in found),
        shown=sum(part.shown for part in found),
        dropped=sum(part.dropped for part in found),
        failed=sum(part.failed for part in found),
    )
