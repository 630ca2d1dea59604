"""One viewer's place on a stream: its socket, its queue, its account.

A lane is the only thing that knows whether its viewer listens. It has a thread
of its own, the *courier*, which finds the viewer, attaches to it, notices its
death and fetches its counts; so a frozen viewer holds up its own courier and
nobody else. Planes are sent by whoever calls `Stream.send`, straight from that
thread: handing over to another one would cost a turn of the GIL a plane.

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
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from coverslip.payload import Arena, Batch, Inline, Offer, Plane, Slot, Source, encode, encode_offer
from coverslip.transport import (
    Attach,
    Attached,
    Delivery,
    Detach,
    Done,
    Endpoint,
    Flush,
    NotListening,
    Publisher,
    PublisherState,
    QueueFull,
    Reply,
    Report,
    Request,
    RequestRefused,
    RequestTimeout,
    Status,
    TransportError,
    request,
)
from coverslip.viewers.account import Account
from coverslip.viewers.target import Presence, Target

__all__ = ["Lane", "LaneState", "Parcel"]

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Reply)

_BUSY_INTERVAL = 0.02
"""Seconds between the courier's looks while something is awaited."""

_IDLE_INTERVAL = 0.1

_ABSENT_INTERVAL = 0.25
"""Looking for a viewer reads a folder: not too often."""

_REPORT_INTERVAL = 0.25
"""How often the viewer is asked for its counts while planes are under way."""

_WINDOW = 512
"""Planes that the viewer may have been sent and not yet read.

A viewer's queue must never be full: ZeroMQ then stops reading that connection, heartbeats
included, and a viewer that is merely slow is cut off as if it were frozen (measured).
"""

_CONTROL_TIMEOUT = 2.0
_FLUSH_SLICE = 1.0
"""A flush asks again this often, so that it notices a viewer that died meanwhile."""


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
        self.account = Account()
        self._stream = stream
        self._target = target
        self._offer = encode_offer(offer)
        self._arena = arena
        self._limit = limit
        self._producer = producer
        self._changed = threading.Condition(lock)
        self._state = LaneState.WAITING
        self._endpoint: Endpoint | None = None
        self._publisher: Publisher | None = None
        self._connection = 0
        self._since = time.monotonic()
        self._reported = 0.0
        self._epoch = 0
        self._inline = False
        self._pending: deque[Parcel] = deque()
        self._credit = _WINDOW
        self._in_flight: deque[tuple[int, list[Slot]]] = deque()
        self._bursting = 0
        self.abandoned: Callable[[], object] | None = None
        """Lets go of the stream; set when nobody has it any more. The courier sees to it."""
        self._closing = threading.Event()
        self._kick = threading.Event()
        self._courier = threading.Thread(
            target=self._run, name=f"coverslip-courier-{index}", daemon=True
        )
        self._courier.start()

    # ---- the stream's side; its lock is held ------------------------------------------

    @property
    def state(self) -> LaneState:
        """What the lane does with a plane now."""
        return self._state

    @property
    def wants(self) -> bool:
        """Whether a plane that is sent now may arrive."""
        return self._state is not LaneState.ABSENT

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
            self._kick.set()

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
        while self._pending:
            if self._credit <= 0 and not self._read_on():
                return
            try:
                self._send(self._pending[0])
            except QueueFull:
                return
            except NotListening:
                self._lose("the viewer stopped listening")
                return
            except (TypeError, ValueError, OverflowError) as error:
                # Not the planes after it: what cannot be written as a message never will be.
                self._refuse(self._pending.popleft(), f"a plane cannot be sent: {error}")
                continue
            self._credit -= len(self._pending.popleft().planes)
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
                self._lose("the viewer does not answer (ended or frozen)")

    def _read_on(self) -> bool:
        """Look how far the viewer has read; whether it may be sent more."""
        if self._inline:
            unread = sum(len(slots) for _, slots in self._in_flight)
            self._kick.set()
        else:
            # A copied plane's lease is over; what is queued here is leased and not sent.
            queued = sum(len(parcel.planes) for parcel in self._pending)
            unread = self._arena.leases(self.index) - queued
        self._credit = _WINDOW - unread
        return self._credit > 0

    def _send(self, parcel: Parcel) -> None:
        publisher = self._publisher
        if publisher is None:
            raise NotListening("the lane has no socket")
        batch = Batch(
            stream=self._stream,
            epoch=self._epoch,
            sequence=self.account.published,
            source=parcel.source,
            planes=parcel.planes,
        )
        if self._inline:
            slots = parcel.slots
            planes = tuple(
                msgspec.structs.replace(plane, pixels=Inline(frame=frame))
                for frame, plane in enumerate(parcel.planes, start=1)
            )
            frames = encode(
                msgspec.structs.replace(batch, planes=planes),
                [self._arena.view(slot) for slot in slots],
            )
            # Not copied: the slot stays leased until the viewer says that it has the plane, so
            # that what waits in sockets at either end is within the arena's budget.
            publisher.send(frames, copy=False)
            self._in_flight.append((batch.sequence + len(slots), slots))
        else:
            publisher.send(encode(batch))
        self.account.publish(len(parcel.planes))

    def _refuse(self, parcel: Parcel, reason: str) -> None:
        logger.error("%s", reason)
        self.account.fail(len(parcel.planes), reason, waiting=True)
        for slot in parcel.slots:
            self._arena.release(slot, self.index)

    def _lose(self, reason: str) -> None:
        """Give up on the viewer for now: whatever is queued or leased ends here."""
        if self._state is not LaneState.ABSENT:
            logger.warning("%s: planes are dropped until it is back", reason)
        self._state = LaneState.ABSENT
        self._connection = 0
        for parcel in self._pending:
            self.account.drop(len(parcel.planes), reason, waiting=True)
            self._bursting += len(parcel.planes)
        self._pending.clear()
        self._in_flight.clear()
        self._arena.clear_lane(self.index)
        self._since = time.monotonic()
        self._changed.notify_all()

    def delivery(self) -> Delivery:
        """Return the counts as known now."""
        return self.account.delivery()

    # ---- the courier's side -----------------------------------------------------------

    def _run(self) -> None:
        level = logging.ERROR
        while not self._closing.is_set():
            try:
                self._advance()
            except Exception:
                # What fails may fail at each look, as a runtime folder that is gone: said once.
                logger.log(level, "the courier of lane %d goes on", self.index, exc_info=True)
                level = logging.DEBUG
            else:
                level = logging.ERROR
            self._kick.wait(self._interval())
            self._kick.clear()
            if self.abandoned is not None:
                # Not from this thread: what is under way may need it.
                name = f"coverslip-closer-{self.index}"
                threading.Thread(target=self.abandoned, name=name, daemon=True).start()
                self.abandoned = None

    def _interval(self) -> float:
        if self._state is LaneState.ABSENT:
            return _ABSENT_INTERVAL
        if self._state is not LaneState.LIVE or self._pending or self._in_flight:
            return _BUSY_INTERVAL
        return _IDLE_INTERVAL

    def _advance(self) -> None:
        if self._state is not LaneState.LIVE:
            self._find()
        publisher = self._publisher
        if publisher is None:
            return
        state = publisher.poll()
        if state is PublisherState.LISTENING:
            if publisher.connections != self._connection:
                self._attach(publisher, publisher.connections)
            else:
                self._tend()
        elif self._state is LaneState.LIVE:
            with self._changed:
                self._lose("the viewer does not answer (ended or frozen)")
        elif self._state is LaneState.CONNECTING and self._overdue():
            with self._changed:
                self._lose(f"the viewer at {self._address} did not answer in {self._limit:g} s")
        if self._state is not LaneState.LIVE and self._target.presence() is Presence.GONE:
            self._bury()

    @property
    def _address(self) -> str:
        return "?" if self._endpoint is None else self._endpoint.data_address

    def _overdue(self) -> bool:
        return time.monotonic() - self._since > self._limit

    def _find(self) -> None:
        endpoint = self._target.locate()
        if endpoint is None:
            if self._state is LaneState.WAITING and self._target.presence() is Presence.GONE:
                with self._changed:
                    self._lose("there is no viewer")
            elif self._state is LaneState.ABSENT and (self._target.presence() is Presence.STARTING):
                with self._changed:
                    self._state = LaneState.WAITING
            return
        if endpoint == self._endpoint and self._publisher is not None:
            return
        self._bury()
        self._endpoint = endpoint
        self._publisher = Publisher.acquire(endpoint)
        with self._changed:
            self._since = time.monotonic()
            if self._state is LaneState.WAITING:
                self._state = LaneState.CONNECTING

    def _bury(self) -> None:
        """Close the account and the socket of a viewer whose process ended."""
        publisher, self._publisher, self._endpoint = self._publisher, None, None
        with self._changed:
            if publisher is not None:
                if self._state is not LaneState.ABSENT:
                    self._lose("the viewer ended")
                self.account.lost("the viewer ended before it showed them")
            self._changed.notify_all()
        if publisher is not None:
            publisher.release()

    def _attach(self, publisher: Publisher, connection: int) -> None:
        with self._changed:
            if self._state is LaneState.LIVE:
                self._lose("the viewer connected anew")
            self._epoch += 1
            message = Attach(
                stream=self._stream,
                epoch=self._epoch,
                sequence=self.account.published,
                producer=self._producer,
                offer=self._offer,
            )
        try:
            attached = self._ask(message, Attached, _CONTROL_TIMEOUT)
        except TransportError as error:
            logger.debug("attaching to %s: %s", self._address, error)
            if self._state is LaneState.CONNECTING and self._overdue():
                with self._changed:
                    self._lose(f"the viewer at {self._address} refuses the stream: {error}")
            return
        with self._changed:
            self.account.attached(attached.instance, attached.counts)
            self._inline = attached.transfer == "inline"
            if self._inline:
                logger.info("pixels travel inline to %s: %s", self._address, attached.reason)
            self._connection = connection
            self._credit = _WINDOW
            self._state = LaneState.LIVE
            self.drain()
            self._changed.notify_all()

    def _tend(self) -> None:
        with self._changed:
            self.drain()
            interval = _BUSY_INTERVAL if self._in_flight else _REPORT_INTERVAL
            due = (
                self._state is LaneState.LIVE
                and self.account.unsettled > 0
                and time.monotonic() - self._reported > interval
            )
        if due:
            try:
                self._take(self._ask(Status(stream=self._stream), Report, _CONTROL_TIMEOUT))
            except RequestRefused:
                # Too many streams came after it. Lost, the courier attaches anew.
                with self._changed:
                    self._lose("the viewer no longer knows the stream")
            except TransportError as error:
                logger.debug("asking %s for its counts: %s", self._address, error)

    def _ask(self, message: Request, reply: type[R], timeout: float) -> R:
        endpoint = self._endpoint
        if endpoint is None:
            raise NotListening("the lane has no viewer")
        return request(endpoint, message, reply, timeout=timeout)

    def _take(self, report: Report) -> None:
        counts = report.streams.get(self._stream)
        self._reported = time.monotonic()
        if counts is not None:
            with self._changed:
                self.account.reported(counts)
                while self._in_flight and self._in_flight[0][0] <= counts.next:
                    for slot in self._in_flight.popleft()[1]:
                        self._arena.release(slot, self.index)
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
                    self._kick.set()
                    self._changed.wait(min(left, _FLUSH_SLICE))
                    continue
            try:
                flush = Flush(stream=self._stream, sequence=sequence)
                self._take(self._ask(flush, Report, min(left, _FLUSH_SLICE)))
                return
            except RequestTimeout:
                continue
            except TransportError as error:
                logger.debug("flushing %s: %s", self._address, error)
                with self._changed:
                    self._changed.wait(min(left, _BUSY_INTERVAL))

    def close(self) -> None:
        """Say goodbye, end the courier, close the socket. What is unsettled is dropped."""
        self._closing.set()
        self._kick.set()
        if self._courier is not threading.current_thread():
            self._courier.join(_CONTROL_TIMEOUT * 2)
        if self._state is LaneState.LIVE:
            try:
                # The last word on what was shown: what is not settled in it counts as dropped.
                self._take(self._ask(Status(stream=self._stream), Report, _CONTROL_TIMEOUT))
                self._ask(Detach(stream=self._stream), Done, _CONTROL_TIMEOUT)
            except TransportError as error:
                logger.debug("detaching from %s: %s", self._address, error)
        with self._changed:
            publisher, self._publisher = self._publisher, None
            if self._state is not LaneState.ABSENT:
                self._state = LaneState.ABSENT
                for parcel in self._pending:
                    planes = len(parcel.planes)
                    self.account.drop(planes, "the stream was closed", waiting=True)
                self._pending.clear()
            self._in_flight.clear()
            self._arena.clear_lane(self.index)
            self.account.lost("the stream was closed before the viewer told")
        if publisher is not None:
            publisher.release()
