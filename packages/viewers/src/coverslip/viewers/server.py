"""What every viewer's process shares: receive, copy, project, hand to the GUI.

Two threads, and each owns what it touches:

- the **server thread** (`ZMQServer`'s) receives, decodes, copies pixels out of
  the stream's arena into memory of this process, says where each plane belongs
  and what contrast it asks for, and puts it into the inbox;
- the **GUI thread** calls `ViewerServer.tick` from its event loop. That inserts
  what the inbox holds for as long as its budget lasts, settles each plane's
  account, and answers the questions that only a GUI thread may answer.

The inbox is bounded in bytes. When the GUI is slow it fills, the server stops
reading the data socket (never the control socket), the arena's slots stay
taken, and the stream feels it: back-pressure all the way, nothing dropped in
the middle. A subclass draws: `NapariViewerServer`, `FijiViewerServer`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from coverslip.payload import (
    CODEC,
    TABLES,
    ArenaReader,
    ArenaUnreachable,
    Batch,
    InvalidMessage,
    Kind,
    LayerKey,
    Mode,
    Offer,
    PayloadError,
    Placement,
    Plane,
    Slot,
    StalePlane,
    can_compress,
    check_table,
    decode,
    decode_offer,
    kept,
    pixels_of,
    place,
)
from coverslip.transport import (
    Attach,
    Attached,
    Clear,
    Detach,
    Done,
    Identity,
    Picture,
    Refused,
    Reply,
    Request,
    Screenshot,
    Usage,
    ZMQServer,
    is_alive,
)
from coverslip.viewers.contrast import limits_of
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.inbox import Arrival, Inbox
from coverslip.viewers.memory import Entry, HeldPlane, Memory
from coverslip.viewers.messages import DescribeLayers, Layers, RaiseWindow
from coverslip.viewers.snapshot import LayerSnapshot

__all__ = ["Arrival", "ViewerServer"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_INBOX_BYTES = 256 << 20
"""Planes copied but not yet inserted may hold this much; beyond it the data socket waits."""

_COPY_BELOW = 1 << 16
"""An inline frame smaller than this is copied; a larger one is kept as it arrived."""

_FAILURE_BURST = 5.0
"""Seconds without a failed plane, after which the next is logged again: `Status` counts all."""


class _Source(NamedTuple):
    """A stream as this viewer knows it; owned by the server thread."""

    owner: Identity | None
    offer: Offer
    reader: ArenaReader | None


class ViewerServer(ZMQServer):
    """Receives planes exactly as its streams published them, in order within a stream.

    Each plane that arrives ends in its stream's ledger as shown (it is in the
    layer that is drawn), dropped (its slot was written again before it was
    read) or failed (with the reason). When the GUI lags, the data socket is not
    read; nothing is discarded here for want of room.

    `handle_data` and the handlers run on the server thread; `tick` and the
    abstract methods on the GUI's.

    Parameters
    ----------
    memory : int, optional
        Bytes that the viewer's process may take, see `coverslip.viewers.memory`.
    **options
        `ZMQServer`'s.
    """

    defaults: ClassVar[Mapping[str, Mode]] = {"channel": Mode.SLICE}
    """Component modes where a plane's source names none; anything else stacks."""

    own_layer: ClassVar[frozenset[Mode]] = frozenset({Mode.SLICE, Mode.SEPARATE})
    """Modes that give a layer (a window) for each value of the component."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"image"})
    """What it can show; a plane of another kind fails."""

    most_layers: ClassVar[int] = 2048
    """A plane that asks for one more fails: no window is of use with as many, or opens them."""

    pads: ClassVar[bool] = False
    """Whether it can show planes of several sizes in one layer."""

    def __init__(self, *, memory: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.memory = Memory(memory, room_again=self.wake)
        self._sources: dict[str, _Source] = {}
        self._ended: dict[str, int] = {}
        self._inbox = Inbox(_INBOX_BYTES)
        self._calls: deque[Callable[[], None]] = deque()
        self._measured: set[LayerKey] = set()
        self._layers: set[LayerKey] = set()
        self._failures_quiet_until = 0.0
        # Checksums of a full viewer take seconds: neither thread may wait for them.
        self._clerk = ThreadPoolExecutor(1, thread_name_prefix="coverslip-clerk")

    # ---- server thread ----------------------------------------------------------------

    def handlers(self) -> dict[type[Request], Callable[[Any], Reply | Future[Reply]]]:
        """Return what this server answers, by request type."""
        return {
            **super().handlers(),
            Clear: lambda _: self.on_gui(self._clear),
            Screenshot: lambda _: self.on_gui(lambda: Picture(png=self.take_screenshot())),
            DescribeLayers: self._describe,
            RaiseWindow: lambda _: self.on_gui(self._raise),
        }

    def attach(self, request: Attach) -> Attached:
        """Open the stream's arena, if this process can prove that it reaches it."""
        try:
            offer = decode_offer(request.offer)
        except InvalidMessage as error:
            raise Refused(f"stream {request.stream}: {error}") from None
        # First: an attach that is refused, as one of an epoch that is over, changes nothing.
        attached = super().attach(request)
        reader, reason = None, ""
        known = self._sources.get(request.stream)
        if known is not None and known.offer == offer and known.reader is not None:
            reader = known.reader
        else:
            self._forget(request.stream)
            try:
                reader = ArenaReader.open(offer)
            except ArenaUnreachable as error:
                reason = str(error)
                logger.info("stream %s sends its pixels inline: %s", request.stream, reason)
        owner = None
        if reader is not None and offer.pid and offer.start_time:
            owner = Identity(offer.pid, offer.start_time)
        self._sources[request.stream] = _Source(owner, offer, reader)
        transfer = "inline" if reader is None else "shared_memory"
        codecs = [CODEC] if can_compress() else []
        return msgspec.structs.replace(attached, transfer=transfer, reason=reason, codecs=codecs)

    def detach(self, request: Detach) -> None:
        """Let go of the stream's arena."""
        self._forget(request.stream)
        super().detach(request)

    def housekeeping(self) -> None:
        """Let go of arenas that nobody writes to any more.

        A killed pipeline says no goodbye, nor does a stream whose account made room for others.
        """
        self.memory.weigh()
        for stream, source in list(self._sources.items()):
            ledger = self.ledgers.get(stream)
            if ledger is None:
                self._forget(stream)
            elif source.owner is not None and not is_alive(source.owner):
                # What it had sent is still to be read, and its memory is still there. It is read
                # when nothing came since the last look, though there was room for it.
                received = ledger.counts().next
                if self._ended.get(stream) == received and self.accepts_data():
                    logger.info("stream %s: its process %d is gone", stream, source.owner.pid)
                    self._forget(stream)
                else:
                    self._ended[stream] = received

    def _forget(self, stream: str) -> None:
        source = self._sources.pop(stream, None)
        self._ended.pop(stream, None)
        if source is not None and source.reader is not None:
            source.reader.close()

    def accepts_data(self) -> bool:
        """Whether the inbox has room, and so have planes."""
        return self._inbox.has_room and self.memory.has_room

    def handle_data(self, frames: list[memoryview]) -> None:
        """Copy the planes of one message and put them into the inbox."""
        try:
            batch = decode(frames)
        except InvalidMessage as error:
            raise Refused(str(error)) from None
        source = self._sources.get(batch.stream)
        ledger = self.ledgers.get(batch.stream)
        if ledger is None:
            raise Refused(f"stream {batch.stream!r} has not attached")
        if not ledger.receive(batch.epoch, batch.sequence, len(batch.planes)):
            return
        reader = None if source is None else source.reader
        for sequence, plane in enumerate(batch.planes, start=batch.sequence):
            try:
                arrival = self._arrive(batch, sequence, plane, reader, frames)
            except StalePlane:
                ledger.dropped(sequence, "its slot was written again before the viewer read it")
            except NoRoom as error:
                ledger.dropped(sequence, str(error))
                _give_back(plane, reader)
            except Exception as error:
                # Of this plane only, be it no memory: the next one has its own fate.
                reason = str(error) if isinstance(error, PayloadError) else repr(error)
                ledger.failed(sequence, reason)
                self.report_failure(reason)
                logger.log(
                    self._failure_level(),
                    "plane %d of stream %s failed",
                    sequence,
                    batch.stream,
                    exc_info=True,
                )
                _give_back(plane, reader)
            else:
                self._inbox.put(arrival)
        self.arrived()

    def _arrive(
        self,
        batch: Batch,
        sequence: int,
        plane: Plane,
        reader: ArenaReader | None,
        frames: list[memoryview],
    ) -> Arrival:
        if plane.kind not in self.kinds:
            raise InvalidMessage(f"a {self.kind} viewer shows no {plane.kind}")
        pixels = self._take(plane, reader, frames)
        if plane.kind in TABLES:
            check_table(plane.kind, len(plane.along), pixels)
        placement = place(
            batch.source,
            plane.components,
            shape=plane.shape,
            dtype=plane.dtype,
            rgb=plane.rgb,
            defaults=self.defaults,
            own_layer=self.own_layer,
            kind=plane.kind,
            along=plane.along,
            pads=self.pads,
        )
        self._admit(placement.layer)
        limits = batch.source.display.contrast_limits
        if limits is None and not plane.rgb and plane.kind not in TABLES:
            limits = self.measure(placement, pixels)
        if plane.kind not in TABLES:
            pixels = self.take_over(placement, pixels)
        return Arrival(batch.stream, sequence, placement, pixels, plane.origin, limits)

    def _take(
        self, plane: Plane, reader: ArenaReader | None, frames: list[memoryview]
    ) -> NDArray[Any]:
        """Return a plane's pixels in memory of this viewer's."""
        hold = self.hold_table if plane.kind in TABLES else self.hold
        if isinstance(plane.pixels, Slot):
            if reader is None:
                raise InvalidMessage(
                    "the plane lies in shared memory that this viewer has not open: "
                    "the stream was told to send inline, detached, or its process ended"
                )
            with reader.lend(plane) as view:
                return hold(view, lent=True)
        count = math.prod(plane.shape)  # a table without rows comes with one byte
        view = np.frombuffer(pixels_of(plane, frames), plane.dtype, count).reshape(plane.shape)
        return hold(view, lent=False)

    def _admit(self, layer: LayerKey) -> None:
        if layer not in self._layers:
            if len(self._layers) >= self.most_layers:
                raise InvalidMessage(
                    f"more than {self.most_layers} layers: let the component that makes them be a "
                    "slider, or clear the viewer"
                )
            self._layers.add(layer)

    def hold(self, view: NDArray[Any], *, lent: bool) -> NDArray[Any]:
        """Return a plane's pixels in memory of this viewer's.

        A viewer whose planes lie elsewhere (in a Java virtual machine) returns what stands for
        them: everything but its own methods looks at ``shape``, ``dtype`` and ``nbytes`` alone,
        and at `read`.

        Parameters
        ----------
        view
            ``(y, x)`` or ``(y, x, c)``, C-contiguous, read-only.
        lent
            It is the stream's memory, which is written again once this returns. Otherwise it is a
            message's, which lives for as long as the array.
        """
        if not lent and view.nbytes >= _COPY_BELOW:
            return view
        pixels = self.allocate(view.shape, view.dtype)
        np.copyto(pixels, view)
        return pixels

    def hold_table(self, view: NDArray[Any], *, lent: bool) -> NDArray[Any]:
        """Return a table of annotations in memory of this viewer's; as `hold`, an array always."""
        if not lent and view.nbytes >= _COPY_BELOW:
            return view
        return view.copy()

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return memory for one plane that this viewer will keep."""
        return kept(shape, dtype)

    def take_over(self, placement: Placement, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return what stands for a plane from here on, be it in memory or on disk."""
        coordinates = tuple(placement.coordinates.values())
        plane: Any = self.memory.hold(pixels, (placement.layer, coordinates))
        return plane  # type: ignore[no-any-return]  # an array to whoever asks it for one

    def measure(self, placement: Placement, pixels: NDArray[Any]) -> tuple[float, float] | None:
        """Return what contrast limits a plane asks for, exact for a layer's first real one.

        Labels ask for none: their colours are names.
        """
        if placement.layer.kind != "image":
            return None
        exact = placement.layer not in self._measured
        limits = limits_of(pixels, exact=exact)
        if exact and limits is not None:
            self._measured.add(placement.layer)
        return limits

    def read(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a held plane as an array, for its checksum; any thread."""
        return np.asarray(pixels)

    def usage(self) -> Usage:
        """Return what the planes take."""
        return self.memory.usage()

    def arrived(self) -> None:
        """Wake a GUI that sleeps: planes were put into the inbox. For a subclass; server thread."""

    # ---- any thread -------------------------------------------------------------------

    def on_gui(self, call: Callable[[], T]) -> Future[T]:
        """Run `call` in the next `tick`; its result or exception is the future's."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call())
            except Exception as error:
                logger.exception("a request to the GUI failed")
                future.set_exception(error)

        self._calls.append(run)
        self.arrived()
        return future

    def _failure_level(self) -> int:
        """Return at what level to log a plane that failed: DEBUG after the first of a burst."""
        now = time.monotonic()
        level = logging.DEBUG if now < self._failures_quiet_until else logging.WARNING
        self._failures_quiet_until = now + _FAILURE_BURST
        return level

    @property
    def waiting(self) -> int:
        """Planes received and not yet inserted."""
        return len(self._inbox)

    # ---- GUI thread -------------------------------------------------------------------

    def tick(self, budget: float = 0.02) -> int:
        """Insert what has arrived; GUI thread only.

        Parameters
        ----------
        budget : float, default 0.02
            Seconds after which no further plane is begun. One is always done.

        Returns
        -------
        int
            Planes inserted.
        """
        while self._calls:
            self._calls.popleft()()
        for lost in self.memory.take_lost():
            self.drop_lost(lost)
        deadline = time.monotonic() + budget
        inserted = freed = 0
        held_back = not self.accepts_data()
        while (arrival := self._inbox.take()) is not None:
            freed += arrival.pixels.nbytes
            ledger = self.ledgers.get(arrival.stream)
            if ledger is not None and not ledger.draw(arrival.sequence):
                continue  # its stream was closed without waiting, and counts it as dropped
            held: Any = arrival.pixels
            if isinstance(held, HeldPlane) and held.lost:
                if ledger is not None:
                    ledger.dropped(arrival.sequence, held.lost)
                continue
            try:
                self.insert(arrival)
            except Exception as error:
                logger.log(
                    self._failure_level(),
                    "plane %d of stream %s failed",
                    arrival.sequence,
                    arrival.stream,
                    exc_info=True,
                )
                self.report_failure(f"{type(error).__name__}: {error}")
                if ledger is not None:
                    ledger.failed(arrival.sequence, f"{type(error).__name__}: {error}")
            else:
                inserted += 1
                if ledger is not None:
                    ledger.shown(arrival.sequence)
            if time.monotonic() >= deadline:
                break
        if freed:
            self._inbox.settle(freed)
            if held_back and self.accepts_data():
                self.wake()
        return inserted

    @abstractmethod
    def insert(self, arrival: Arrival) -> None:
        """Put one plane into its layer; raise to fail that plane."""

    def drop_lost(self, lost: Entry) -> None:
        """Take a plane whose pixels are lost out of its layer, unless another has its place.

        Its tag is its layer's key and its coordinates there.
        """

    @abstractmethod
    def clear_layers(self) -> None:
        """Take away every layer of ours; the user's own stay."""

    @abstractmethod
    def take_screenshot(self) -> bytes:
        """Return the whole window as PNG."""

    def raise_window(self) -> None:
        """Bring the window to the front; GUI thread."""

    @abstractmethod
    def snapshot(self) -> list[LayerSnapshot]:
        """Return what each layer of ours holds, bottom first."""

    # ---- requests ---------------------------------------------------------------------

    def _clear(self) -> Done:
        self.clear_layers()
        self._measured.clear()
        self._layers.clear()
        return Done()

    def _raise(self) -> Done:
        self.raise_window()
        return Done()

    def _describe(self, request: DescribeLayers) -> Future[Reply]:
        answer: Future[Reply] = Future()

        def hand_on(done: Future[list[LayerSnapshot]]) -> None:
            try:
                self._clerk.submit(describe, done.result())
            except Exception as error:
                logger.debug("layers cannot be described", exc_info=True)
                answer.set_exception(error)

        def describe(snapshots: list[LayerSnapshot]) -> None:
            try:
                layers = tuple(
                    one.described(self.read if request.checksums else None) for one in snapshots
                )
                answer.set_result(Layers(layers=layers))
            except Exception as error:
                logger.exception("describing layers")
                answer.set_exception(error)

        self.on_gui(self.snapshot).add_done_callback(hand_on)
        return answer

    def close(self) -> None:
        """Stop receiving and let go of every arena. Idempotent."""
        super().close()
        self._clerk.shutdown(wait=True, cancel_futures=True)
        self.memory.close()
        for stream in list(self._sources):
            self._forget(stream)


def _give_back(plane: Plane, reader: ArenaReader | None) -> None:
    """End the lease on a plane that was not copied, if it is ours to end."""
    if reader is not None and isinstance(plane.pixels, Slot):
        with contextlib.suppress(PayloadError):
            reader.release(plane.pixels)
