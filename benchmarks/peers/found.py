"""What a comparison found: written once it is complete, read to make the page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.peers.pair import Run
from benchmarks.peers.planes import Case

__all__ = ["OURS", "RESULTS", "CaseFound", "Found", "PeerFound", "read", "usual", "write"]

RESULTS = Path(__file__).resolve().parents[1] / "results" / "peers.json"

OURS = "ours"
"""The name of what all others are compared with."""


class PeerFound(msgspec.Struct, frozen=True):
    """One peer on one case."""

    name: str
    run: Run


class CaseFound(msgspec.Struct, frozen=True):
    """All peers on the same planes."""

    case: Case
    peers: list[PeerFound]

    def of(self, name: str) -> Run:
        """Return what one peer did."""
        return next(peer.run for peer in self.peers if peer.name == name)


class Found(msgspec.Struct, frozen=True):
    """One run of the benchmark."""

    system: str
    cores: int
    rounds: int
    versions: dict[str, str]
    cases: list[CaseFound]
    killed: dict[str, int]
    """Bytes of shared memory that were left when both ends were killed in mid-stream."""
    skipped: dict[str, str]
    """Peers that could not be run, and why."""


def usual(runs: Sequence[Run]) -> Run:
    """Return medians of costs, and the worst of what must not be."""
    costs = {
        name: statistics.median(getattr(run, name) for run in runs)
        for name in ("rate", "held", "cpu", "added")
    }
    worst = {
        name: max(getattr(run, name) for run in runs)
        for name in ("longest", "lost", "wrong", "left")
    }
    return Run(**costs, **worst)


def write(found: Found) -> None:
    """Write results, to be committed with the page that is made from them."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def read() -> Found:
    """Return what was found last."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Found)
