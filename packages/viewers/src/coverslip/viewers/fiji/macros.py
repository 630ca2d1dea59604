"""Macros that a client sends, where the user has allowed it: one at a time, beside the GUI.

ImageJ tells of a macro's error in a modal dialog, which would hold the macro until somebody comes.
Here each of these is put away as it opens, and what it said is the answer. `setIgnoreErrors`, which
shows none, is no way: a macro would go on after its error, and tell of its last one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

from coverslip.transport import Refused, Reply
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.messages import MacroResult, RunMacro

__all__ = ["Macros"]

logger = logging.getLogger(__name__)


class Macros:
    """Runs macros one after another, each on a thread of its own.

    Not on the AWT event thread, which a macro may wait for; and on a daemon thread, since a macro
    that never ends must not keep the process from ending.
    """

    def __init__(self) -> None:
        self._busy = threading.Lock()

    def run(self, request: RunMacro) -> Future[Reply]:
        """Start a macro; raises `Refused` while another runs."""
        if not self._busy.acquire(blocking=False):
            raise Refused("a macro runs already: ask again when it has ended")
        answer: Future[Reply] = Future()
        threading.Thread(
            target=self._run, args=(request, answer), name="coverslip-macro", daemon=True
        ).start()
        return answer

    def _run(self, request: RunMacro, answer: Future[Reply]) -> None:
        try:
            reply = MacroResult(text=_interpret(request))
        except Exception as error:
            logger.info("a macro failed", exc_info=True)
            failure = Refused(f"the macro failed: {error}")
            settle = partial(answer.set_exception, failure)
        else:
            settle = partial(answer.set_result, reply)
        # First: whoever has the answer may ask for the next macro at once.
        self._busy.release()
        settle()


def _interpret(request: RunMacro) -> str:
    # ImageJ ends a macro whose command fails only on a thread of such a name.
    class_of("java.lang.Thread").currentThread().setName("coverslip Macro$")
    interpreter = class_of("ij.macro.Interpreter")()
    errors: list[str] = []
    with _errors_noted(interpreter, errors):
        try:
            result = interpreter.run(request.text, request.argument)
        except Exception:
            if not errors:
                raise  # nothing of ImageJ's: Java's own, or the macro's `exit`
    if errors:
        raise RuntimeError("; ".join(errors))
    return "" if result is None else str(result)


@contextmanager
def _errors_noted(interpreter: Any, errors: list[str]) -> Iterator[None]:
    """Put away the dialogs that tell of errors, and note what they say and of which line.

    A dialog that the macro opens to ask or to tell something stays.
    """
    import jpype

    static = class_of("ij.IJ")
    # What ImageJ's own dialog says; `getLineNumber` is that of what comes next.
    line = class_of("ij.macro.Interpreter").class_.getDeclaredField("lineNumber")
    line.setAccessible(True)
    events = class_of("java.awt.AWTEvent")
    opened = class_of("java.awt.event.WindowEvent").WINDOW_OPENED

    @jpype.JImplements("java.awt.event.AWTEventListener")
    class Listener:
        @jpype.JOverride  # type: ignore[untyped-decorator]  # JPype has no types
        def eventDispatched(self, event: Any) -> None:  # noqa: N802  # Java's name
            if event.getID() != opened:
                return
            dialog = event.getWindow()
            kind = str(dialog.getClass().getName())
            if kind == "ij.gui.MessageDialog":
                said = static.getErrorMessage()  # None for one that is no error
            elif kind == "ij.gui.GenericDialog" and interpreter.wasError():
                said = interpreter.getErrorMessage()
            else:
                return
            if said is not None:
                errors.append(f"{_one_line(said)} in line {line.getInt(interpreter)}")
                dialog.dispose()

    listener = Listener()
    toolkit = class_of("java.awt.Toolkit").getDefaultToolkit()
    static.getErrorMessage()  # forgets what was said before
    toolkit.addAWTEventListener(listener, events.WINDOW_EVENT_MASK)
    try:
        yield
    finally:
        toolkit.removeAWTEventListener(listener)


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())
