"""Qt in tests: what it starts and ends when it likes, started for good."""

from __future__ import annotations

import threading

__all__ = ["fill_thread_pool"]

_DEADLINE = 30.0


def fill_thread_pool() -> None:
    """Start all threads of Qt's own pool, and keep them.

    Each has descriptors of its own. Qt starts one when it has something to do, an icon to load
    say, and ends it half a minute later: in either case in the middle of some test or other.
    """
    from PyQt6.QtCore import QThreadPool

    pool = QThreadPool.globalInstance()
    assert pool is not None
    pool.setExpiryTimeout(-1)
    together = threading.Barrier(pool.maxThreadCount() + 1, timeout=_DEADLINE)
    for _ in range(pool.maxThreadCount()):
        pool.start(together.wait)  # type: ignore[arg-type]  # the stubs want a call of no result
    together.wait()
