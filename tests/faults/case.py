"""One case of a fault: what was sent, what became of it at both ends, how long the pipeline stood.

A test sends through `Case.show`, which holds a clock to it, and hands over the counts of both
ends; `check` holds them against each other. What it found goes into the report of pytest, from
which `benchmarks.reliability` makes a table.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverslip.transport import Counts, Delivery, Endpoint, Flush, Report, Status, request
from coverslip.viewers import View

__all__ = ["LIMIT", "Case", "compute", "counts_at", "picture", "settled_at"]

LIMIT = 2.0
"""Seconds that the streams of these tests may hold their pipeline, see `Stream`."""

SLACK = 2.0
"""Seconds beyond a stream's limit that a machine under load may take to notice that it is over."""


def picture(number: int, edge: int = 64) -> NDArray[np.uint16]:
    """Return a plane that no other number has."""
    return np.random.default_rng(number).integers(0, 4096, (edge, edge), np.uint16)


_nothing = threading.Event()


def compute(seconds: float) -> None:
    """Do as a pipeline that computes meanwhile."""
    _nothing.wait(seconds)


def counts_at(endpoint: Endpoint, stream: str) -> Counts:
    """Return the account of a stream as its viewer has it."""
    return request(endpoint, Status(stream=stream), Report, timeout=20).streams[stream]


def settled_at(endpoint: Endpoint, stream: str) -> Counts:
    """Return the account of a stream once all that its viewer received has ended."""
    sequence = counts_at(endpoint, stream).next
    flush = Flush(stream=stream, sequence=sequence)
    return request(endpoint, flush, Report, timeout=60).streams[stream]


@dataclass
class Case:
    """What one test saw.

    Attributes
    ----------
    sent, shown, dropped, failed : int
        At the stream, or at the viewer where the stream went with its process.
    longest, total : float
        Seconds that one call of the pipeline took at most, and all of them together.
    """

    sent: int = 0
    shown: int = 0
    dropped: int = 0
    failed: int = 0
    longest: float = 0.0
    total: float = 0.0
    calls: int = 0
    checked: bool = False
    notes: list[str] = field(default_factory=list)

    def show(self, view: View, pixels: NDArray[Any], **components: Any) -> None:
        """Show a plane, with a clock to it."""
        before = time.monotonic()
        view.show(pixels, **components)
        took = time.monotonic() - before
        self.calls += 1
        self.total += took
        self.longest = max(self.longest, took)

    def check(self, delivery: Delivery, *viewers: Counts) -> None:
        """Hold the counts of a stream against themselves and its viewers' against them.

        `viewers` are the accounts of all viewers that the stream ever had, each settled, or none
        where they went with their process.
        """
        assert delivery.complete, delivery
        assert delivery.sent == delivery.shown + delivery.dropped + delivery.failed
        for counts in viewers:
            assert counts.pending == 0, counts
        if viewers:
            assert sum(counts.shown for counts in viewers) == delivery.shown, (delivery, viewers)
            assert sum(counts.dropped for counts in viewers) <= delivery.dropped
            assert sum(counts.failed for counts in viewers) <= delivery.failed
        self.take(delivery)

    def check_viewer(self, counts: Counts) -> None:
        """Hold a viewer's account against itself, where the stream went with its process."""
        assert counts.pending == 0, counts
        expected = counts.next - counts.first
        assert expected == counts.shown + counts.dropped + counts.failed
        self.take(Delivery(expected, counts.shown, counts.dropped, counts.failed))

    def take(self, delivery: Delivery) -> None:
        """Add to what the case saw."""
        self.sent += delivery.sent
        self.shown += delivery.shown
        self.dropped += delivery.dropped
        self.failed += delivery.failed
        self.checked = True

    def check_held(self, limit: float = LIMIT) -> None:
        """The pipeline stood still no longer than its limit, in all."""
        assert self.total < limit + SLACK, f"{self.calls} calls took {self.total:.2f} s in all"

    def properties(self, holds: tuple[int, ...]) -> str:
        """Return what goes into the report, with the invariants that it is about."""
        names = ("sent", "shown", "dropped", "failed", "longest", "notes")
        return json.dumps({**{name: getattr(self, name) for name in names}, "holds": holds})
