"""Which streaming backends there are, by name: one of each for a process.

Ours are listed here. A package of its own adds one as an entry point of the group
``coverslip.backends``, whose object makes a `StreamingBackend`::

    [project.entry-points."coverslip.backends"]
    wall_display = "their_package.wall:WallBackend"

or at run time with `register_backend`. Theirs is imported when it is asked for, not before.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final

from coverslip.viewers.backends.base import StreamingBackend
from coverslip.viewers.backends.viewer import FijiStreamingBackend, NapariStreamingBackend
from coverslip.viewers.errors import UnknownBackend

__all__ = ["ENTRY_POINTS", "backend_names", "get_backend", "register_backend"]

ENTRY_POINTS: Final = "coverslip.backends"

Factory = Callable[[], StreamingBackend]


_factories: dict[str, Factory] = {
    "napari_stream": NapariStreamingBackend,
    "fiji_stream": FijiStreamingBackend,
}
_made: dict[str, StreamingBackend] = {}
_lock = threading.RLock()


def _renew_lock() -> None:
    """Make it anew in a forked child, where its parent's threads never release it."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def backend_names() -> tuple[str, ...]:
    """Return the names that `get_backend` takes."""
    others = (entry.name for entry in entry_points(group=ENTRY_POINTS))
    return tuple(dict.fromkeys([*_factories, *others]))


def register_backend(name: str, factory: Factory) -> None:
    """Add a backend under a name, in place of one that had it.

    Parameters
    ----------
    name : str
        What `get_backend` calls it.
    factory : callable
        Makes one, when it is first asked for.
    """
    with _lock:
        _factories[name] = factory
        _made.pop(name, None)


def get_backend(name: str) -> StreamingBackend:
    """Return this process's backend of that name; the same one each time.

    Parameters
    ----------
    name : str
        One of `backend_names`, such as ``"napari_stream"``.

    Raises
    ------
    UnknownBackend
        No backend goes by that name, or its package cannot be loaded. The message lists the
        known ones, or says what failed.
    """
    with _lock:
        if name not in _made:
            _made[name] = _make(name)
        return _made[name]


def _make(name: str) -> StreamingBackend:
    if name in _factories:
        return _factories[name]()
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        try:
            made: StreamingBackend = entry.load()()
        except Exception as error:
            # Somebody else's code: whatever it raises, the caller is told whose it is.
            raise UnknownBackend(
                f"the backend {name!r} cannot be used: {entry.value} fails with "
                f"{type(error).__name__}: {error}"
            ) from error
        return made
    raise UnknownBackend(f"no backend is called {name!r}; there are: {', '.join(backend_names())}")
