"""The objects of this process whose locks a forked child has to make anew.

A child has its parent's locks as they were at the fork and none of the threads that held them, so
one that was held is never released there.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Living"]

T = TypeVar("T")


class Living(Generic[T]):
    """A set of objects that keeps none of them alive. Safe from any thread.

    Parameters
    ----------
    renew : callable
        Makes an object's locks anew; called in a forked child, which has one thread, for each.
    """

    def __init__(self, renew: Callable[[T], object]) -> None:
        self._renew = renew
        self._members: weakref.WeakSet[T] = weakref.WeakSet()
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def add(self, one: T) -> None:
        """Add an object; it leaves by itself when nobody needs it any more."""
        with self._lock:
            self._members.add(one)

    def all(self) -> list[T]:
        """Return those that live now."""
        with self._lock:
            return list(self._members)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        for one in self.all():
            self._renew(one)
