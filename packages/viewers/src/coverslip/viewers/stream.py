"""A pipeline's handle on one or more viewers: arena, lanes, policy and counts.

A plane is copied once, into a slot of the arena, and every lane's message
points there. What finds no room (`room` decides how long that is waited for) is
dropped, counted, and warned of once a burst. Nothing here raises because of a
viewer.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import psutil
from numpy.typing import NDArray

from coverslip.payload import (
    Arena,
    ArenaClosed,
    ArenaFull,
    Kind,
    Plane,
    PlaneTooLarge,
    Region,
    Source,
    UnsupportedArray,
    Value,
    wire_dtype,
)
from coverslip.transport import Delivery, Identity, identify
from coverslip.viewers.errors import StreamClosed
from coverslip.viewers.holdings import Holdings
from coverslip.viewers.lane import Lane, Parcel
from coverslip.viewers.room import Room
from coverslip.viewers.target import Target

__all__ = ["LIMIT", "Image", "Statistics", "Stream", "default_budget"]

logger = logging.getLogger(__name__)

LIMIT = 5.0
"""Seconds that a send may wait for room, in all."""

_LARGEST_BUDGET = 1 << 30

_PARCEL_PLANES = 64
_PARCEL_BYTES = 32 << 20
"""A batch goes out in messages of at most this much, so that the viewer copies
the first planes while the last are still being written."""

_CLOSED = "the stream was closed"

_RATE_WINDOW = 5.0


def default_budget() -> int:
    """Return how many bytes a stream may hold in flight: 1 GiB, or an eighth of free memory.

    Pages are taken only as planes pile up, so this is what a viewer that does
    not keep up may cost, not what a stream costs.
    """
    return min(_LARGEST_BUDGET, psutil.virtual_memory().available // 8)


class Image(NamedTuple):
    """One plane as `Stream.send` takes it."""

    components: dict[str, Value]
    pixels: NDArray[Any]
    """``(y, x)``, or ``(y, x, 3 | 4)`` when `rgb`, any strides and byte order; or a table."""
    rgb: bool = False
    origin: str = ""
    kind: Kind = "image"
    along: tuple[str, ...] = ()
    """The components that a table gives row by row."""


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
        Bytes of shared memory that hold planes, compressed or not, that some viewer has not got.
    rate : float
        Planes sent a second, over the last five.
    reasons : dict of str to int
        Why planes were dropped or failed, and how many for each reason.
    compressed : int
        Planes that travelled inline and compressed, summed over the viewers.
    state : tuple of str
        Each viewer's lane: ``"live"``, ``"waiting for the viewer to start"``, …
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
        )


class _Draft:
    """Planes that are written and not yet published."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        """One for each lane: each viewer may be asked to lay the same planes out in its own way."""
        self.written: list[tuple[Region, Image]] = []
        self._bytes = 0

    def add(self, region: Region, image: Image) -> None:
        self.written.append((region, image))
        self._bytes += region.length

    def clear(self) -> None:
        self.written = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        return self._bytes >= _PARCEL_BYTES or len(self.written) >= _PARCEL_PLANES


class Stream:
    """Sends planes at most once and in order to each viewer; counts what does not arrive.

    Safe from any thread. After a fork the child has a stream of its own, with
    its own arena and sockets, to the same viewers.

    Parameters
    ----------
    targets : sequence of Target
        The viewers; each gets a lane.
    budget : int, optional
        Bytes of planes that may wait for the viewers, see `default_budget`.
    limit : float, default 5.0
        Seconds that one `send` may wait for room at most. When nothing has made
        room for that long, further sends do not wait until something does.
    producer : str, optional
        A name for the viewer's log and windows; the process's by default.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        budget: int | None = None,
        limit: float = LIMIT,
        producer: str | None = None,
    ) -> None:
        self._targets = tuple(targets)
        self._budget = default_budget() if budget is None else budget
        self._limit = limit
        self._producer = producer
        self._open()

    def _open(self) -> None:
        self.id = uuid.uuid4().hex
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._recent: deque[tuple[float, int]] = deque(maxlen=4096)
        self._arena = Arena(self._budget, lanes=max(1, len(self._targets)))
        owner = identify() or Identity(os.getpid(), 0.0)
        producer = self._producer or f"{psutil.Process().name()} (pid {owner.pid})"
        self._lanes = [
            Lane(
                stream=self.id,
                index=index,
                target=target,
                offer=msgspec.structs.replace(
                    self._arena.offer(index), start_time=owner.start_time
                ),
                arena=self._arena,
                lock=self._lock,
                limit=self._limit,
                producer=producer,
            )
            for index, target in enumerate(self._targets)
        ]
        self._room = Room(self._arena, self._lanes, self._lock, self._closed, self._limit)
        self._holdings = Holdings(self._lanes, self._arena, self._lock, self._closed)
        self._holdings.watch(self)
        self._pid = os.getpid()

    def _come_through_fork(self) -> None:
        """Open anew in a forked child: threads, sockets and locks are its parent's."""
        if self._pid != os.getpid():
            with _opening:
                if self._pid != os.getpid():
                    self._open()

    def _check(self) -> None:
        self._come_through_fork()
        if self._closed.is_set():
            raise StreamClosed(
                f"stream {self.id[:8]} was closed; connect again to send more planes"
            )

    # ---- sending ----------------------------------------------------------------------

    def send(self, images: Iterable[Image], source: Source | Sequence[Source]) -> None:
        """Copy planes into the arena and send them to every viewer that is there.

        Parameters
        ----------
        images : iterable of Image
            Planes of one source. A plane whose pixels lie in memory from
            `allocate` is sent as it lies there; the array is read-only from then on.
        source : Source, or one for each viewer
            The step, name, modes and display they share; each viewer's own where several are
            given, in the order of the targets.

        Raises
        ------
        StreamClosed
            After `close`.
        coverslip.payload.UnsupportedArray
            An `allocate`d array was sent before: its memory is the viewers' by now.
        ValueError
            Not as many sources as viewers. Nothing is raised for what the viewers do.
        """
        self._check()
        deadline = time.monotonic() + self._limit
        sources = [source] * len(self._lanes) if isinstance(source, Source) else source
        if len(sources) != len(self._lanes):
            raise ValueError(f"{len(sources)} sources for {len(self._lanes)} viewers: one for each")
        parcel = _Draft(sources)
        sent = 0
        try:
            for image in images:
                sent += 1
                region = self._arena.claim(image.pixels)
                if region is not None:
                    _seal(image.pixels)
                else:
                    self._refuse_shown(image.pixels, parcel)
                    if parcel.full:
                        self._post(parcel)
                    region = self._copy_in(image.pixels, deadline, parcel)
                if region is not None:
                    parcel.add(region, image)
        finally:
            self._post(parcel)
        with self._lock:
            self._recent.append((time.monotonic(), sent))

    def _refuse_shown(self, pixels: NDArray[Any], parcel: _Draft) -> None:
        """Refuse what lies in a slot that was given away; what is still in `parcel` may be read."""
        owner = _owner(pixels)
        if owner.flags.writeable or not self._arena.holds(owner):
            return
        if all(owner is not _owner(image.pixels) for _, image in parcel.written):
            raise UnsupportedArray(
                "this array came from allocate() and was shown before: its memory is the viewers' "
                "now and holds another plane by and by; allocate one for each plane"
            )

    def _post(self, parcel: _Draft) -> None:
        """Publish what is written and send it; empties `parcel`."""
        if not parcel.written:
            return
        with self._lock:
            lanes = []
            for lane in self._lanes:
                if lane.wants and not self._closed.is_set():
                    lanes.append(lane)
                else:
                    lane.drop(len(parcel.written), self._absence(lane))
            if lanes:
                indices = [lane.index for lane in lanes]
                planes = tuple(
                    Plane(
                        shape=image.pixels.shape,
                        dtype=wire_dtype(image.pixels.dtype),
                        rgb=image.rgb,
                        components=image.components,
                        origin=image.origin,
                        kind=image.kind,
                        along=image.along,
                        pixels=self._arena.publish(region, indices),
                    )
                    for region, image in parcel.written
                )
                for lane in lanes:
                    lane.post(Parcel(parcel.sources[lane.index], planes))
            else:
                for region, _ in parcel.written:
                    self._arena.discard(region)
        parcel.clear()

    def _copy_in(self, pixels: NDArray[Any], deadline: float, parcel: _Draft) -> Region | None:
        """Return a region that holds the pixels, or None when they were dropped, and counted."""
        kind = wire_dtype(pixels.dtype)
        # A table without rows has a slot too: its order among the others is its meaning.
        region = self._reserve(max(1, pixels.nbytes), deadline, parcel)
        if region is None:
            return None
        try:
            np.copyto(region.array(pixels.shape, kind), pixels)
        except ArenaClosed:
            self._drop(_CLOSED)
            return None
        return region

    def _reserve(self, nbytes: int, deadline: float, parcel: _Draft) -> Region | None:
        """Return room for one plane, or None when it is to be dropped (and was counted)."""
        try:
            region = self._room.reserve(nbytes, deadline, lambda: self._post(parcel))
        except PlaneTooLarge as error:
            logger.error("a plane cannot be sent: %s", error)
            self.refuse(1, str(error))
            return None
        except ArenaFull as error:
            self._drop(str(error))
            return None
        except ArenaClosed:
            region = None
        if region is None:
            self._drop("the viewer does not keep up")
        return region

    def _absence(self, lane: Lane) -> str:
        return _CLOSED if self._closed.is_set() else lane.absence

    def _drop(self, reason: str) -> None:
        with self._lock:
            for lane in self._lanes:
                lane.drop(1, reason if lane.wants else self._absence(lane))

    def refuse(self, planes: int, reason: str) -> None:
        """Count planes that cannot be sent, as failed at every viewer."""
        with self._lock:
            for lane in self._lanes:
                lane.account.fail(planes, reason)

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array that lies in a slot, to compute straight into.

        Parameters
        ----------
        shape : tuple of int
            ``(y, x)`` or more; any shape that `send` will be given.
        dtype : dtype_like
            Any dtype that can be shown. Big-endian becomes little-endian.

        Returns
        -------
        ndarray
            Uninitialised, C-contiguous. Belongs to the caller until it is sent,
            to the viewers from then on. Dropping it unsent gives the slot back.
            When there is no room it is ordinary memory, which is copied when sent.
        """
        self._check()
        kind = np.dtype(wire_dtype(np.dtype(dtype)))
        try:
            array = self._room.allocate(shape, kind, time.monotonic() + self._limit)
        except (PlaneTooLarge, ArenaFull, ArenaClosed):
            array = None
        return np.empty(shape, kind) if array is None else array

    # ---- counts -----------------------------------------------------------------------

    def flush(self, timeout: float = 10.0) -> Delivery:
        """Wait until what was sent has been shown, dropped or failed.

        Parameters
        ----------
        timeout : float, default 10.0
            Seconds to wait at most. Planes still under way then are in
            ``sent`` only; `Delivery.pending` says how many.
        """
        self._check()
        deadline = time.monotonic() + timeout
        for lane in self._lanes:
            lane.flush(deadline)
        return self.delivery()

    def delivery(self) -> Delivery:
        """Return the counts as known now, summed over the viewers."""
        self._come_through_fork()
        with self._lock:
            parts = [lane.delivery() for lane in self._lanes]
        return Delivery(
            sent=sum(part.sent for part in parts),
            shown=sum(part.shown for part in parts),
            dropped=sum(part.dropped for part in parts),
            failed=sum(part.failed for part in parts),
        )

    def statistics(self) -> Statistics:
        """Return what is known without asking anyone."""
        delivery = self.delivery()
        self._arena.collect()
        now = time.monotonic()
        reasons: dict[str, int] = {}
        with self._lock:
            recent = [(when, planes) for when, planes in self._recent if when > now - _RATE_WINDOW]
            for lane in self._lanes:
                for reason, planes in lane.account.reasons().items():
                    reasons[reason] = reasons.get(reason, 0) + planes
            state = tuple(lane.state.value for lane in self._lanes)
            compressed = sum(lane.compressed for lane in self._lanes)
            under_way = sum(lane.bytes_compressed for lane in self._lanes)
        span = now - recent[0][0] if recent else 0.0
        return Statistics(
            *delivery,
            pending=delivery.pending,
            bytes_in_flight=0 if self._closed.is_set() else self._arena.bytes_in_flight + under_way,
            rate=sum(planes for _, planes in recent) / span if span > 0 else 0.0,
            reasons=reasons,
            compressed=compressed,
            state=state,
        )

    # ---- the end ----------------------------------------------------------------------

    def close(self, linger: float = 5.0) -> Delivery:
        """Wait up to `linger` seconds for what is under way, then let go of everything.

        Returns
        -------
        Delivery
            The final counts: what the viewer had not settled is dropped. Closing
            again, or from another thread at the same time, returns them too.
        """
        if self._pid != os.getpid():
            return Delivery(0, 0, 0, 0)
        self._holdings.let_go(linger)
        return self.delivery()


def _owner(pixels: NDArray[Any]) -> NDArray[Any]:
    while isinstance(pixels.base, np.ndarray):
        pixels = pixels.base
    return pixels


def _seal(pixels: NDArray[Any]) -> None:
    """Make an array read-only that the viewers own now, by whichever name the caller has it."""
    pixels.flags.writeable = False
    if isinstance(pixels.base, np.ndarray):
        pixels.base.flags.writeable = False


_opening = threading.Lock()


def _renew_after_fork() -> None:
    global _opening
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
