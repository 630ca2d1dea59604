"""What a viewer asks a relay: for the planes that it has not had, and who else is served."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import msgspec

from coverslip.transport import Counts, Reply, Request

__all__ = [
    "LARGEST_FETCH",
    "STREAM",
    "Audience",
    "Fetch",
    "Fetched",
    "ListAudience",
    "Passed",
    "Reader",
]

STREAM: Final = "relay"
"""The stream's name in headers that a relay sends: no producer's name or epoch leaves it."""

LARGEST_FETCH: Final = 16 << 20

_Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Fetch(Request, frozen=True, kw_only=True):
    """Ask for what comes next; answered with `Fetched`, at once or when there is something.

    Parameters
    ----------
    viewer : str
        The instance of the viewer's server: it goes on where it was.
    session : str
        Of this connection; what an earlier one was sent and did not confirm is sent again.
    account : str
        Of what `received` is told; empty at first.
    received : int
        Number of the plane after the last that the viewer has.
    newest : bool
        Of what was there before the viewer came, the newest first.
    limit : int
        Bytes of pixels after which no further message is put into the answer.
    title : str
        What the viewer is, for people to read.
    counts : Counts or None
        What became of the planes in the viewer.
    """

    viewer: _Id
    session: _Id
    account: Annotated[str, msgspec.Meta(max_length=64)] = ""
    received: _Number = 0
    newest: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_FETCH)] = LARGEST_FETCH
    title: Annotated[str, msgspec.Meta(max_length=256)] = ""
    counts: Counts | None = None


class Passed(NamedTuple):
    """One message of a `Fetched`."""

    planes: _Number
    frames: _Number
    """0: the relay had to let go of these planes before the viewer came to them."""
    late: bool
    """Newer ones were sent before: whoever looks at the newest plane stays there."""


class Fetched(Reply, frozen=True, kw_only=True):
    """What comes next; its messages lie in the frames behind it, each a header and its pixels.

    Parameters
    ----------
    account : str
        Where planes are numbered for this one viewer. It is another one once the relay was started
        anew, or has forgotten the viewer: then everything comes again.
    sequence : int
        Number of the first plane that this is about.
    messages : tuple of Passed
        What each is, in their order.
    cleared : bool
        Planes before these were taken away by their pipeline: the viewer is to be emptied.
    """

    account: str
    sequence: _Number
    messages: tuple[Passed, ...] = ()
    cleared: bool = False


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """One viewer as a relay knows it.

    ``sent + replaced + missed + waiting`` are the planes that were there when it came, or came
    since, and were not cleared.

    Parameters
    ----------
    viewer, title : str
        Its instance, and what it is.
    here : bool
        It asks; else its laptop has gone, and may be back.
    sent : int
        Planes that it was sent.
    replaced : int
        Planes that it need not be sent, since newer ones of the same place had been.
    missed : int
        Planes that were dropped over the budget before it came to them.
    waiting : int
        Planes that it has still to be sent.
    counts : Counts or None
        What became of them there, by its own account.
    """

    viewer: str
    title: str
    here: bool
    sent: int
    replaced: int
    missed: int
    waiting: int
    counts: Counts | None = None


class ListAudience(Request, frozen=True, kw_only=True):
    """Ask who is served; answered with `Audience`."""


class Audience(Reply, frozen=True, kw_only=True):
    """The viewers that a relay serves, those that came first before others."""

    viewers: tuple[Reader, ...]
