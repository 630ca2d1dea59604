"""Files on their way in: which are complete by their looks, in the order in which they appeared.

Reads sizes and times, no pixels. What makes it look is `coverslip.viewers.plates.changes`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

__all__ = ["Incoming", "Signature"]

QUIET = 0.5
"""Seconds for which a file must not have changed before it is opened."""

PATIENCE = 60.0
"""Seconds without a change after which a file that cannot be read is given up."""

SENDS = 3
"""How often a file is sent whose planes are lost on their way."""

_LONGEST_PAUSE = 10.0


class Signature(NamedTuple):
    """What tells one writing of a file from the next."""

    size: int
    mtime_ns: int


@dataclass
class _Arrival:
    """A file that waits. Times are the caller's clock."""

    signature: Signature
    changed: float
    """When its signature was seen to change last."""
    again: float = 0.0
    """Not to be opened before."""
    tries: int = 0


class Incoming:
    """Says which files may be opened now; every file is opened until it could be read.

    A file that changes after it was taken comes again. For one thread; the caller says what time it
    is, and puts what it saw in order of appearance.
    """

    def __init__(self, quiet: float = QUIET, patience: float = PATIENCE) -> None:
        self.broken: dict[Path, str] = {}
        """Files that were given up, with the reason; one that changes is tried again."""
        self._quiet = quiet
        self._patience = patience
        self._waiting: dict[Path, _Arrival] = {}
        self._taken: dict[Path, Signature] = {}
        self._earlier: dict[Path, Signature] = {}
        self._skipped: set[Path] = set()
        self._lost: dict[Path, int] = {}

    @property
    def waiting(self) -> int:
        """Number of files that are not taken yet."""
        return len(self._waiting)

    @property
    def found(self) -> int:
        """Number of files that were seen, less those gone before they could be read."""
        return len(self._waiting.keys() | self._taken.keys() | self.broken.keys())

    @property
    def skipped(self) -> int:
        """Number of files that were seen and are as an earlier run has taken them."""
        return len(self._skipped)

    def see(self, path: Path, now: float) -> None:
        """Note a file that is new or may have changed."""
        signature = _signature(path)
        if signature is None:
            self.lose(path)
        elif path in self._waiting:
            self._look(self._waiting[path], signature, now)
        elif self._earlier.get(path) == signature:
            self._skipped.add(path)
        elif self._taken.get(path) != signature:
            self.broken.pop(path, None)
            self._skipped.discard(path)
            # One that was last written long ago need not be watched for a while first.
            age = min(max(0.0, time.time() - signature.mtime_ns / 1e9), self._quiet)
            self._waiting[path] = _Arrival(signature, changed=now - age)

    def skip(self, path: Path, signature: Signature) -> None:
        """Leave out a file that an earlier run has taken, for as long as it stays the same."""
        self._earlier[path] = signature

    def lose(self, path: Path) -> None:
        """Note a file that is gone; what was taken of it stays taken."""
        self._waiting.pop(path, None)
        self.broken.pop(path, None)

    def lose_gone(self) -> None:
        """Note which files are gone of which nobody has said so: at the end, nobody will."""
        for path in [*self._waiting, *self.broken]:
            if _signature(path) is None:
                self.lose(path)

    def due(self, now: float, limit: int = 64) -> list[Path]:
        """Return up to `limit` files that have been quiet for long enough, oldest first."""
        found: list[Path] = []
        for path, arrival in list(self._waiting.items()):
            if len(found) == limit:
                break
            signature = _signature(path)
            if signature is None:
                self.lose(path)
                continue
            self._look(arrival, signature, now)
            if now >= max(arrival.changed + self._quiet, arrival.again):
                found.append(path)
        return found

    def signature(self, path: Path) -> Signature | None:
        """Return what a waiting file looks like, or None if that is not how it became due."""
        signature = _signature(path)
        return signature if signature == self._waiting[path].signature else None

    def take(self, path: Path) -> None:
        """Note that a file could be read."""
        self._taken[path] = self._waiting.pop(path).signature

    def refuse(self, path: Path, reason: str, now: float) -> None:
        """Note that a file could not be read: it is tried again, ever less often."""
        arrival = self._waiting[path]
        arrival.tries += 1
        arrival.again = now + min(self._quiet * 2**arrival.tries, _LONGEST_PAUSE)
        if now - arrival.changed > self._patience:
            # It looks taken from here on, so that it comes again only when it changes.
            self._taken[path] = self._waiting.pop(path).signature
            self.broken[path] = reason

    def send_again(self, path: Path, reason: str, now: float) -> None:
        """Note that planes of a taken file were lost on their way."""
        self._lost[path] = self._lost.get(path, 0) + 1
        if self._lost[path] < SENDS:
            del self._taken[path]
            self.see(path, now)
        else:
            self.broken[path] = reason

    def unread(self) -> list[Path]:
        """Return the files that still wait, oldest first."""
        return list(self._waiting)

    def _look(self, arrival: _Arrival, signature: Signature, now: float) -> None:
        if signature != arrival.signature:
            arrival.signature, arrival.changed = signature, now
            arrival.tries, arrival.again = 0, 0.0


def _signature(path: Path) -> Signature | None:
    try:
        status = path.stat()
    except OSError:  # gone, or in a folder that is
        return None
    return Signature(status.st_size, status.st_mtime_ns)
