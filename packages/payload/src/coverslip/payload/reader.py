"""Attach, check, copy, release: the viewer's side of an arena.

Nothing that a message or a segment says is believed: every number is held against the segment's
real size before a view is made, and the generation tells whether the pixels are still those that
the message meant.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import segment as segments
from coverslip.payload.arrays import WIRE_DTYPES
from coverslip.payload.errors import ArenaClosed, ArenaUnreachable, InvalidMessage, StalePlane
from coverslip.payload.foreign import Allocate
from coverslip.payload.frames import plane_nbytes
from coverslip.payload.schema import Offer, Plane, Slot
from coverslip.payload.table import HEADER_SIZE, Layout, Table

__all__ = ["ArenaReader"]

_readers: weakref.WeakSet[ArenaReader] = weakref.WeakSet()


class ArenaReader:
    """One lane's view of another process's arena; may be used from any thread.

    It copies each plane at most once and gives its slot back. It keeps what it has mapped until
    `close`, also when the stream has died.
    """

    def __init__(self, layout: Layout, lane: int, front: memoryview, data: Any) -> None:
        self.lane = lane
        self._layout = layout
        self._mapped: tuple[Table, Any] | None = (Table(layout, front), data)
        self._front: memoryview | None = front
        _readers.add(self)

    @classmethod
    def open(cls, offer: Offer) -> ArenaReader:
        """Open the offered arena and prove that it is the one that was offered.

        Raises
        ------
        ArenaUnreachable
            There is none, it is on another machine or in another container, it is another user's,
            or the nonce is not in it.
        """
        if offer.address is None:
            raise ArenaUnreachable("the stream offers no arena")
        segment = segments.open_at(offer.address)
        try:
            if segment.size and segment.size < HEADER_SIZE:
                raise ArenaUnreachable(f"a segment of {segment.size} bytes is no arena")
            header = memoryview(segment.map(0, HEADER_SIZE, write=False))
            layout = Layout.read(header)
            if layout.nonce != offer.nonce:
                raise ArenaUnreachable(f"{offer.address} is another stream's arena")
            if offer.lane >= layout.lanes:
                raise ArenaUnreachable(f"lane {offer.lane} of an arena with {layout.lanes} lanes")
            if segment.size and segment.size != layout.size:
                raise ArenaUnreachable(
                    f"the segment has {segment.size} bytes where its header says {layout.size}"
                )
            front = memoryview(segment.map(0, layout.data_start, write=True))
            data = segment.map(layout.data_start, layout.data_size, write=False)
        except (OSError, ValueError, OverflowError) as error:
            raise ArenaUnreachable(f"{offer.address} cannot be mapped: {error}") from error
        finally:
            segment.close(owned=False)
        return cls(layout, offer.lane, front, data)

    def copy(
        self, plane: Plane, out: NDArray[Any] | None = None, allocate: Allocate | None = None
    ) -> NDArray[Any]:
        """Return the plane's pixels in memory of the caller's, and give the slot back.

        Parameters
        ----------
        plane : Plane
            Its pixels lie in this arena.
        out : ndarray, optional
            Where to copy to, of the plane's shape and dtype.
        allocate : callable, optional
            Makes the array from (shape, dtype) when there is no `out`; ``numpy.empty`` by default.

        Raises
        ------
        InvalidMessage
            The plane is not within the arena, or its length is not its shape's.
        StalePlane
            The slot was given back or written again; its lease is left alone.
        """
        with self.lend(plane) as view:
            if out is None:
                make = np.empty if allocate is None else allocate
                out = make(view.shape, view.dtype)
            if out.shape != view.shape or out.dtype != view.dtype:
                raise ValueError(
                    f"{out.shape} of {out.dtype} for a plane {view.shape} of {view.dtype}"
                )
            np.copyto(out, view)
        return out

    @contextmanager
    def lend(self, plane: Plane) -> Iterator[NDArray[Any]]:
        """Lend the plane's pixels where they lie, to be copied to memory that is no array.

        The slot is given back when the block ends, and only then is it known that the copy is
        good: one that ends in an error is to be thrown away. An exception that leaves the block
        keeps the lease; `release` gives it back.

        Parameters
        ----------
        plane : Plane
            Its pixels lie in this arena.

        Yields
        ------
        ndarray
            Read-only, C-contiguous; not to be touched after the block.

        Raises
        ------
        InvalidMessage
            The plane is not within the arena, or its length is not its shape's.
        StalePlane
            The slot was given back or written again, before the block or while it ran; its lease
            is left alone.
        """
        table, data = self._open()
        slot = plane.pixels
        if not isinstance(slot, Slot):
            raise InvalidMessage("the plane travels inline, not in an arena")
        self._check(slot)
        if slot.length != plane_nbytes(plane):
            raise InvalidMessage(
                f"{slot.length} bytes in the arena for {plane.shape} of {plane.dtype}"
            )
        self._check_generation(table, slot)
        view = np.ndarray(plane.shape, WIRE_DTYPES[plane.dtype], buffer=data, offset=slot.offset)
        view.flags.writeable = False
        yield view
        self._check_generation(table, slot)
        table.end(slot.index, self.lane)

    def release(self, slot: Slot) -> None:
        """Give a slot back without having copied it.

        Raises
        ------
        InvalidMessage
            It is not one of this arena's slots.
        StalePlane
            It was given back before, or written again.
        """
        table, _ = self._open()
        self._check(slot)
        self._check_generation(table, slot)
        table.end(slot.index, self.lane)

    def rest(self) -> None:
        """Have the arena's pages counted no longer as this process's; they stay as they are.

        Every page that was read once is resident in its reader, up to the arena's whole budget.
        To read it again costs a minor fault for every few pages.
        """
        _, data = self._open()
        if hasattr(mmap, "MADV_DONTNEED"):
            # A shared mapping loses nothing by it: its pages are the segment's.
            data.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Let go of the memory; may be called again. Leases that are left are the stream's loss."""
        self._mapped = self._front = None

    @property
    def left(self) -> bool:
        """Whether the stream has let go of its arena; what it had published is there still.

        A stream whose viewer was frozen when it was closed could not say so otherwise.
        """
        front = self._front
        return front is not None and self._layout.left(front)

    def __enter__(self) -> ArenaReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> tuple[Table, Any]:
        mapped = self._mapped
        if mapped is None:
            raise ArenaClosed("the reader is closed")
        return mapped

    def _check(self, slot: Slot) -> None:
        if not 0 <= slot.index < self._layout.slots:
            raise InvalidMessage(f"slot {slot.index} of an arena with {self._layout.slots}")
        if slot.offset < 0 or not 0 < slot.length <= self._layout.data_size - slot.offset:
            raise InvalidMessage(
                f"{slot.length} bytes at {slot.offset}, outside an arena of "
                f"{self._layout.data_size} bytes"
            )

    def _check_generation(self, table: Table, slot: Slot) -> None:
        found = table.generations[slot.index]
        # an even one is a slot that nobody has published
        if found != slot.generation or found % 2 == 0:
            raise StalePlane(
                f"slot {slot.index} is at generation {found}, the message meant {slot.generation}"
            )


def _close_after_fork() -> None:
    # a child that kept the mapping would keep the memory when stream and viewer are gone
    for reader in list(_readers):
        reader.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_after_fork)
