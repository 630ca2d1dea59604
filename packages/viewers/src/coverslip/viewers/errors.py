"""The errors of coverslip.viewers.

::

    ViewerError
    ├── NoDisplay        a window was wanted and there is nowhere to open it
    ├── NotInstalled     an extra's package is missing; the message says what to install
    ├── UnknownViewer    no viewer kind goes by that name; the message lists the known ones
    ├── UnknownParser    no filename parser goes by that name; the message lists the known ones
    ├── UnknownBackend   no backend goes by that name; the message lists the known ones
    ├── ConfigError      a configuration's field, file or variable cannot be used; says where
    ├── NoParserMatches  no filename parser can read the names; says which were tried
    │   └── AmbiguousNames   several can, and differ in what they say
    ├── PatternError     a filename pattern that cannot be read back
    ├── UnreadableImage  a file or an OME-Zarr folder that no plane can be read from
    ├── PipelineFailed   the demo's pipeline ended without saying what it sent
    ├── NoStream         the process was given no stream to show on; says who gives one
    ├── NoRoom           a plane has no room, in memory or on disk; the message says where and why
    ├── TooManyLayers    a plane for one layer more than a viewer shows; says what to stack
    ├── TooManyPlaces    a plane for a hyperstack of more places than it can have; says what to do
    ├── Reentered        a signal handler's or finalizer's call that would wait for its own thread
    ├── ViewerGone       a question needs a live viewer and there is none
    ├── ViewerRefused    a viewer that answers cannot do what it was asked, or has failed to
    └── StreamClosed     the stream was closed, by `close` or by the end of the process

What the layers below raise (`coverslip.transport.TransportError`,
`coverslip.payload.PayloadError`) is raised unchanged where the caller can act
on it: a port that is taken, an array that cannot be shown. ``show`` raises for
an array that is no image, never for a viewer.
"""

from __future__ import annotations

__all__ = [
    "AmbiguousNames",
    "ConfigError",
    "NoDisplay",
    "NoParserMatches",
    "NoRoom",
    "NoStream",
    "NotInstalled",
    "PatternError",
    "PipelineFailed",
    "Reentered",
    "StreamClosed",
    "TooManyLayers",
    "TooManyPlaces",
    "UnknownBackend",
    "UnknownParser",
    "UnknownViewer",
    "UnreadableImage",
    "ViewerError",
    "ViewerGone",
    "ViewerRefused",
]


class ViewerError(Exception):
    """Root of what `coverslip.viewers` raises."""


class NoDisplay(ViewerError):
    """There is no display to open a window on."""


class NotInstalled(ViewerError, ImportError):
    """A package that this viewer draws with is not installed."""


class UnknownViewer(ViewerError, LookupError):
    """No viewer kind goes by that name."""


class UnknownParser(ViewerError, LookupError):
    """No filename parser goes by that name."""


class UnknownBackend(ViewerError, LookupError):
    """No streaming backend goes by that name."""


class ConfigError(ViewerError, ValueError):
    """A configuration cannot be used: a field, a file or a variable says what it must not."""


class NoParserMatches(ViewerError, ValueError):
    """No filename parser can read the names of the files."""


class AmbiguousNames(NoParserMatches):
    """Several filename parsers read the names of the files, each in its own way."""


class PatternError(ViewerError, ValueError):
    """A filename pattern is missing or cannot be read back."""


class UnreadableImage(ViewerError):
    """No plane can be read from a file or an OME-Zarr folder."""


class PipelineFailed(ViewerError):
    """The demo's pipeline ended, or fell silent, without saying what it sent."""


class Reentered(ViewerError, RuntimeError):
    """A signal handler's or a finalizer's call, in the middle of one that it would wait for."""


class TooManyLayers(ViewerError):
    """The plane would make one layer more than the viewer shows."""


class TooManyPlaces(ViewerError):
    """The plane would make a hyperstack of too many places, or of blanks for the most part."""


class NoRoom(ViewerError):
    """A plane has no room where its viewer keeps planes."""


class NoStream(ViewerError, LookupError):
    """A process was given no stream."""


class ViewerGone(ViewerError):
    """The viewer that was asked is not there (any more)."""


class ViewerRefused(ViewerError):
    """The viewer that was asked answers that it cannot do that, or why it has failed to."""


class StreamClosed(ViewerError):
    """The stream was closed before the call."""
