"""Pixels in the messages themselves, for a viewer that shares no memory: often over a network.

A thread a lane does what costs time, so that `show` never compresses: it cuts pixels into frames,
compresses them where that pays (`economy`), and holds back what would only wait in sockets.

Whose memory it is:

- a plane that goes as it is stays in its slot, leased, until the viewer says that it has it;
- a compressed one lies in a ring, which is a region of the same arena and so within the stream's
  budget, until the viewer says that it has it; its slot is given back as soon as it is compressed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from coverslip.payload import (
    CODEC,
    Arena,
    Inline,
    PayloadError,
    Plane,
    Slot,
    can_compress,
    compress,
)
from coverslip.transport import Counts
from coverslip.viewers.credit import WINDOW
from coverslip.viewers.economy import Economy
from coverslip.viewers.ring import Ring
from coverslip.viewers.turn import turn
from coverslip.viewers.whole import Whole

if TYPE_CHECKING:
    from coverslip.viewers.lane import Lane
    from coverslip.viewers.parcel import Parcel

__all__ = ["Packer"]

logger = logging.getLogger(__name__)

_FRAME_BYTES = 256 << 10
"""Pixels are cut into frames of this much.

A peer that receives no whole frame for two seconds counts as frozen: so a link may be as slow as
1 Mbit/s, where one of 8 MB would have needed 34.
"""

_RING_BYTES = 64 << 20
_RING_SHARE = 4
"""The ring takes this part of the budget at most."""

_RING_PAUSE = 1.0
_LOOK = 1.0
"""Seconds between two looks for something to send, should nobody tell of it."""
_MARGIN = 1.1
_PAUSE = 0.02
_JOIN_TIMEOUT = 4.0

_LEAST_COMPRESSED = 1 << 12
"""Bytes of a plane that is not worth the call."""

_Frame = bytes | memoryview


class _UnderWay(NamedTuple):
    """One message that the viewer has not confirmed."""

    stop: int
    """Number of the plane after its last."""
    planes: int
    wire: int
    pixels: int
    slots: tuple[Slot, ...]
    taken: int
    ring_end: int
    """What of the ring it has, and where that ends."""


class _Packed(NamedTuple):
    """A parcel as it will be sent."""

    planes: tuple[Plane, ...]
    frames: list[_Frame]
    wire: int
    loose: tuple[Slot, ...]
    """Slots whose pixels lie in the ring now."""
    held: tuple[Slot, ...]
    start: int
    taken: int
    """What of the ring is used."""


class Packer:
    """Sends a lane's planes inline, at most once and in order; its lane's lock guards it.

    Methods are called with that lock held, but for `close`.

    Parameters
    ----------
    lane : Lane
        Whose planes it sends.
    arena : Arena
        Where they lie.
    changed : threading.Condition
        Of the lane's lock; notified when there may be something to send.
    """

    def __init__(self, lane: Lane, arena: Arena, changed: threading.Condition) -> None:
        self.economy = Economy()
        self.compressed = 0
        """Planes that were sent compressed."""
        self._lane = lane
        self._arena = arena
        self._changed = changed
        self._under_way: deque[_UnderWay] = deque()
        self._planes = self._bytes = self._taken = 0
        self._turn = 0
        self._may_compress = False
        self._ring: Ring | None = None
        self._ring_wanted = float("-inf")
        self._closing = False
        self._thread: threading.Thread | None = None

    # ---- the lane's side; its lock is held --------------------------------------------

    def begin(self, codecs: list[str], *, keeps: bool = False) -> None:
        """Send from now on, to a viewer that was attached to, unpacks `codecs`, or `keeps` all."""
        self.forget()
        self.economy.keeps = keeps
        self._may_compress = CODEC in codecs and can_compress()

    def start(self) -> None:
        """Have a thread: there is something to send."""
        if self._thread is None:
            name = f"coverslip-packer-{self._lane.index}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def forget(self) -> None:
        """Let go of what is under way: the lane's leases have ended."""
        self._turn += 1
        self._under_way.clear()
        self._planes = self._bytes = self._taken = 0
        self.economy.interrupted()
        if self._ring is not None:
            self._ring.clear()

    @property
    def waits(self) -> bool:
        """Whether something is under way."""
        return bool(self._under_way)

    @property
    def bytes_compressed(self) -> int:
        """Bytes of compressed pixels under way; others are the arena's to count."""
        return self._taken

    def confirm(self, counts: Counts) -> None:
        """Give back the memory of what the viewer has."""
        taken = 0
        pixels = planes = 0
        while self._under_way and self._under_way[0].stop <= counts.next:
            message = self._under_way.popleft()
            taken += message.wire
            pixels += message.pixels
            planes += message.planes
            self._planes -= message.planes
            self._bytes -= message.wire
            for slot in message.slots:
                self._arena.release(slot, self._lane.index)
            if message.taken and self._ring is not None:
                self._taken -= message.taken
                self._ring.give(message.ring_end)
        waiting = counts.pending * pixels // planes if planes else 0
        self.economy.reported(taken, self._bytes, waiting, time.monotonic())
        self._changed.notify_all()

    def close(self) -> None:
        """End the thread. The lock is not held."""
        with Whole(), self._changed:
            self._closing = True
            self._changed.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_TIMEOUT)
        self._ring = None

    # ---- its own thread ---------------------------------------------------------------

    def _run(self) -> None:
        with turn():
            self._pack_all()

    def _pack_all(self) -> None:
        if self._may_compress:
            # The codec's first use loads it: not to be taken for its speed.
            compress(memoryview(bytes(1 << 16)), 2, memoryview(bytearray(1 << 16)))
        while True:
            with self._changed:
                while not self._closing and not self._ready():
                    self._changed.wait(_LOOK)
                if self._closing:
                    return
                parcel, turn = self._lane.first, self._turn
            try:
                if parcel is not None:
                    self._send(parcel, turn)
            except Exception:
                logger.exception("the packer of lane %d goes on", self._lane.index)
                with self._changed:
                    if turn == self._turn:
                        self._lane.lose("its planes cannot be sent")

    def _ready(self) -> bool:
        parcel = self._lane.first
        if parcel is None or not self._lane.sends_inline:
            return False
        if not self._under_way:
            return True
        if self._planes >= WINDOW or self._bytes >= self.economy.window:
            return False
        ring, ratio = self._ring, self.economy.ratio
        if ring is None or ratio is None or not self.economy.compresses:
            return True
        # Better a moment later than as it is.
        return len(ring.free()[1]) * ratio > _MARGIN * sum(slot.length for slot in parcel.slots)

    def _send(self, parcel: Parcel, turn: int) -> None:
        try:
            packed = self._pack(parcel)
        except PayloadError as error:
            with self._changed:
                # Mostly the lane was lost meanwhile, and the parcel counted with it. Otherwise it
                # is counted here: pixels that are gone do not come back.
                if turn == self._turn and self._lane.first is parcel:
                    self._lane.drop_first(str(error))
            return
        with self._changed:
            if turn != self._turn or self._lane.first is not parcel:
                return
            if self._lane.send_inline(packed.planes, packed.frames):
                self._note(packed)
                # What comes after it may lie in shared memory.
                self._lane.drain()
            elif self._lane.sends_inline:
                # The socket's queue is full.
                self._changed.wait(_PAUSE)

    def _note(self, packed: _Packed) -> None:
        end = 0
        if packed.taken and self._ring is not None:
            end = self._ring.take(packed.start, packed.taken)
            self._taken += packed.taken
        for slot in packed.loose:
            self._arena.release(slot, self._lane.index)
        self.compressed += len(packed.loose)
        pixels = sum(slot.length for slot in packed.loose + packed.held)
        self._under_way.append(
            _UnderWay(
                self._lane.account.published,
                len(packed.planes),
                packed.wire,
                pixels,
                packed.held,
                packed.taken,
                end,
            )
        )
        self._planes += len(packed.planes)
        self._bytes += packed.wire

    def _pack(self, parcel: Parcel) -> _Packed:
        planes: list[Plane] = []
        frames: list[_Frame] = []
        loose: list[Slot] = []
        held: list[Slot] = []
        start, room = self._room()
        taken = 0
        for plane, slot in zip(parcel.planes, parcel.slots, strict=True):
            pixels = self._arena.view(slot)
            body = pixels
            length = self._compress(pixels, plane, room[taken:])
            if length:
                body = room[taken : taken + length].toreadonly()
                taken += length
                loose.append(slot)
            else:
                held.append(slot)
            cut = [body[at : at + _FRAME_BYTES] for at in range(0, len(body), _FRAME_BYTES)]
            where = Inline(len(frames) + 1, len(cut), CODEC if length else None)
            planes.append(msgspec.structs.replace(plane, pixels=where))
            frames += cut
        wire = sum(len(frame) for frame in frames)
        return _Packed(tuple(planes), frames, wire, tuple(loose), tuple(held), start, taken)

    @property
    def _ring_size(self) -> int:
        return min(_RING_BYTES, self._arena.budget // _RING_SHARE)

    def _room(self) -> tuple[int, memoryview]:
        """Return the free part of the ring; make the ring when it pays to compress."""
        with self._changed:
            wanted = self.economy.compresses
            missing = wanted and self._ring is None
        # Without the lock, which `show` needs: fresh memory takes its time.
        made = self._new_ring() if missing else None
        with self._changed:
            self._ring = self._ring or made
            if not wanted or self._ring is None:
                return 0, memoryview(b"")
            return self._ring.free()

    def _new_ring(self) -> Ring | None:
        """Return a ring in the arena, None when there is no room; asks once in a while."""
        now = time.monotonic()
        if now < self._ring_wanted:
            return None
        self._ring_wanted = now + _RING_PAUSE
        try:
            memory = self._arena.allocate((self._ring_size,), np.uint8)
        except PayloadError as error:
            logger.debug("no memory to compress into: %s", error)
            return None
        return None if memory is None else Ring(memory)

    def _compress(self, pixels: memoryview, plane: Plane, room: memoryview) -> int:
        """Compress a plane, if that pays; return its length in `room`, 0 as it is."""
        if not self._may_compress or pixels.nbytes < _LEAST_COMPRESSED:
            return 0
        economy = self.economy
        if economy.compresses:
            if room.nbytes * (economy.ratio or 1.0) < pixels.nbytes:
                return 0
            return self._measured(pixels, int(plane.dtype[2]), room)
        if pixels.nbytes <= self._ring_size and economy.wants_sample(time.monotonic()):
            # A whole plane is the sample: of a part, waiting for the GIL would be most of it. It
            # goes as it is, for the memory of a ring is not taken before it is known to pay.
            spare = np.empty(pixels.nbytes, np.uint8)
            self._measured(pixels, int(plane.dtype[2]), spare.data)
        return 0

    def _measured(self, pixels: memoryview, itemsize: int, room: memoryview) -> int:
        began = time.perf_counter()
        length = compress(pixels, itemsize, room)
        seconds = time.perf_counter() - began
        # What found no room in the ring says nothing of the pixels.
        if length or room.nbytes >= pixels.nbytes:
            with self._changed:
                self.economy.compressed(
                    pixels.nbytes, length or pixels.nbytes, seconds, time.monotonic()
                )
        return length
