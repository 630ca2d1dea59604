"""The dialogs that a macro opens: those that tell of its error wait for nobody.

They are modal: the thread that opens one waits until somebody closes it. To close it as soon as it
is open is no way out, since Java says that it is open before that thread waits: of a dialog that is
closed in between it waits for ever (``java.awt.Dialog.show``). So each is made modeless by the very
thread that opens it, before it is shown, and there is nothing to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from coverslip.viewers.fiji.java import class_of

__all__ = ["MacroDialogs"]

_INTERPRETER = "ij.macro.Interpreter.showError"
_EXIT = "ij.macro.Functions.exit"
_COMMAND = "ij.IJ.error"

_THE_USER_S = {"ij.Executer.run", "ij.macro.MacroRunner.run", "java.awt.EventDispatchThread.run"}
"""Where threads begin that do what the user chose in ImageJ."""


class MacroDialogs:
    """A macro's dialogs, and what they say of its errors. A context, on the macro's thread.

    A dialog that asks, that tells something else, or that is of what the user does meanwhile stays.

    Parameters
    ----------
    interpreter : ij.macro.Interpreter
        The macro's.
    """

    def __init__(self, interpreter: Any) -> None:
        self.errors: list[str] = []
        """What was said, each with its line."""
        self._interpreter = interpreter
        self._opened: list[Any] = []
        self._put_away: list[Any] = []

    def __enter__(self) -> MacroDialogs:
        import jpype

        macro = threading.get_ident()
        note = self._note
        kind = class_of("java.awt.Dialog")

        @jpype.JImplements("java.awt.event.AWTEventListener")
        class Listener:
            @jpype.JOverride  # type: ignore[untyped-decorator]  # JPype has no types
            def eventDispatched(self, event: Any) -> None:  # noqa: N802  # Java's name
                source = event.getSource()
                if isinstance(source, kind):
                    note(source, its_own=threading.get_ident() == macro)

        self._listener = Listener()
        # Of components that come into being, are shown or go, Java tells within the call that makes
        # it so, and of a dialog before it is shown for the first time.
        mask = class_of("java.awt.AWTEvent").HIERARCHY_EVENT_MASK
        _toolkit().addAWTEventListener(self._listener, mask)
        return self

    def __exit__(self, *exception: object) -> None:
        _toolkit().removeAWTEventListener(self._listener)
        _dispose(self._put_away)

    def close(self) -> None:
        """Close all that the macro has opened."""
        _dispose(self._opened)

    def _note(self, dialog: Any, *, its_own: bool) -> None:
        stack = class_of("java.lang.Thread").currentThread().getStackTrace()
        calls = {f"{call.getClassName()}.{call.getMethodName()}" for call in stack}
        if not its_own and not calls.isdisjoint(_THE_USER_S):
            return
        self._opened.append(dialog)
        if dialog.isModal() and not calls.isdisjoint({_INTERPRETER, _EXIT, _COMMAND}):
            dialog.setModal(False)
            self._put_away.append(dialog)
            self.errors.append(" ".join(self._said(dialog, calls).split()))

    def _said(self, dialog: Any, calls: set[str]) -> str:
        if _INTERPRETER in calls:
            # With its line; below that is what stands there.
            said = next(_lines(dialog), str(self._interpreter.getErrorMessage()))
            # Else it is of another one, which `runMacro` or `eval` has started.
            return said if self._interpreter.wasError() else f"{said} of a macro that it runs"
        said = " ".join(_lines(dialog))
        if self._interpreter.wasError():
            return said  # it has said its line, and is past it
        return f"{said} in line {self._interpreter.getLineNumber()}"


def _lines(container: Any) -> Iterator[str]:
    """Return what a dialog of ImageJ's says, line by line; a page of HTML as one."""
    label = class_of("ij.gui.MultiLineLabel")
    for part in container.getComponents():
        if isinstance(part, label):
            lines = label.class_.getDeclaredField("lines")
            lines.setAccessible(True)
            yield from map(str, lines.get(part))
        elif isinstance(part, class_of("javax.swing.JEditorPane")):
            page = part.getDocument()
            yield str(page.getText(0, page.getLength()))
        elif isinstance(part, class_of("java.awt.Container")):
            yield from _lines(part)


def _dispose(dialogs: Iterable[Any]) -> None:
    for dialog in dialogs:
        # When the event thread comes to it, which a plugin may hold for long.
        class_of("java.awt.EventQueue").invokeLater(dialog.dispose)


def _toolkit() -> Any:
    return class_of("java.awt.Toolkit").getDefaultToolkit()
