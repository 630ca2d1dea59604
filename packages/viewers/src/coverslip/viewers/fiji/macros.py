"""Macros that a client sends, where the user has allowed it: one at a time, beside the GUI.

What ImageJ says of a macro's error is the answer. `setIgnoreErrors`, which opens no dialog, is no
way: a macro would go on after its error, and tell of its last one.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

from coverslip.transport import Done, Refused, Reply
from coverslip.viewers.fiji.dialogs import MacroDialogs
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.messages import MacroResult, RunMacro

__all__ = ["Macros"]

logger = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds for a macro to end that is told to: it ends with the command that it is in."""

_LOOK = 0.05


class Macros:
    """Runs macros one after another, and ends the one that runs. Server thread only."""

    def __init__(self) -> None:
        self._running: _Macro | None = None

    def run(self, request: RunMacro) -> Future[Reply]:
        """Start a macro; raises `Refused` while another runs."""
        if self._running is not None and not self._running.ended.is_set():
            raise Refused(
                "a macro runs already: ask again when it has ended, or end it with "
                "View.abort_macro() or Esc in ImageJ"
            )
        self._running = _Macro(request)
        return self._running.answer

    def abort(self) -> Future[Reply] | Done:
        """End the macro that runs, if one does."""
        return Done() if self._running is None else self._running.abort()


class _Macro:
    """Runs on a thread of its own.

    Not on the AWT event thread, which it may wait for; and on a daemon thread, since a macro that
    never ends must not keep the process from ending.
    """

    def __init__(self, request: RunMacro) -> None:
        self.answer: Future[Reply] = Future()
        self.ended = threading.Event()
        self._interpreter = class_of("ij.macro.Interpreter")()
        self._dialogs = MacroDialogs(self._interpreter)
        self._thread: Any = None
        threading.Thread(
            target=self._run, args=(request,), name="coverslip-macro", daemon=True
        ).start()

    def _run(self, request: RunMacro) -> None:
        try:
            reply = MacroResult(text=self._interpret(request))
        except Exception as error:
            logger.info("a macro failed", exc_info=True)
            settle = partial(self.answer.set_exception, Refused(f"the macro failed: {error}"))
        else:
            settle = partial(self.answer.set_result, reply)
        # First: whoever has the answer may ask for the next macro at once.
        self.ended.set()
        settle()
        _forget_thread()

    def _interpret(self, request: RunMacro) -> str:
        kind = class_of("ij.macro.Interpreter")
        self._thread = class_of("java.lang.Thread").currentThread()
        # ImageJ ends a macro whose command fails only on a thread of such a name.
        self._thread.setName("coverslip Macro$")
        result = None
        try:
            with self._dialogs:
                result = self._interpreter.run(request.text, request.argument)
        except Exception as error:
            if kind.getInstance() == self._interpreter:
                # It stands where it was left, and so does batch mode, which hides what is opened.
                kind().run("")
            if not (self._dialogs.errors or self._told_to_end or _left(error)):
                raise  # nothing that ImageJ has told of
        if self._told_to_end:
            self._dialogs.close()
            raise RuntimeError("it was told to end")
        if self._dialogs.errors:
            raise RuntimeError("; ".join(self._dialogs.errors))
        return "" if result is None else str(result)

    @property
    def _told_to_end(self) -> bool:
        """Whether it was, from here or by Esc; it may stumble over its own end in any way then."""
        (flag,) = _flags("ignoreErrors")
        return bool(flag.getBoolean(self._interpreter))

    def abort(self) -> Future[Reply]:
        """Tell it to end; answers when it has."""
        answer: Future[Reply] = Future()
        threading.Thread(
            target=self._abort, args=(answer,), name="coverslip-abort", daemon=True
        ).start()
        return answer

    def _abort(self, answer: Future[Reply]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.ended.wait(_LOOK):
            if time.monotonic() > deadline:
                failure = "the macro goes on: ImageJ cannot end the command that it is in"
                answer.set_exception(Refused(f"{failure}; `coverslip stop` ends the viewer"))
                break
            # Again and again: a macro that is just beginning forgets what it was told.
            self._tell_to_end()
        else:
            answer.set_result(Done())
        _forget_thread()

    def _tell_to_end(self) -> None:
        # As Esc does. `abortMacro` would also stop threads, of the next macro too, and waits.
        for one in {self._interpreter, class_of("ij.macro.Interpreter").getInstance()} - {None}:
            for flag in _flags("ignoreErrors", "done"):
                flag.setBoolean(one, True)
        if self._thread is not None:
            self._thread.interrupt()  # it may wait for a dialog, or for time to pass


def _forget_thread() -> None:
    """Let Java forget this thread, which ends: it keeps each that has called it, for good."""
    class_of("java.lang.Thread").detach()


def _flags(*names: str) -> list[Any]:
    """Return fields of an interpreter's that are not public."""
    kind = class_of("ij.macro.Interpreter").class_
    fields = [kind.getDeclaredField(name) for name in names]
    for field in fields:
        field.setAccessible(True)
    return fields


def _left(error: Any) -> bool:
    """Whether a macro has ended by its own `exit`."""
    return isinstance(error, class_of("java.lang.RuntimeException")) and any(
        (str(call.getClassName()), str(call.getMethodName())) == ("ij.macro.Functions", "exit")
        for call in error.getStackTrace()
    )
