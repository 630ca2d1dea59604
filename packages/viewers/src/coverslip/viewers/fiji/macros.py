"""Macros that a client sends, where the user has allowed it: one at a time, beside the GUI."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from functools import partial

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
    interpreter = class_of("ij.macro.Interpreter")()
    # ImageJ would show a dialog that nobody may be there to close.
    interpreter.setIgnoreErrors(True)
    result = interpreter.run(request.text, request.argument)
    failed = interpreter.getErrorMessage()
    if failed is not None:
        raise RuntimeError(str(failed))
    return "" if result is None else str(result)
