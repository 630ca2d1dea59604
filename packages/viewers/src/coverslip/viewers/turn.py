"""Whether a thread is in the middle of a call already, when it makes another.

Python runs signal handlers, and finalizers of what is collected, between any two steps of a
thread. The locks that the thread holds there are given back only after them, so that a call of
theirs which waited for one would wait for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["turn"]


class _Turns(threading.local):
    taken = False


_turns = _Turns()


@contextmanager
def turn() -> Iterator[bool]:
    """Take the thread's turn; False if it is taken, and no lock may be waited for.

    One for all streams of a thread, since streams to one viewer share its socket.
    """
    if _turns.taken:
        yield False
        return
    _turns.taken = True
    try:
        yield True
    finally:
        _turns.taken = False
