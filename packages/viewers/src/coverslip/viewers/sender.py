"""A stream as a viewer knows it: who sends, where its arena is, and how it ended."""

from __future__ import annotations

import logging
from typing import NamedTuple

from coverslip.payload import ArenaReader, Offer
from coverslip.transport import Counts, Identity, is_alive

__all__ = ["Sender"]

logger = logging.getLogger(__name__)


class Sender(NamedTuple):
    """A stream that has attached; owned by the server thread."""

    owner: Identity | None
    offer: Offer
    reader: ArenaReader | None

    @property
    def ended(self) -> bool:
        """Whether nothing more is written to its arena."""
        return self._left or (self.owner is not None and not is_alive(self.owner))

    @property
    def _left(self) -> bool:
        return self.reader is not None and self.reader.left

    def say_how_it_ended(self, stream: str, counts: Counts) -> None:
        """Log the end of a stream that said no goodbye; `counts` are what came of it.

        A warning where nobody closed it: its last planes may be missing, and no count says so.
        """
        if self._left or self.owner is None:
            logger.info("stream %s was closed, without a goodbye that was heard here", stream)
            return
        logger.warning(
            "stream %s: its process %d ended without closing it (leaving `with Pool` terminates "
            "workers); of its planes %d are shown, %d dropped, %d failed; what it had not sent yet "
            "is not known here",
            *(stream, self.owner.pid, counts.shown, counts.dropped, counts.failed),
        )
