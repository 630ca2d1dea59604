"""``coverslip manager``: the application around the window."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from PyQt6.QtCore import QSettings, QSocketNotifier
from PyQt6.QtWidgets import QApplication

from coverslip.viewers.display import require_display
from coverslip.viewers.manager.window import ManagerWindow

__all__ = ["run_manager", "settings_file"]


def settings_file() -> Path:
    """Return where the window's geometry is kept."""
    return platformdirs.user_config_path("coverslip", appauthor=False) / "manager.ini"


def run_manager() -> int:
    """Open the window and wait until it is closed; returns the exit status.

    Raises
    ------
    coverslip.viewers.NoDisplay
        There is nowhere to open a window.
    """
    require_display()
    application = QApplication([sys.argv[0]])
    application.setApplicationName("coverslip manager")
    window = ManagerWindow(QSettings(str(settings_file()), QSettings.Format.IniFormat))
    window.show()
    with _interruptible(window):
        return application.exec()


@contextmanager
def _interruptible(window: ManagerWindow) -> Iterator[None]:
    """Have Ctrl-C and a terminate close the window.

    Python runs a signal's handler between two of its own instructions, and Qt's loop runs none:
    the byte that Python writes to this socket wakes it.
    """
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    before_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    descriptor: Any = ours.fileno()  # the stubs want a pointer, which a number is on every system
    notifier = QSocketNotifier(descriptor, QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda *_: ours.recv(64))
    before = {
        number: signal.signal(number, lambda *_: window.close())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        notifier.setEnabled(False)
        signal.set_wakeup_fd(before_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()
