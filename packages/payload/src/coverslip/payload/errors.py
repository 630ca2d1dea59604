"""The exceptions of coverslip-payload.

::

    PayloadError
    ├── UnsupportedArray (TypeError, ValueError)   an array or component that cannot become a plane
    ├── InvalidMessage (ValueError)                frames that are not a message of ours
    ├── StalePlane                                 its slot has been given back or written again
    ├── PlaneTooLarge (ValueError)                 larger than the whole arena
    ├── ArenaFull (OSError)                        the operating system has no more memory to give
    ├── ArenaClosed                                used after close, or in a forked child
    └── ArenaUnreachable                           another process's memory that cannot be opened
"""

from __future__ import annotations

__all__ = [
    "ArenaClosed",
    "ArenaFull",
    "ArenaUnreachable",
    "InvalidMessage",
    "PayloadError",
    "PlaneTooLarge",
    "StalePlane",
    "UnsupportedArray",
]


class PayloadError(Exception):
    """Root of everything that coverslip-payload raises on purpose."""


class UnsupportedArray(PayloadError, TypeError, ValueError):
    """An array, an axis or a component that cannot become a plane; says what to do instead."""


class InvalidMessage(PayloadError, ValueError):
    """Frames that are not a well-formed message, or that point outside their own bytes."""


class StalePlane(PayloadError):
    """The slot was given back or written again before it could be copied: the pixels are gone."""


class PlaneTooLarge(PayloadError, ValueError):
    """The plane is larger than the whole arena and never will fit."""


class ArenaFull(PayloadError, OSError):
    """The operating system refused memory, or every lane is taken; no page was touched."""


class ArenaClosed(PayloadError):
    """The arena was closed, or belongs to the process that this one was forked from."""


class ArenaUnreachable(PayloadError):
    """The offered arena cannot be opened here, or is not what was offered."""
