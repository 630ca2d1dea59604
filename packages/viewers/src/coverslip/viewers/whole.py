"""Ctrl-C in the middle of what must be done as a whole: it comes when that is done.

Python runs a signal's handler between any two steps of the main thread. What it raises there leaves
memory taken that nobody knows of, or a plane sent that nobody has counted.
"""

from __future__ import annotations

# What `signal`'s own functions stand on: those make enumerations of what goes in and comes out,
# which takes five microseconds each time, where these take less than one.
import _signal  # type: ignore[import-not-found]  # typeshed leaves it out
import os
import signal
import threading
from types import FrameType
from typing import Any, Final

__all__ = ["Whole", "interrupted"]

_CTRL_C: Final = int(signal.SIGINT)


class Whole:
    """A context in which Ctrl-C is put off until its end; for what takes a moment.

    Does nothing but in the main thread, the only one that a signal can interrupt, nor where it has
    no handler of Python's. What waits in it looks at `interrupted`. A second Ctrl-C is not put off.

    It sets a handler and sets the old one again, some microseconds. A handler that a library has
    set below Python, as a JVM may, is Python's from then on.
    """

    __slots__ = ("_came", "_handler")

    def __init__(self) -> None:
        self._handler: Any = None
        self._came: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        handler = _signal.getsignal(_CTRL_C)
        if not callable(handler) or _section_of(handler) is not None:
            return
        self._handler = handler
        try:
            _signal.signal(_CTRL_C, self._put_off)
        except ValueError:  # a main thread, and not the main interpreter's: no signal comes here
            self._handler = None
        except BaseException:  # another signal's handler has raised
            _signal.signal(_CTRL_C, handler)
            raise

    def __exit__(self, *_: object) -> None:
        handler = self._handler
        if handler is None:
            return
        if _section_of(_signal.getsignal(_CTRL_C)) is self:
            _signal.signal(_CTRL_C, handler)
        # Not kept: its frames hold what is in this section, and this.
        came, self._came = self._came, None
        if came is not None:
            handler(*came)

    def abandon(self) -> None:
        """Put Ctrl-C off no longer: for a child that was forked in it, and has no part in it."""
        _signal.signal(_CTRL_C, self._handler)

    @property
    def broken(self) -> bool:
        """Whether Ctrl-C came."""
        return self._came is not None

    def _put_off(self, number: int, frame: FrameType | None) -> None:
        if self._came is not None:
            _signal.signal(_CTRL_C, self._handler)
            self._handler(number, frame)
        self._came = number, frame


def interrupted() -> bool:
    """Tell whether Ctrl-C waits for the end of what this thread is in the middle of."""
    if threading.current_thread() is not threading.main_thread():
        return False
    section = _section_of(_signal.getsignal(_CTRL_C))
    return section is not None and section.broken


def _section_of(handler: object) -> Whole | None:
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Whole) else None


def _end_after_fork() -> None:
    section = _section_of(_signal.getsignal(_CTRL_C))
    if section is not None:
        section.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_after_fork)
