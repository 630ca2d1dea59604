"""One viewer's place on a stream: its queue, its account, and whether planes are taken.

Planes are sent by whoever calls `Stream.send`, straight from that thread: handing over to another
one would cost a turn of the GIL a plane. All that may wait is the lane's `Courier`'s.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from coverslip.payload import Arena, Batch, Offer, Plane, encode
from coverslip.transport import (
    Attached,
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
from coverslip.viewers.credit import Credit
from coverslip.viewers.drops import Drops
from coverslip.viewers.inline import Packer
from coverslip.viewers.parcel import Parcel
from coverslip.viewers.standing import LaneState
from coverslip.viewers.target import Target
from coverslip.viewers.whole import Whole

__all__ = ["Lane"]

logger = logging.getLogger(__name__)

_EPOCHS = 1 << 32

_FLUSH_SLICE = 1.0
"""A flush asks again this often, so that it notices a viewer that died meanwhile."""

_FLUSH_PAUSE = 0.02


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
    offer : callable
        Returns how the viewer may reach the stream's arena now.
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
        offer: Callable[[], Offer],
        arena: Arena,
        lock: threading.RLock,
        limit: float,
        producer: str,
    ) -> None:
        self.index = index
        self.stream = stream
        self.account = Account()
        self._arena = arena
        self._lock = lock
        self._changed = threading.Condition(lock)
        self._state = LaneState.WAITING
        self._publisher: Publisher | None = None
        self.transfer = ""
        """How the viewer that was attached to last gets pixels."""
        self._pending: deque[Parcel] = deque()
        self._credit = Credit(arena, index)
        self._packer = Packer(self, arena, self._changed)
        self._drops = Drops(logger)
        self._begun = (0, 0)
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
    def live(self) -> bool:
        """Whether planes are sent as they come."""
        return self._state is LaneState.LIVE

    def post(self, parcel: Parcel) -> None:
        """Send a parcel, or queue it; its slots' bytes for this lane are set already."""
        self.account.wait(len(parcel.planes))
        self._drops.arrive()
        self._pending.append(parcel)
        if self._state is LaneState.LIVE:
            self.drain()
        else:
            self._courier.kick()

    def drop(self, planes: int, reason: str) -> None:
        """Count planes that are not sent to this viewer; warn once a burst."""
        self.account.drop(planes, reason)
        self._drops.drop(planes, reason)

    def drain(self) -> None:
        """Send what is queued, as far as the socket takes it."""
        if self._state is not LaneState.LIVE:
            return
        while self._pending and not self.sends_inline:
            planes = self._pending[0].planes
            if not self._credit.allows(self._pending) or not self._send_first(planes):
                return
            self._credit.spend(len(planes))
        if self.sends_inline:
            self._packer.start()
        self._changed.notify_all()

    def take_back(self, share: float) -> None:
        """Leave the viewer at most `share` of the arena, of what it has not read the oldest.

        It counts what was sent and is gone as dropped, should it read on. Pixels that travel inline
        are in messages already, which the packer bounds.
        """
        if self.transfer != "inline":
            self._arena.trim_lane(self.index, share)

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
        """Whether the next planes are the packer's to send."""
        if self._state is not LaneState.LIVE or not self._pending:
            return False
        return self.transfer == "inline" or self._pending[0].private

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
            epoch=self._begun[0],
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

    def drop_first(self, reason: str) -> None:
        """Leave out what is to be sent next, and go on with what comes after it."""
        parcel = self._pending.popleft()
        self.account.drop(len(parcel.planes), reason, waiting=True)
        self._drops.drop(len(parcel.planes), reason)
        for slot in parcel.slots:
            self._arena.release(slot, self.index)
        self.drain()

    def _refuse(self, parcel: Parcel, reason: str) -> None:
        logger.error("%s", reason)
        self.account.fail(len(parcel.planes), reason, waiting=True)
        for slot in parcel.slots:
            self._arena.release(slot, self.index)

    # ---- the courier's side; takes the stream's lock ----------------------------------

    def lose(self, reason: str) -> None:
        """Give up on the viewer for now: whatever is queued or leased ends here."""
        with self._lock:
            if self._state is not LaneState.ABSENT:
                logger.warning("%s: planes are dropped until it is back", reason)
            self._state = LaneState.ABSENT
            self.absence = reason
            self._give_up(reason)
            self._changed.notify_all()

    def _give_up(self, reason: str) -> None:
        for parcel in self._pending:
            self.account.drop(len(parcel.planes), reason, waiting=True)
            self._drops.drop(len(parcel.planes), None)
        self._pending.clear()
        self._packer.forget()
        self._arena.clear_lane(self.index)

    def expect(self) -> None:
        """Queue planes again for a viewer that is on its way after all."""
        with self._lock:
            if self._state is LaneState.ABSENT:
                self._state = LaneState.WAITING

    def connect(self, publisher: Publisher) -> None:
        """Have a socket to the viewer; planes are sent once it was attached to."""
        with self._lock:
            self._publisher = publisher
            if self._state is LaneState.WAITING:
                self._state = LaneState.CONNECTING

    def disconnect(self) -> None:
        """Have no socket any more, since the viewer's process ended: its account is closed."""
        with self._lock:
            if self._publisher is not None:
                self._publisher = None
                if self._state is not LaneState.ABSENT:
                    self.lose("the viewer ended")
                self.account.lost("the viewer ended before it showed them")
            self._changed.notify_all()

    def begin_epoch(self) -> tuple[int, int]:
        """Return the epoch of the next attachment and the number of its first plane."""
        with self._lock:
            if self._state is LaneState.LIVE:
                self.lose("the viewer connected anew")
            # By a random step: data of an epoch are taken from who knows it, and no other holder
            # of the key does.
            epoch = self._begun[0] + 1 + secrets.randbelow(_EPOCHS)
            self._begun = epoch, self.account.published
            return self._begun

    @property
    def begun(self) -> tuple[int, int]:
        """The epoch of the last attachment and the number of its first plane."""
        return self._begun

    def go_live(self, attached: Attached) -> None:
        """Send what is queued, and from now on everything, to the viewer that was attached to.

        One that is live has been offered a segment that was not there before.
        """
        with self._lock:
            self.account.attached(attached.instance, attached.counts)
            self.transfer = attached.transfer
            if self._state is not LaneState.LIVE:
                self._packer.begin(attached.codecs, keeps=attached.keeps)
                self._credit.begin()
                self._state = LaneState.LIVE
            self.drain()
            self._changed.notify_all()

    def tend(self) -> bool:
        """Send what is queued; return whether the viewer's counts are awaited."""
        with self._lock:
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
        with Whole(), self._lock:
            self.account.reported(counts)
            self._packer.confirm(counts)
            self.drain()

    # ---- any thread -------------------------------------------------------------------

    def flush(self, deadline: float) -> None:
        """Wait until every plane sent so far is settled, or the deadline (monotonic) passes.

        Returns early when the viewer's process is known to be gone.
        """
        with self._lock:
            sequence = self.account.expected
        while (left := deadline - time.monotonic()) > 0:
            with self._lock:
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
                with self._lock:
                    self._changed.wait(min(left, _FLUSH_PAUSE))

    def close(self, *, drop: bool) -> None:
        """Say goodbye, end the courier, close the socket. What is unsettled is dropped.

        With `drop` the viewer drops it, too, and both have the same counts; otherwise it shows
        what it has.
        """
        self._packer.close()
        self._courier.close(goodbye=self.live, drop=drop)
        with self._lock:
            self._publisher = None
            self._state = LaneState.ABSENT
            self._give_up("the stream was closed")
            self.account.lost("the stream was closed before the viewer told")
