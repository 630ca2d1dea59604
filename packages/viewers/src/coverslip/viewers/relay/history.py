"""What a relay holds: messages as they came, the oldest on disk, and beyond that dropped."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from coverslip.payload import Batch, Plane, encode
from coverslip.transport import Usage
from coverslip.viewers.bursts import Burst
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.memory.nameless import NamelessFile, Region
from coverslip.viewers.relay.messages import STREAM

__all__ = ["Frame", "History", "Record", "headed"]

Frame: TypeAlias = bytes | memoryview

logger = logging.getLogger(__name__)

_MESSAGE: Final = 1 << 10
_PLANE: Final = 1 << 8
"""Bytes that a message and a plane of it take besides pixels and header, index included."""

_HEADROOM: Final = 64 << 20
_HEADROOM_SHARE: Final = 4
"""Writing to disk begins so much below the budget, or a quarter of it: then producers wait for a
disk that is slower than they are, and for no other."""

_JOIN_SECONDS: Final = 10.0


class Record:
    """One message. What changes of it, its history's lock guards."""

    __slots__ = (
        "cost",
        "first",
        "frames",
        "header",
        "nbytes",
        "number",
        "ordered",
        "places",
        "planes",
        "region",
        "sizes",
    )

    def __init__(self, number: int, first: int, batch: Batch, frames: Sequence[Frame]) -> None:
        self.number = number
        self.first = first
        """Number of its first plane among all that the relay took."""
        self.planes = len(batch.planes)
        self.header = headed(batch, batch.planes)
        self.sizes = tuple(len(frame) for frame in frames)
        self.nbytes = sum(self.sizes)
        self.frames: Sequence[Frame] | None = frames
        self.region: Region | None = None
        self.places = tuple(_place(batch, plane) for plane in batch.planes)
        self.ordered = bool(batch.source.keep or batch.source.replace)
        """Whether it would mean something else to a viewer that has later ones already."""
        self.cost = _MESSAGE + len(self.header) + self.planes * _PLANE


class History:
    """Holds each message until its budget is used up; then the oldest go. From any thread.

    Parameters
    ----------
    budget : int
        Bytes of memory.
    disk : int or None
        Bytes on disk; None for as many as leave a tenth of it to others, or 1 GiB.
    folder : path-like, optional
        Where the file is made; `coverslip.viewers.memory.scratch_folder` by default.
    room_again : callable
        Called, from a thread of its own, when there is room again.

    Attributes
    ----------
    changed : threading.Condition
        Its lock guards all that is here, and those who read along it. Notified when messages come.
    records : dict of int to Record
        By their numbers, which have no gaps.
    oldest, end : int
        Number of the oldest message held, and of the next that will come.
    total : int
        Planes taken so far.
    clears : int
        How often all was taken away.
    cleared_end, cleared_total : int
        Number of the first message after the last time, and of its first plane.
    """

    def __init__(
        self,
        budget: int,
        *,
        disk: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        room_again: Callable[[], object] = lambda: None,
    ) -> None:
        self.budget = budget
        lock = threading.RLock()
        self.changed = threading.Condition(lock)
        self.records: dict[int, Record] = {}
        self.oldest = self.end = self.total = 0
        self.clears = self.cleared_end = self.cleared_total = 0
        self._full = threading.Condition(lock)
        self._limit = budget - min(_HEADROOM, budget // _HEADROOM_SHARE)
        self._disk = disk
        self._file = NamelessFile(folder)
        self._room_again = room_again
        self._newest: dict[int, int] = {}
        """Of each place, the message that has its newest plane."""
        self._resident = self._planes = self._planes_on_disk = self._dropped = 0
        self._spilled = 0
        """Messages before this one are on disk, or being written."""
        self._losses = Burst(logger, "message(s) dropped")
        self._closing = False
        self._writer: threading.Thread | None = None

    @property
    def has_room(self) -> bool:
        """Whether another message may be added: what it needs is on its way to disk."""
        return self._resident < self.budget

    def add(self, batch: Batch, frames: Sequence[Frame]) -> None:
        """Hold a message.

        Parameters
        ----------
        batch : Batch
            Its header, decoded; its planes lie in the frames.
        frames : sequence of bytes or memoryview
            Its pixels, without the header. They are kept, not copied.
        """
        with self.changed:
            record = Record(self.end, self.total, batch, frames)
            self.records[record.number] = record
            self.end += 1
            self.total += record.planes
            self._planes += record.planes
            self._resident += record.nbytes + record.cost
            for place in record.places:
                self._newest[place] = record.number
            if self._resident > self._limit:
                self._begin_writing()
                self._full.notify()
            self.changed.notify_all()

    def load(self, record: Record) -> Sequence[Frame] | None:
        """Return a message's frames, None where they are gone. May read from disk."""
        with self.changed:
            if record.frames is not None or not self._holds(record):
                return record.frames
            region = record.region
        try:
            data = memoryview(b"" if region is None else self._file.load(region))
        except OSError as error:
            logger.warning("a message cannot be read back: %s", error)
            return None
        with self.changed:
            # Dropped meanwhile, its place may have been written again.
            if not self._holds(record) or len(data) < record.nbytes:
                return None
        frames = []
        for size in record.sizes:
            frames.append(data[:size])
            data = data[size:]
        return frames

    def superseded(self, record: Record, plane: int) -> bool:
        """Whether a later message has another plane for the same place. The lock is held."""
        return self._newest.get(record.places[plane], record.number) > record.number

    def first_held(self) -> int:
        """Return the number of the first plane held, among all taken. The lock is held."""
        record = self.records.get(self.oldest)
        return self.total if record is None else record.first

    def clear(self) -> None:
        """Let go of everything, and have those who read along told."""
        with self.changed:
            while self.records:
                self._drop_oldest()
            self.clears += 1
            self.cleared_end, self.cleared_total = self.end, self.total
            self.changed.notify_all()

    def usage(self) -> Usage:
        """Return what is where."""
        with self.changed:
            return Usage(
                budget=self.budget,
                memory=self._resident,
                disk=self._file.nbytes,
                in_memory=self._planes - self._planes_on_disk,
                on_disk=self._planes_on_disk,
                dropped=self._dropped,
            )

    def close(self) -> None:
        """End the thread, and let go of everything. Idempotent."""
        with self.changed:
            self._closing = True
            self._full.notify_all()
        if self._writer is not None:
            self._writer.join(_JOIN_SECONDS)
        with self.changed:
            self.records.clear()
        self._file.close()

    # ---- its own thread ---------------------------------------------------------------

    def _begin_writing(self) -> None:
        if self._writer is None and not self._closing:
            self._writer = threading.Thread(
                target=self._write, name="coverslip-relay-writer", daemon=True
            )
            self._writer.start()

    def _write(self) -> None:
        while True:
            with self.changed:
                while not self._closing and self._resident <= self._limit:
                    self._full.wait()
                if self._closing:
                    return
                record = self._oldest_in_memory()
                if record is None:
                    # What is left in memory is what stands for the messages on disk.
                    self._lose("there is no room for more headers")
                    continue
                frames = record.frames or ()
            region, reason = self._store(record, frames)
            with self.changed:
                if region is not None and not self._holds(record):
                    self._file.free((region,))
                elif region is not None:
                    record.region, record.frames = region, None
                    self._resident -= record.nbytes
                    self._planes_on_disk += record.planes
                elif self._holds(record):
                    self._lose(reason)
            self._room_again()

    def _oldest_in_memory(self) -> Record | None:
        self._spilled = max(self._spilled, self.oldest)
        record = self.records.get(self._spilled)
        self._spilled += record is not None
        return record

    def _store(self, record: Record, frames: Sequence[Frame]) -> tuple[Region | None, str]:
        """Write a message, making room for it on disk; say why where there is none."""
        while True:
            if self._disk is not None and self._file.nbytes + record.nbytes > self._disk:
                reason = f"{self._disk >> 20} MiB of disk are full"
            else:
                try:
                    return self._file.store(frames), ""
                except NoRoom as error:
                    reason = str(error)
            with self.changed:
                if self._closing or not self._planes_on_disk:
                    return None, reason
                self._lose(reason)

    def _holds(self, record: Record) -> bool:
        return self.records.get(record.number) is record

    def _lose(self, reason: str) -> None:
        """Drop the oldest message, since there is no room; the lock is held."""
        self._dropped += self._drop_oldest()
        self._losses.count(reason)

    def _drop_oldest(self) -> int:
        record = self.records.pop(self.oldest)
        self.oldest += 1
        self._planes -= record.planes
        self._resident -= record.cost
        if record.region is None:
            self._resident -= record.nbytes
        else:
            self._planes_on_disk -= record.planes
            self._file.free((record.region,))
        record.frames = None
        for place in record.places:
            if self._newest.get(place) == record.number:
                del self._newest[place]
        return record.planes


def headed(batch: Batch, planes: Iterable[Plane]) -> bytes:
    """Return a header of some planes of a message, without what its producer alone may know."""
    own = Batch(stream=STREAM, epoch=0, sequence=0, source=batch.source, planes=tuple(planes))
    return bytes(encode(own)[0])


def _place(batch: Batch, plane: Plane) -> int:
    """Return what planes have in common that replace one another in a viewer."""
    source = batch.source
    size = plane.shape if plane.kind in {"image", "labels"} and not source.display.pad else ()
    what = (source.name, source.step_name, source.step_index, plane.kind, plane.dtype, size)
    return hash((what, plane.rgb, frozenset(plane.components.items())))
