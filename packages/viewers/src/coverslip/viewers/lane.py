"""One viewer's place on a stream: its queue, its account, and whether planes are taken.

Planes are sent by whoever calls `Stream.send`, straight from that thread: handing over to another
one would cost a turn of the GIL a plane. All that may wait is the lane's `Courier`'s.

States::

    WAITING ──> CONNECTING ──> LIVE          planes are taken: queued, then sent
       │             │          │
       └─────────────┴──────────┴─> ABSENT   planes are dropped at once, and counted
                                      │
                                      └─> LIVE again when the viewer is back
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from coverslip.payload import Arena, Batch, Offer, Plane, Slot, Source, encode
from coverslip.transport import (
    Attached,
    Delivery,
    Flush,
    NotListening,
    Publisher,
    PublisherState,
    QueueFull,
    Report,
    RequestTimeout,
    TransportError,
)
from coverslip.viewers.account import Account
from coverslip.viewers.courier import Courier
from coverslip.viewers.inline import Packer
from coverslip.viewers.target import Target

__all__ = ["Lane", "LaneState", "Parcel"]

logger = logging.getLogger(__name__)

_WINDOW = 512
"""Planes that the viewer may have been sent and not yet read.

A viewer's queue must never be full: ZeroMQ then stops reading that connection, heartbeats
included, and a viewer that is merely slow is cut off as if it were frozen (measured).
"""

_FLUSH_SLICE = 1.0
"""A flush asks again this often, so that it notices a viewer that died meanwhile."""

_FLUSH_PAUSE = 0.02


class LaneState(enum.Enum):
    """What a lane does with a plane."""

    WAITING = "waiting for the viewer to start"
    CONNECTING = "connecting"
    LIVE = "live"
    ABSENT = "absent"


class Parcel(NamedTuple):
    """Planes that go to the viewers as one message; their pixels lie in arena slots."""

    source: Source
    planes: tuple[Plane, ...]

    @property
    def slots(self) -> list[Slot]:
        """Return the slots that this lane holds a lease on for these planes."""
        return [plane.pixels for plane in self.planes if isinstance(plane.pixels, Slot)]


class Lane:
    """Sends at most once, in order, to one viewer; counts what does not arrive.

    Parameters
    ----------
    stream : str
        The stream's name on the wire.
    index : int
        Which byte of a slot is this lane's.
    target : Target
        Where the viewer is.
    offer : Offer
        How the viewer may reach the stream's arena.
    arena : Arena
        Where the pixels lie.
    lock : threading.RLock
        The stream's lock: guards every method here that says so.
    limit : float
        Seconds after which a viewer that does not listen counts as absent.
    producer : str
        Who sends, for the viewer's log and window.
    """

    def __init__(
        self,
        *,
        stream: str,
        index: int,
        target: Target,
        offer: Offer,
        arena: Arena,
        lock: threading.RLock,
        limit: float,
        producer: str,
    ) -> None:
        self.index = index
        self.stream = stream
        self.account = Account()
        self._arena = arena
        self._changed = threading.Condition(lock)
        self._state = LaneState.WAITING
        self._publisher: Publisher | None = None
        self._epoch = 0
        self._inline = False
        self._pending: deque[Parcel] = deque()
        self._credit = _WINDOW
        self._packer = Packer(self, arena, self._changed)
        self._bursting = 0
        self.absence = "there is no viewer"
        """Why planes are dropped, while they are."""
        self._courier = Courier(self, target, offer, limit=limit, producer=producer)

    def abandon(self, let_go: Callable[[], object]) -> None:
        """Have `let_go` called soon, from a thread of its own; never waits, takes no lock."""
        self._courier.abandoned = let_go

    # ---- the stream's side; its lock is held ------------------------------------------

    @property
    def state(self) -> LaneState:
        """What the lane does with a plane now."""
        return self._state

    @property
    def wants(self) -> bool:
        """Whether a plane that is sent now may arrive."""
        return self._state is not LaneState.ABSENT

    @property
    def waiting(self) -> bool:
        """Whether the viewer is on its way."""
        return self._state is LaneState.WAITING

    @property
    def connecting(self) -> bool:
        """Whether the viewer is there and was not attached to yet."""
        return self._state is LaneState.CONNECTING

    @property
    def live(self) -> bool:
        """Whether planes are sent as they come."""
        return self._state is LaneState.LIVE

    @property
    def absent(self) -> bool:
        """Whether planes are dropped."""
        return self._state is LaneState.ABSENT

    def post(self, parcel: Parcel) -> None:
        """Send a parcel, or queue it; its slots' bytes for this lane are set already."""
        self.account.wait(len(parcel.planes))
        if self._bursting:
            logger.info("planes reach the viewer again; %d were dropped", self._bursting)
            self._bursting = 0
        self._pending.append(parcel)
        if self._state is LaneState.LIVE:
            self.drain()
        else:
            self._courier.kick()

    def drop(self, planes: int, reason: str) -> None:
        """Count planes that are not sent to this viewer; warn once a burst."""
        self.account.drop(planes, reason)
        if not self._bursting:
            logger.warning("planes are dropped: %s", reason)
        self._bursting += planes

    def drain(self) -> None:
        """Send what is queued, as far as the socket takes it."""
        if self._state is not LaneState.LIVE:
            return
        while self._pending and not self._inline:
            planes = self._pending[0].planes
            if (self._credit <= 0 and not self._read_on()) or not self._send_first(planes):
                return
            self._credit -= len(planes)
        self._changed.notify_all()

    def look(self) -> None:
        """Notice a viewer that stopped listening, and send what is queued: for who waits for room.

        The courier may be waiting for an answer that a frozen viewer does not give.
        """
        publisher = self._publisher
        if self._state is LaneState.LIVE and publisher is not None:
            if publisher.poll() is PublisherState.LISTENING:
                self.drain()
            else:
                self.lose("the viewer does not answer (ended or frozen)")

    @property
    def compressed(self) -> int:
        """Planes that travelled inline and compressed."""
        return self._packer.compressed

    @property
    def bytes_compressed(self) -> int:
        """Bytes of compressed pixels that the viewer has not confirmed."""
        return self._packer.bytes_compressed

    @property
    def sends_inline(self) -> bool:
        """Whether planes are the packer's to send."""
        return self._inline and self._state is LaneState.LIVE

    @property
    def first(self) -> Parcel | None:
        """What is to be sent next."""
        return self._pending[0] if self._pending else None

    def send_inline(self, planes: Sequence[Plane], frames: Sequence[bytes | memoryview]) -> bool:
        """Send the first parcel as the packer made it; whether it was sent.

        The frames' memory must not change until the viewer confirms them.
        """
        before = self.account.published
        self._send_first(tuple(planes), frames)
        if self.account.published == before:
            return False
        if not self._packer.waits:
            self._courier.kick()
        return True

    def _read_on(self) -> bool:
        """Look how far the viewer has read; whether it may be sent more."""
        # A copied plane's lease is over; what is queued here is leased and not sent.
        queued = sum(len(parcel.planes) for parcel in self._pending)
        self._credit = _WINDOW - (self._arena.leases(self.index) - queued)
        return self._credit > 0

    def _send_first(
        self, planes: tuple[Plane, ...], frames: Sequence[bytes | memoryview] = ()
    ) -> bool:
        """Send the first parcel; whether to go on with the next."""
        parcel, publisher = self._pending[0], self._publisher
        if publisher is None:
            self.lose("the lane has no socket")
            return False
        batch = Batch(
            stream=self.stream,
            epoch=self._epoch,
            sequence=self.account.published,
            source=parcel.source,
            planes=planes,
        )
        try:
            publisher.send(encode(batch, frames), copy=not frames)
        except QueueFull:
            return False
        except NotListening:
            self.lose("the viewer stopped listening")
            return False
        except (TypeError, ValueError, OverflowError) as error:
            # Not the planes after it: what cannot be written as a message never will be.
            self._refuse(self._pending.popleft(), f"a plane cannot be sent: {error}")
            return True
        self._pending.popleft()
        self.account.publish(len(planes))
        return True

    def _refuse(self, parcel: Parcel, reason: str) -> None:
        logger.error("%s", reason)
        self.account.fail(len(parcel.planes), reason, waiting=True)
        for slot in parcel.slots:
            self._arena.release(slot, self.index)

    def delivery(self) -> Delivery:
        """Return the counts as known now."""
        return self.account.delivery()

    # ---- the courier's side; takes the stream's lock ----------------------------------

    def lose(self, reason: str) -> None:
        """Give up on the viewer for now: whatever is queued or leased ends here."""
        with self._changed:
            if self._state is not LaneState.ABSENT:
                logger.warning("%s: planes are dropped until it is back", reason)
            self._state = LaneState.ABSENT
            self.absence = reason
            for parcel in self._pending:
                self.account.drop(len(parcel.planes), reason, waiting=True)
                self._bursting += len(parcel.planes)
            self._pending.clear()
            self._packer.forget()
            self._arena.clear_lane(self.index)
            self._changed.notify_all()

    def expect(self) -> None:
        """Queue planes again for a viewer that is on its way after all."""
        with self._changed:
            if self._state is LaneState.ABSENT:
                self._state = LaneState.WAITING

    def connect(self, publisher: Publisher) -> None:
        """Have a socket to the viewer; planes are sent once it was attached to."""
        with self._changed:
            self._publisher = publisher
            if self._state is LaneState.WAITING:
                self._state = LaneState.CONNECTING

    def disconnect(self) -> None:
        """Have no socket any more, since the viewer's process ended: its account is closed."""
        with self._changed:
            if self._publisher is not None:
                self._publisher = None
                if self._state is not LaneState.ABSENT:
                    self.lose("the viewer ended")
                self.account.lost("the viewer ended before it showed them")
            self._changed.notify_all()

    def begin_epoch(self) -> tuple[int, int]:
        """Return the epoch of the next attachment and the number of its first plane."""
        with self._changed:
            if self._state is LaneState.LIVE:
                self.lose("the viewer connected anew")
            self._epoch += 1
            return self._epoch, self.account.published

    def go_live(self, attached: Attached) -> None:
        """Send what is queued, and from now on everything, to the viewer that was attached to."""
        with self._changed:
            self.account.attached(attached.instance, attached.counts)
            self._inline = attached.transfer == "inline"
            if self._inline:
                self._packer.begin(attached.codecs)
            self._credit = _WINDOW
            self._state = LaneState.LIVE
            self.drain()
            self._changed.notify_all()

    def tend(self) -> bool:
        """Send what is queued; return whether the viewer's counts are awaited."""
        with self._changed:
            self.drain()
            return self._state is LaneState.LIVE and self.account.unsettled > 0

    @property
    def busy(self) -> bool:
        """Whether something waits for the viewer to read on."""
        return bool(self._pending or self._packer.waits)

    @property
    def inline_under_way(self) -> bool:
        """Whether slots wait for the viewer to say that it has their pixels."""
        return self._packer.waits

    def take(self, report: Report) -> None:
        """Take over the viewer's counts, and give back the slots of inline pixels it has."""
        counts = report.streams.get(self.stream)
        if counts is None:
            return
        with self._changed:
            self.account.reported(counts)
            self._packer.confirm(counts)
            self.drain()

    # ---- any thread -------------------------------------------------------------------

    def flush(self, deadline: float) -> None:
        """Wait until every plane sent so far is settled, or the deadline (monotonic) passes.

        Returns early when the viewer's process is known to be gone.
        """
        with self._changed:
            sequence = self.account.expected
        while (left := deadline - time.monotonic()) > 0:
            with self._changed:
                # What waited may have been dropped meanwhile: its numbers are others' then.
                sequence = min(sequence, self.account.expected)
                if self._state is LaneState.LIVE and self.account.published >= sequence:
                    if not self.account.unsettled:
                        return
                elif self._publisher is None and self._state is LaneState.ABSENT:
                    return
                else:
                    self._courier.kick()
                    self._changed.wait(min(left, _FLUSH_SLICE))
                    continue
            try:
                flush = Flush(stream=self.stream, sequence=sequence)
                self.take(self._courier.ask(flush, Report, min(left, _FLUSH_SLICE)))
                return
            except RequestTimeout:
                continue
            except TransportError as error:
                logger.debug("flushing %s: %s", self._courier.address, error)
                with self._changed:
                    self._changed.wait(min(left, _FLUSH_PAUSE))

    def close(self) -> None:
        """Say goodbye, end the courier, close the socket. What is unsettled is dropped."""
        self._packer.close()
        self._courier.close(goodbye=self.live)
        with self._changed:
            self._publisher = None
            if self._state is not LaneState.ABSENT:
                self._state = LaneState.ABSENT
                for parcel in self._pending:
                    planes = len(parcel.planes)
                    self.account.drop(planes, "the stream was closed", waiting=True)
                self._pending.clear()
            self._packer.forget()
            self._arena.clear_lane(self.index)
            self.account.lost("the stream was closed before the viewer told")
