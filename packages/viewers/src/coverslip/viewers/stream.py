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
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from coverslip.payload import (
    Arena,
    ArenaClosed,
    ArenaFull,
    PlaneTooLarge,
    Region,
    Source,
    wire_dtype,
)
from coverslip.transport import Delivery, Identity, identify
from coverslip.viewers.drops import AMID, BEHIND, CLOSED, INTERRUPTED, KEPT, LAGS
from coverslip.viewers.errors import StreamClosed
from coverslip.viewers.holdings import Holdings
from coverslip.viewers.lane import Lane
from coverslip.viewers.parcel import Draft, Image, seal
from coverslip.viewers.room import LIMIT, Room, default_budget, too_large
from coverslip.viewers.seconds import as_seconds
from coverslip.viewers.shortage import Shortage
from coverslip.viewers.statistics import Rate, Statistics
from coverslip.viewers.target import Target
from coverslip.viewers.turn import turn
from coverslip.viewers.whole import Whole, interrupted

__all__ = ["LIMIT", "Image", "Statistics", "Stream", "default_budget"]

logger = logging.getLogger(__name__)


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
    group : str, optional
        What the ids of streams that belong together end with, also those of forked children.
    lent : bool, default False
        Those who send did not open it and cannot know when it is closed: what they send then is
        dropped, and counted, and raises nothing.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        budget: int | None = None,
        limit: float = LIMIT,
        producer: str | None = None,
        group: str = "",
        lent: bool = False,
    ) -> None:
        self._targets = tuple(targets)
        self._budget = default_budget() if budget is None else budget
        self._limit = limit
        self._producer = producer
        self._group = group
        self._lent = lent
        self._amid: deque[int] = deque()
        """Planes sent where no lock may be waited for: counted by who asks for counts next."""
        self._open()

    def _open(self) -> None:
        self.id = uuid.uuid4().hex + self._group
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._rate = Rate()
        self._arena = Arena(self._budget, lanes=max(1, len(self._targets)), spill=True)
        self._shortage = Shortage(self._arena)
        owner = identify() or Identity(os.getpid(), 0.0)
        producer = self._producer or f"{psutil.Process().name()} (pid {owner.pid})"
        self._lanes = [
            Lane(
                stream=self.id,
                index=index,
                target=target,
                offer=partial(self._arena.offer, index, owner.start_time),
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

    @property
    def budget(self) -> int:
        """Bytes of planes that may wait for the viewers."""
        return self._budget

    @property
    def group(self) -> str:
        """What its id and those of its like end with."""
        return self._group

    def _come_through_fork(self) -> None:
        """Open anew in a forked child: threads, sockets and locks are its parent's."""
        if self._pid != os.getpid():
            with _opening:
                if self._pid != os.getpid():
                    self._open()

    def _check(self) -> None:
        self._come_through_fork()
        if self._closed.is_set() and not self._lent:
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
            `allocate` is sent as it lies there; the array is read-only from then on. Ctrl-C ends a
            batch after the plane that it comes in, which is sent and counted like those before it.
        source : Source, or one for each viewer
            The step, name, modes and display they share; each viewer's own where several are
            given, in the order of the targets.

        Raises
        ------
        StreamClosed
            After `close`, unless it was `lent`.
        coverslip.payload.UnsupportedArray
            An `allocate`d array was sent before: its memory is the viewers' by now.
        ValueError
            Not as many sources as viewers. Nothing is raised for what the viewers do.
        """
        self._check()
        with turn() as first, Whole():
            if first:
                self._send(images, source)
            else:
                self._amid.append(sum(1 for _ in images))

    def _send(self, images: Iterable[Image], source: Source | Sequence[Source]) -> None:
        deadline = time.monotonic() + self._limit
        sources = [source] * len(self._lanes) if isinstance(source, Source) else source
        if len(sources) != len(self._lanes):
            raise ValueError(f"{len(sources)} sources for {len(self._lanes)} viewers: one for each")
        draft = Draft(sources)
        sent = 0
        try:
            for image in images:
                sent += 1
                region = self._arena.claim(image.pixels)
                if region is not None:
                    seal(image.pixels)
                else:
                    draft.refuse_shown(image.pixels, self._arena)
                    if draft.full:
                        self._post(draft)
                    region = self._copy_in(image.pixels, deadline, draft)
                if region is not None:
                    draft.add(region, image)
                if interrupted():
                    break
        finally:
            self._post(draft)
        with self._lock:
            self._rate.count(sent)

    def _post(self, draft: Draft) -> None:
        """Publish what is written and send it; empties `draft`."""
        planes = len(draft)
        if not planes:
            return
        with self._lock:
            behind = self._room.behind(draft.nbytes)
            lanes = []
            for lane in self._lanes:
                if not lane.wants or self._closed.is_set():
                    lane.drop(planes, self._absence(lane))
                elif lane in behind:
                    lane.drop(planes, BEHIND)
                else:
                    lanes.append(lane)
            if not lanes:
                draft.discard(self._arena)
                return
            self._room.sent(lanes, draft.nbytes)
            parcels = draft.publish(self._arena, [lane.index for lane in lanes])
            self._shortage.note(private=parcels[0].private)
            for lane, parcel in zip(lanes, parcels, strict=True):
                lane.post(parcel)

    def _copy_in(self, pixels: NDArray[Any], deadline: float, draft: Draft) -> Region | None:
        """Return a region that holds the pixels, or None when they were dropped, and counted."""
        kind = wire_dtype(pixels.dtype)
        # A table without rows has a slot too: its order among the others is its meaning.
        region = self._reserve(max(1, pixels.nbytes), deadline, draft)
        if region is None:
            return None
        try:
            np.copyto(region.array(pixels.shape, kind), pixels)
        except ArenaClosed:
            self._drop(CLOSED)
            return None
        except BaseException:
            # Mostly the user's Ctrl-C: what it interrupts must not keep its room for good.
            self._arena.discard(region)
            raise
        return region

    def _reserve(self, nbytes: int, deadline: float, draft: Draft) -> Region | None:
        """Return room for one plane, or None when it is to be dropped (and was counted)."""
        try:
            region = self._room.reserve(nbytes, deadline, lambda: self._post(draft))
        except PlaneTooLarge:
            reason = too_large(nbytes, self._budget)
            logger.error("a plane cannot be sent: %s", reason)
            self._fail(1, reason)
            return None
        except ArenaFull as error:
            self._drop(str(error))
            return None
        except ArenaClosed:
            region = None
        if region is None:
            self._drop(self._why_no_room())
        return region

    def _why_no_room(self) -> str:
        # What `allocate` gave and nobody has shown yet is no viewer's to make room of.
        kept = self._arena.bytes_reserved > self._budget // 2
        return INTERRUPTED if interrupted() else KEPT if kept else LAGS

    def _absence(self, lane: Lane) -> str:
        return CLOSED if self._closed.is_set() else lane.absence

    def _drop(self, reason: str) -> None:
        with self._lock:
            for lane in self._lanes:
                lane.drop(1, reason if lane.wants else self._absence(lane))

    def refuse(self, planes: int, reason: str) -> None:
        """Count planes that cannot be sent, as failed at every viewer."""
        with turn() as first, Whole():
            if first:
                self._fail(planes, reason)
            else:
                self._amid.append(planes)

    def _fail(self, planes: int, reason: str) -> None:
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
        array = None
        with turn() as first, Whole(), suppress(PlaneTooLarge, ArenaFull, ArenaClosed):
            if first:
                array = self._room.allocate(shape, kind, time.monotonic() + self._limit)
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
        deadline = time.monotonic() + as_seconds("timeout", timeout)
        with turn() as first:
            for lane in self._lanes if first else ():
                lane.flush(deadline)
        return self.delivery()

    def delivery(self) -> Delivery:
        """Return the counts as known now, summed over the viewers."""
        self._come_through_fork()
        with turn() as first, Whole(), self._lock if first else nullcontext():
            while first and self._amid:
                planes = self._amid.popleft()
                for lane in self._lanes:
                    lane.drop(planes, AMID)
            parts = [lane.account.delivery() for lane in self._lanes]
        return Delivery(
            sent=sum(part.sent for part in parts),
            shown=sum(part.shown for part in parts),
            dropped=sum(part.dropped for part in parts),
            failed=sum(part.failed for part in parts),
        )

    def statistics(self) -> Statistics:
        """Return what is known without asking anyone."""
        delivery = self.delivery()
        with turn() as first, Whole(), self._lock if first else nullcontext():
            if first:
                self._arena.collect()
            in_flight = self._arena.bytes_in_flight + sum(
                lane.bytes_compressed for lane in self._lanes
            )
            if self._closed.is_set():
                in_flight = 0
            return Statistics.of(self._lanes, delivery, in_flight, self._rate.now())

    # ---- the end ----------------------------------------------------------------------

    def close(self, linger: float = 5.0) -> Delivery:
        """Wait up to `linger` seconds for what is under way, then let go of everything.

        Returns
        -------
        Delivery
            The final counts: what the viewer had not shown by then is dropped, there too.
            (One that does not answer may show later what it has; here that counts as
            dropped.) Closing again, or from another thread at the same time, returns
            them too.
        """
        if self._pid != os.getpid():
            return Delivery(0, 0, 0, 0)
        self._holdings.let_go(as_seconds("linger", linger), drop=True)
        return self.delivery()


_opening = threading.Lock()


def _renew_after_fork() -> None:
    global _opening
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
