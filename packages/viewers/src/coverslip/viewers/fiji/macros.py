"""Macros that a client sends, where the user has allowed it: one at a time, beside the GUI."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future

from coverslip.transport import Refused, Reply
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.messages import MacroResult, RunMacro

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
            interpreter = class_of("ij.macro.Interpreter")()
            # ImageJ would show a dialog that nobody may be there to close.
            interpreter.setIgnoreErrors(True)
            result = interpreter.run(request.text, request.argument)
            if interpreter.wasError():
                raise Refused(f"the macro failed: {interpreter.getErrorMessage()}")
            answer.set_result(MacroResult(text="" if result is None else str(result)))
        except Exception as error:
            logger.info("a macro failed: %s", error)
            answer.set_exception(
                error if isinstance(error, Refused) else Refused(f"the macro failed: {error}")
            )
        finally:
            self._busy.release()
