"""Qt in tests: what it starts and ends when it likes, started for good."""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PyQt6.QtCore import QThreadPool

__all__ = ["fill_thread_pools", "let_loops_run_again"]

_DEADLINE = 30.0

_PICTURES_POOL = "_ZN22QGuiApplicationPrivate15qtGuiThreadPoolEv"
"""QGuiApplicationPrivate::qtGuiThreadPool(): Qt has no public name for it."""


def fill_thread_pools() -> None:
    """Start all threads of Qt's own pools, and keep them; there is an application.

    Each has descriptors of its own. Qt starts one when it has something to do, an icon to load
    say, and ends it half a minute later: in either case in the middle of some test or other.
    """
    from PyQt6.QtCore import QThreadPool

    everybodys = QThreadPool.globalInstance()
    assert everybodys is not None
    _fill(everybodys)
    if sys.platform != "win32":  # where descriptors are not compared, and names are others
        _fill(_pool_for_pictures())


def _pool_for_pictures() -> QThreadPool:
    """Return the pool in which Qt converts large pictures, such as a window's."""
    from PyQt6 import QtGui, sip
    from PyQt6.QtCore import QThreadPool

    find = ctypes.CDLL(QtGui.__file__)[_PICTURES_POOL]
    find.restype = ctypes.c_void_p
    found: Any = sip.wrapinstance(find(), QThreadPool)  # type: ignore[arg-type]  # it is such a type
    pool: QThreadPool = found
    return pool


def _fill(pool: QThreadPool) -> None:
    pool.setExpiryTimeout(-1)
    together = threading.Barrier(pool.maxThreadCount() + 1, timeout=_DEADLINE)
    for _ in range(pool.maxThreadCount()):
        pool.start(together.wait)  # type: ignore[arg-type]  # the stubs want a call of no result
    together.wait()


def let_loops_run_again(application: Any) -> None:
    """Have Qt forget that it was told to quit after its main loop had ended.

    Quitting closes the windows, and the last one that closes asks for it again. Until the main loop
    has run once more, every other ends at once: what waits in one later would wait for nothing.
    """
    from qtpy.QtCore import QTimer

    QTimer.singleShot(0, application.quit)
    application.exec()
