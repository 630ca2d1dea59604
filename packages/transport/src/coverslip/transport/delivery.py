"""What became of every plane: the account of one stream at one server.

Planes are numbered by their stream. Each number that a server expects ends exactly once, as
shown, dropped or failed; numbers that never arrive are dropped, with that reason.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from heapq import heappop, heappush
from hmac import compare_digest
from typing import Final, NamedTuple

from coverslip.transport.errors import Refused
from coverslip.transport.messages import Counts, readable

__all__ = ["CLOSED", "LOST", "Delivery", "Ledger"]

LOST: Final = "lost in transit"
"""The reason of a plane that was sent to this server and never received."""

CLOSED: Final = "the stream was closed"
"""The reason of a plane that had not been shown when its stream ended and did not wait."""

_OTHER: Final = "other"
_MOST_REASONS: Final = 32
_LONGEST_REASON: Final = 200
_MOST_WAITING: Final = 1024
_LARGEST_COUNT: Final = 1 << 20
_LARGEST_GAP: Final = 1 << 40


class Delivery(NamedTuple):
    """The account of a stream: how many planes were sent, and how they ended.

    Attributes
    ----------
    sent : int
        All planes that the stream took.
    shown : int
        Planes that are, or were, in what the viewer draws.
    dropped : int
        Planes that were left out by policy, each with a reason.
    failed : int
        Planes that cannot be shown, each with a reason.
    """

    sent: int
    shown: int
    dropped: int
    failed: int

    def __repr__(self) -> str:
        # Without it the printed numbers of a flush that timed out would not add up.
        pending = f", pending={self.pending}" if self.pending else ""
        return (
            f"{type(self).__name__}(sent={self.sent}, shown={self.shown}, "
            f"dropped={self.dropped}, failed={self.failed}{pending})"
        )

    @property
    def pending(self) -> int:
        """Planes whose end is open."""
        return self.sent - self.shown - self.dropped - self.failed

    @property
    def complete(self) -> bool:
        """Whether every plane has ended, in whatever way."""
        return self.pending == 0


class Ledger:
    """The account of one stream's planes at one server: each ends exactly once.

    Thread-safe. ``shown + dropped + failed + pending == next - first`` holds between any two
    calls. Memory is bounded by the planes that are pending.

    Parameters
    ----------
    secret : bytes, optional
        Needed to attach the stream again, and to detach it.

    Attributes
    ----------
    touched : float
        When it last heard of its stream, on the monotonic clock.
    """

    def __init__(self, secret: bytes = b"") -> None:
        self._secret = secret
        self._lock = threading.Lock()
        self.touched = time.monotonic()
        self._epoch = -1
        self._first = 0
        self._next = 0
        self._shown = 0
        self._dropped = 0
        self._failed = 0
        self._reasons: dict[str, int] = {}
        # In the order of their numbers; a dict would search for its first after each that ended.
        self._pending: OrderedDict[int, None] = OrderedDict()
        self._drawn = -1
        # Those who wait, by number, and the numbers as a heap.
        self._waiting: dict[int, Future[Counts]] = {}
        self._awaited: list[int] = []

    @property
    def epoch(self) -> int:
        """The stream's epoch, -1 before the first attach."""
        return self._epoch

    def check(self, secret: bytes) -> None:
        """Raise `Refused` for a secret that is not the stream's."""
        if not compare_digest(secret, self._secret):
            raise Refused("the stream is another's: whoever attached it first knows its secret")

    def attach(self, epoch: int, sequence: int) -> None:
        """Begin an epoch: the next plane expected is `sequence`.

        What was expected before it and never came counts as dropped. Attaching again with the
        same epoch is the same request sent twice, and changes nothing.

        Parameters
        ----------
        epoch : int
            Greater than those before.
        sequence : int
            Number of the next plane that will be sent.

        Raises
        ------
        Refused
            When the epoch is older than the stream's, or `sequence` was received already.
        """
        self.touched = time.monotonic()
        with self._lock:
            if self._epoch < 0:
                self._first = self._next = sequence
            elif epoch < self._epoch:
                raise Refused(f"epoch {epoch} is over: the stream attached again since")
            if epoch > self._epoch or sequence > self._next:
                self._skip_to(sequence)
            self._epoch = epoch
        self._tell()

    def receive(self, epoch: int, sequence: int, count: int = 1) -> bool:
        """Take in `count` planes from `sequence` on; they are pending from now.

        Parameters
        ----------
        epoch : int
            The epoch in which they were sent.
        sequence : int
            Number of the first of them.
        count : int, default 1
            How many they are.

        Returns
        -------
        bool
            False for a message of an epoch that is over: its planes are accounted for, leave
            it alone.

        Raises
        ------
        Refused
            When the epoch never attached, the planes came already, or the numbers are absurd.
        """
        self.touched = time.monotonic()
        with self._lock:
            if epoch > self._epoch:
                raise Refused(f"epoch {epoch} never attached")
            if epoch < self._epoch:
                return False
            if not 1 <= count <= _LARGEST_COUNT:
                raise Refused(f"a message of {count} planes: 1 to {_LARGEST_COUNT} is possible")
            self._skip_to(sequence)
            self._next = sequence + count
            self._pending.update(dict.fromkeys(range(sequence, self._next)))
        self._tell()
        return True

    def close(self, sequence: int) -> Future[Counts]:
        """End all planes before `sequence` that have not ended: they are dropped.

        All but one that is being drawn: that one is waited for. What comes later is of an epoch
        that is over.

        Returns
        -------
        Future of Counts
            The final account.

        Raises
        ------
        Refused
            When `sequence` was received already, or is absurd.
        """
        with self._lock:
            self._skip_to(sequence)
            self._epoch += 1
            drawn = [self._drawn] if self._drawn in self._pending else []
            if unseen := len(self._pending) - len(drawn):
                self._dropped += unseen
                self._count(CLOSED, unseen)
            self._pending = OrderedDict.fromkeys(drawn)
        return self.when_settled(sequence)

    def draw(self, sequence: int) -> bool:
        """Begin to draw the plane `sequence`; False if it ended already and is to be left out."""
        with self._lock:
            self._drawn = sequence
            return sequence in self._pending

    def shown(self, sequence: int) -> None:
        """End a plane: it is in what the viewer draws.

        Raises
        ------
        ValueError
            When that plane is not pending.
        """
        with self._lock:
            self._settle(sequence)
            self._shown += 1
        self._tell()

    def dropped(self, sequence: int, reason: str) -> None:
        """End a plane that was left out by policy. Raises as `shown`."""
        with self._lock:
            self._settle(sequence)
            self._dropped += 1
            self._count(reason, 1)
        self._tell()

    def failed(self, sequence: int, reason: str) -> None:
        """End a plane that could not be shown. Raises as `shown`."""
        with self._lock:
            self._settle(sequence)
            self._failed += 1
            self._count(reason, 1)
        self._tell()

    def when_settled(self, sequence: int) -> Future[Counts]:
        """Return a future of the counts once every plane before `sequence` has ended.

        It is fulfilled by the thread that ends the last of them. All who wait for the same number
        share one future, so that asking repeatedly costs nothing.

        Raises
        ------
        Refused
            When a thousand other numbers are waited for already.
        """
        with self._lock:
            future = self._waiting.get(sequence)
            if future is None:
                if len(self._waiting) >= _MOST_WAITING:
                    raise Refused(f"{_MOST_WAITING} requests wait for this stream already")
                future = self._waiting[sequence] = Future()
                # Nobody but the ledger ends it: a cancelled one would break the others' turn.
                future.set_running_or_notify_cancel()
                heappush(self._awaited, sequence)
        self._tell()
        return future

    def counts(self) -> Counts:
        """Return the account as it is now."""
        with self._lock:
            return self._counts()

    def _counts(self) -> Counts:
        return Counts(
            first=self._first,
            next=self._next,
            shown=self._shown,
            dropped=self._dropped,
            failed=self._failed,
            reasons=dict(self._reasons),
        )

    def _skip_to(self, sequence: int) -> None:
        gap = sequence - self._next
        if not 0 <= gap <= _LARGEST_GAP:
            raise Refused(f"plane {sequence} when {self._next} is the next")
        if gap:
            self._dropped += gap
            self._count(LOST, gap)
            self._next = sequence

    def _settle(self, sequence: int) -> None:
        if sequence not in self._pending:
            raise ValueError(f"plane {sequence} is not pending: it ended already or never came")
        del self._pending[sequence]

    def _count(self, reason: str, number: int) -> None:
        reason = readable(reason[:_LONGEST_REASON])
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS - 1:
            reason = _OTHER
        self._reasons[reason] = self._reasons.get(reason, 0) + number

    def _tell(self) -> None:
        """Answer those who wait, outside the lock: what they call may come back here."""
        if not self._waiting:
            return
        due: list[Future[Counts]] = []
        with self._lock:
            settled = next(iter(self._pending), self._next)
            while self._awaited and self._awaited[0] <= settled:
                due.append(self._waiting.pop(heappop(self._awaited)))
            counts = self._counts()
        for future in due:
            future.set_result(counts)
