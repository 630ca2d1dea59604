"""The AWT event thread, to which ImageJ's windows belong, and the main thread beside it."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from coverslip.viewers.fiji.java import class_of

__all__ = ["EventThread", "beside_the_gui"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_IS_MACOS = platform.system() == "Darwin"


class EventThread:
    """Runs calls on the AWT event thread, in order. From any Python thread.

    Nothing waits without a deadline: a plugin that blocks the event thread must not take the
    viewer's process along.
    """

    def __init__(self) -> None:
        import jpype

        queue = class_of("java.awt.EventQueue")

        @jpype.JImplements("java.lang.Runnable")
        class Task:
            def __init__(self, call: Callable[[], Any], future: Future[Any]) -> None:
                self.call, self.future = call, future

            @jpype.JOverride  # type: ignore[untyped-decorator]  # JPype has no types
            def run(self) -> None:
                try:
                    self.future.set_result(self.call())
                except Exception as error:  # noqa: BLE001  # Java would print it and lose it
                    # It belongs to whoever waits.
                    self.future.set_exception(error)

        self._later: Callable[[Any], None] = queue.invokeLater
        self._task: Callable[..., Any] = Task

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run `call` when the event thread comes to it."""
        future: Future[T] = Future()
        self._later(self._task(call, future))
        return future

    def run(self, call: Callable[[], T], timeout: float) -> T:
        """Run `call` and return what it returns; TimeoutError after `timeout` seconds."""
        return self.submit(call).result(timeout)


def beside_the_gui(work: Callable[[], None]) -> None:
    """Run `work` with the GUI's loop going; main thread only.

    AWT has a thread of its own, so `work` runs here. On macOS the main thread is AppKit's: it
    runs AppKit's loop, which JPype starts through PyObjC, and `work` has another. What `work`
    raises is raised here on either.
    """
    if not _IS_MACOS:
        work()
        return
    import jpype

    ended: Future[None] = Future()

    def then_end() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # the main thread's to end the process with
            ended.set_exception(error)
        else:
            ended.set_result(None)
        finally:
            jpype.shutdownGuiEnvironment()

    # JPype calls it back in a thread of its own and blocks this one until the end.
    jpype.setupGuiEnvironment(lambda: threading.Thread(target=then_end).start())
    ended.result()
