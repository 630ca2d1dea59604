"""Which regions of an arena are being written and which are the readers': the owner's own books.

Neither memory nor leases: those are its neighbours'. All bytes are counted here, shared and
private alike, so that one budget bounds both.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

from numpy.typing import NDArray

from coverslip.payload.errors import StalePlane
from coverslip.payload.region import Region
from coverslip.payload.schema import Slot
from coverslip.payload.supply import address_of

__all__ = ["Regions"]


class Regions:
    """The regions in use; of one thread at a time.

    Attributes
    ----------
    reserved, in_flight : int
        Bytes that are being written, and bytes that were published.
    """

    def __init__(self) -> None:
        self.reserved = 0
        self.in_flight = 0
        self._written: dict[int, Region] = {}  # by address
        self._published: dict[int, Region] = {}  # by index
        self._abandoned: deque[Region] = deque()

    @property
    def published(self) -> int:
        """How many are the readers'."""
        return len(self._published)

    @property
    def written(self) -> int:
        """How many are being written."""
        return len(self._written)

    def reserve(self, region: Region) -> None:
        """Have a region written to from now on."""
        self._written[region.place.address] = region
        self.reserved += region.length

    def lend(self, region: Region, array: NDArray[Any]) -> None:
        """Have the region given back by itself when `array`, the base of every view of it, goes.

        That may be in any thread and with the arena's lock held, by garbage collection: it is only
        noted, for `abandoned`.
        """
        abandoned = self._abandoned
        region.owner = weakref.ref(array, lambda _: abandoned.append(region))

    def abandoned(self) -> Region | None:
        """Return a region whose array was dropped unpublished, no longer reserved; or None."""
        while self._abandoned:
            region = self._abandoned.popleft()
            if self._written.get(region.place.address) is region:
                self.take_back(region)
                return region
        return None

    def claim(self, array: NDArray[Any]) -> Region | None:
        """Take the region that an array fills which `lend` gave it; None for all other arrays."""
        if not self._written or not array.flags.c_contiguous:
            return None
        region = self._written.get(address_of(array))
        if region is None or region.length != array.nbytes or region.owner is None:
            return None
        # An array that was published lies at the same place as whoever has the slot now.
        owner = region.owner()
        if owner is None or (array is not owner and array.base is not owner):
            return None
        if array.dtype != array.dtype.newbyteorder("<"):
            return None
        region.owner = None
        return region

    def take_back(self, region: Region) -> None:
        """End a reservation. Raises ValueError when there is none (any more)."""
        if self._written.get(region.place.address) is not region:
            raise ValueError(f"{region!r} is not reserved: it was published or discarded before")
        del self._written[region.place.address]
        region.owner = None
        self.reserved -= region.length

    def publish(self, region: Region) -> None:
        """Have a region that was taken back be the readers'."""
        self._published[region.index] = region
        self.in_flight += region.length

    def find(self, slot: Slot) -> Region | None:
        """Return the published region that a slot means, None when it was given back since."""
        region = self._published.get(slot.index)
        return region if region is not None and region.generation == slot.generation else None

    def expect(self, slot: Slot) -> Region:
        """Return as `find`, or raise `StalePlane`."""
        region = self.find(slot)
        if region is None:
            raise StalePlane(f"{slot} was given back by every lane")
        return region

    def settle(self, index: int) -> Region | None:
        """Return a published region that no reader has any more; it is in use no longer.

        None for one that was on its way in or out when an exception of a signal handler's, such as
        Ctrl-C, came between two steps.
        """
        region = self._published.pop(index, None)
        if region is not None:
            self.in_flight -= region.length
        return region

    def clear(self) -> None:
        """Forget all."""
        self._written.clear()
        self._published.clear()
        self._abandoned.clear()
        self.reserved = self.in_flight = 0
