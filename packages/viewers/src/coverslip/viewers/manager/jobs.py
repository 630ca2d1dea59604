"""Work that may wait, off the GUI thread; what it brings comes back on the GUI thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from PyQt6.QtCore import QObject, pyqtSignal

__all__ = ["Jobs"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_AT_ONCE = 8


class Jobs(QObject):
    """Runs calls in threads and hands their results to callbacks in the thread it lives in.

    The threads are daemons, as those of `concurrent.futures` are not: a launch that takes a minute
    does not keep the process of a closed window.
    """

    _ended = pyqtSignal(object)

    def __init__(self) -> None:
        # Without a parent: its threads hold it, and may emit when the window is gone.
        super().__init__()
        self._room = threading.Semaphore(_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self._ended.connect(self._finish)

    def run(
        self,
        call: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Run `call` in a thread, then `done` with its result or `failed` with its exception.

        Neither is called once `close` was.
        """

        def work() -> None:
            with self._room:
                if self._closed.is_set():
                    return
                try:
                    result = call()
                except Exception as error:
                    logger.debug("a job failed", exc_info=True)
                    self._report(partial(failed, error))
                else:
                    self._report(partial(done, result))

        thread = threading.Thread(target=work, name="coverslip-job", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _report(self, callback: Callable[[], object]) -> None:
        if not self._closed.is_set():
            self._ended.emit(callback)

    def _finish(self, callback: Callable[[], object]) -> None:
        if not self._closed.is_set():
            callback()

    def close(self, patience: float) -> None:
        """Begin nothing more; wait `patience` seconds for what is under way, then leave it."""
        self._closed.set()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
