"""What the window says and asks in boxes of their own, while the table goes on."""

from __future__ import annotations

import html
from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QMessageBox, QWidget

__all__ = ["as_it_stands", "ask", "complain"]


def as_it_stands(text: str) -> str:
    """Return text for where Qt takes what looks like markup for that: a class in an error, say."""
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>' if text else ""


def complain(parent: QWidget, what: str, error: Exception) -> None:
    """Say what went wrong, and why."""
    _box(parent, QMessageBox.Icon.Warning, what, str(error) or type(error).__name__).open()


def ask(parent: QWidget, question: str, explained: str, then: Callable[[], object]) -> None:
    """Ask, and do `then` if the answer is yes."""
    box = _box(parent, QMessageBox.Icon.Question, question, explained)
    box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    box.accepted.connect(then)
    box.open()


def _box(parent: QWidget, icon: QMessageBox.Icon, text: str, explained: str) -> QMessageBox:
    box = QMessageBox(icon, "coverslip", text, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)  # of both texts
    box.setInformativeText(explained)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return box
