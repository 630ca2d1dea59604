"""Whether a thread is in the middle of a call already, when it makes another.

Python runs signal handlers, and finalizers of what is collected, between any two steps of a
thread. The locks that the thread holds there are given back only after them, so that a call of
theirs which waited for one would wait for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import ParamSpec, TypeVar

from coverslip.viewers.errors import Reentered

__all__ = ["turn", "with_turn"]

P = ParamSpec("P")
R = TypeVar("R")


class _Turns(threading.local):
    def __init__(self) -> None:
        # Taken and given back in one step each: what a handler raises finds no step in between, as
        # it would in a context manager written in Python.
        self.lock = threading.Lock()


_turns = _Turns()


def _give_back_after_fork() -> None:
    # What a child forked in the middle of a call does is its own: its streams are opened anew.
    _turns.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_give_back_after_fork)


def turn() -> AbstractContextManager[bool]:
    """Take the thread's turn; False if it is taken, and no lock may be waited for.

    One for all streams of a thread, since streams to one viewer share its socket.
    """
    lock = _turns.lock
    return nullcontext(False) if lock.locked() else lock


def with_turn(call: Callable[P, R]) -> Callable[P, R]:
    """Have a call take its thread's turn, and raise `Reentered` where that is taken."""

    @wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        with turn() as first:
            if not first:
                raise Reentered(
                    f"{call.__name__}() was called by a signal handler or a finalizer in the "
                    "middle of another call of its thread, whose locks it would wait for: have the "
                    "handler set a flag, and call when that one has returned"
                )
            return call(*args, **kwargs)

    return guarded
