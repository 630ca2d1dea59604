"""The server thread's half of a viewer: receive, copy, say where each plane belongs.

It decodes what comes, copies pixels out of the stream's arena into memory of this process, says
where each plane belongs and what contrast it asks for, and puts it into the inbox, from which the
GUI thread takes it (`coverslip.viewers.server`).

The inbox is bounded in bytes, and so is the memory of planes. When either has no room, the data
socket (never the control socket) is not read, the arena's slots stay taken, and the stream feels
it: back-pressure all the way, nothing dropped in the middle.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping
from typing import Any, ClassVar

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
    Mode,
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
    Detach,
    Identity,
    Ledger,
    Refused,
    Usage,
    ZMQServer,
)
from coverslip.viewers.bursts import Burst, say_rest
from coverslip.viewers.contrast import FirstLooks
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.inbox import Arrival, Inbox
from coverslip.viewers.memory import Memory
from coverslip.viewers.sender import Sender

__all__ = ["ReceivingServer"]

logger = logging.getLogger(__name__)

_INBOX_BYTES = 256 << 20
"""Planes copied but not yet inserted may hold this much; beyond it the data socket waits."""

_COPY_BELOW = 1 << 16
"""An inline frame smaller than this is copied; a larger one is kept as it arrived."""

_READ_BYTES = 64 << 20
_READ_SHARE = 16
"""A viewer that is short of memory has at most about this much of its streams' resident, or this
part of its budget."""

_LET_GO = "the viewer stood still so long that the stream let go of it"


class ReceivingServer(ZMQServer):
    """Receives planes exactly as its streams published them, in order within a stream.

    Each plane that arrives is put into the inbox, or ends in its stream's ledger as dropped (its
    stream let go of it before it was read, or there is no room for it at all) or failed (with
    the reason). Nothing waits in here: all of it runs on the server thread, but for what says
    otherwise.

    Parameters
    ----------
    memory : int or Memory, optional
        Bytes that the viewer's process may take, see `coverslip.viewers.memory`; or where planes
        are held that outlast the server.
    **options
        `ZMQServer`'s.
    """

    defaults: ClassVar[Mapping[str, Mode]] = {"channel": Mode.SLICE}
    """Component modes where a plane's source names none; anything else stacks."""

    own_layer: ClassVar[frozenset[Mode]] = frozenset({Mode.SLICE, Mode.SEPARATE})
    """Modes that give a layer (a window) for each value of the component."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"image"})
    """What it can show; a plane of another kind fails."""

    pads: ClassVar[bool] = False
    """Whether it can show planes of several sizes in one layer."""

    def __init__(self, *, memory: int | Memory | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._lent_memory = isinstance(memory, Memory)
        self.memory = memory if isinstance(memory, Memory) else Memory(memory, room_again=self.wake)
        self._sources: dict[str, Sender] = {}
        self._ended: dict[str, int] = {}
        self._inbox = Inbox(_INBOX_BYTES)
        self.first_looks = FirstLooks()
        """Forgotten by the GUI thread when it has cleared all layers."""
        self.failures = Burst(logger, "plane(s) failed")
        self._read_bytes = 0

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
        self._sources[request.stream] = Sender(owner, offer, reader)
        transfer = "inline" if reader is None else "shared_memory"
        codecs = [CODEC] if can_compress() else []
        return msgspec.structs.replace(attached, transfer=transfer, reason=reason, codecs=codecs)

    def open_account(self, request: Attach) -> Ledger:
        """Open the account of a stream that comes another way than by the data socket, inline.

        Server thread. Raises as `attach`.
        """
        super().attach(request)
        return self.ledger(request.stream)

    def detach(self, request: Detach) -> None:
        """Let go of the stream's arena."""
        self._forget(request.stream)
        super().detach(request)

    def housekeeping(self) -> None:
        """Let go of arenas that nobody writes to any more; log what bursts have left.

        A killed pipeline says no goodbye, nor does a stream whose account made room for others, and
        that of one that is closed is not heard by a viewer that was frozen then.
        """
        say_rest()
        self.memory.weigh()
        for stream, source in list(self._sources.items()):
            ledger = self.ledgers.get(stream)
            if ledger is None:
                self._forget(stream)
            elif source.ended:
                # What it had sent is still to be read, and its memory is still there. It is read
                # when nothing came since the last look, though there was room for it.
                counts = ledger.counts()
                if self._ended.get(stream) == counts.next and self.accepts_data():
                    source.say_how_it_ended(stream, counts)
                    self._forget(stream)
                else:
                    self._ended[stream] = counts.next

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
        self.take_in(batch, frames)

    def take_in(self, batch: Batch, frames: list[memoryview], *, late: bool = False) -> None:
        """Do as `handle_data`, with a message that was decoded already; server thread.

        Of a `late` one there were newer planes before: whoever goes to the newest stays there.
        """
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
                ledger.dropped(sequence, _LET_GO)
            except NoRoom as error:
                ledger.dropped(sequence, str(error))
                _give_back(plane, reader)
            except Exception as error:  # noqa: BLE001  # the burst logs it
                # Of this plane only, be it no memory: the next one has its own fate.
                reason = str(error) if isinstance(error, PayloadError) else repr(error)
                ledger.failed(sequence, reason)
                self.report_failure(reason)
                self.failures.count(reason, exc_info=True)
                _give_back(plane, reader)
            else:
                self._inbox.put(arrival._replace(late=True) if late else arrival)
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
            self.prepare_table(plane.kind, pixels)
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
        limits = batch.source.display.contrast_limits
        if limits is None and not plane.rgb and plane.kind not in TABLES:
            limits = self.measure(placement, pixels)
        tile = None
        if plane.kind in TABLES:
            self.count_table(pixels)
        else:
            tile = self.reduce(placement, pixels)
            pixels = self.take_over(placement, pixels)
        return Arrival(batch.stream, sequence, placement, pixels, plane.origin, limits, tile)

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
                pixels = hold(view, lent=True)
            self._rest(view.nbytes)
            return pixels
        count = math.prod(plane.shape)  # a table without rows comes with one byte
        view = np.frombuffer(pixels_of(plane, frames), plane.dtype, count).reshape(plane.shape)
        return hold(view, lent=False)

    def _rest(self, nbytes: int) -> None:
        """Count bytes read from arenas, whose pages are this process's, and give them back."""
        self._read_bytes += nbytes
        most = min(_READ_BYTES, self.memory.budget // _READ_SHARE)
        if self._read_bytes >= most and self.memory.tight:
            self._read_bytes = 0
            for source in self._sources.values():
                if source.reader is not None:
                    source.reader.rest()

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

    def prepare_table(self, kind: Kind, table: NDArray[Any]) -> None:
        """Do what drawing a table takes and the GUI need not do; raise where it cannot be drawn.

        For a subclass.
        """

    def count_table(self, table: NDArray[Any]) -> None:
        """Count a table's bytes until nobody has it any more; `NoRoom` where it has none."""
        self.memory.hold_table(table)

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return memory for one plane that this viewer will keep."""
        return kept(shape, dtype)

    def take_over(self, placement: Placement, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return what stands for a plane from here on, be it in memory or on disk."""
        coordinates = tuple(placement.coordinates.values())
        plane: Any = self.memory.hold(pixels, (placement.layer, coordinates))
        return plane  # type: ignore[no-any-return]  # an array to whoever asks it for one

    def reduce(self, placement: Placement, pixels: NDArray[Any]) -> NDArray[Any] | None:
        """Return a plane at reduced size, for a viewer that has an overview of many; else None."""
        return None

    def measure(self, placement: Placement, pixels: NDArray[Any]) -> tuple[float, float] | None:
        """Return what contrast limits a plane asks for, exact for a layer's first real one.

        Labels ask for none: their colours are names.
        """
        if placement.layer.kind != "image":
            return None
        return self.first_looks.limits(placement.layer, pixels)

    def read(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a held plane as an array, for its checksum; any thread."""
        return np.asarray(pixels)

    def usage(self) -> Usage:
        """Return what the planes take."""
        return self.memory.usage()

    def arrived(self) -> None:
        """Wake a GUI that sleeps: planes were put into the inbox. For a subclass; server thread."""

    def close(self) -> None:
        """Stop receiving and let go of every arena, and of all memory of its own. Idempotent."""
        super().close()
        if not self._lent_memory:
            self.memory.close()
        for stream in list(self._sources):
            self._forget(stream)


def _give_back(plane: Plane, reader: ArenaReader | None) -> None:
    """End the lease on a plane that was not copied, if it is ours to end."""
    if reader is not None and isinstance(plane.pixels, Slot):
        with contextlib.suppress(PayloadError):
            reader.release(plane.pixels)
