"""Where a stream's planes go: a viewer, as a lane sees it.

A lane does not start viewers and does not look for them; it asks its target
where the viewer answers *now*. A viewer that was killed and started again
answers with new keys, and so with a new endpoint.
"""

from __future__ import annotations

import enum
from typing import Protocol

from coverslip.transport import Endpoint

__all__ = ["Presence", "Target"]


class Presence(enum.Enum):
    """What is known of a viewer's process without asking it."""

    STARTING = "starting"
    """On its way: planes wait for it."""

    THERE = "there"
    """Its process lives, or is on another machine and cannot be looked at."""

    GONE = "gone"
    """Not started, ended or killed: what it had is lost."""


class Target(Protocol):
    """A viewer to send to. Called from the lane's thread; must not wait."""

    def locate(self) -> Endpoint | None:
        """Return where the viewer answers, None while it does not."""
        ...

    def presence(self) -> Presence:
        """Return what is known of its process."""
        ...
