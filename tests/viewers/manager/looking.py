"""What the manager's tests wait for and read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from coverslip.viewers.manager.window import ManagerWindow

__all__ = ["SOON", "message", "until"]

SOON = 20_000
"""Milliseconds: the deadline of every wait."""


def until(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    """Serve Qt's events until it is so."""
    qtbot.waitUntil(condition, timeout=SOON)


def message(window: ManagerWindow) -> str:
    """Return what the status bar says."""
    status = window.statusBar()
    assert status is not None
    return status.currentMessage()
