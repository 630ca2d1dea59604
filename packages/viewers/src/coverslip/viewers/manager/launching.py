"""The dialog that asks what viewer to start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PyQt6.QtCore import QRegularExpression
from PyQt6.QtGui import QRegularExpressionValidator
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from coverslip.viewers.kinds import viewer_kinds

__all__ = ["LaunchDialog", "Wanted", "has_window", "launchable"]

_LAST_PORT = 64535
"""Its control port is a thousand higher."""

_AMOUNT = QRegularExpression(r"|\d+(\.\d+)?\s*([kKMGT]i?)?B?")


class Wanted(NamedTuple):
    """The viewer that is asked for; None leaves the choice to it."""

    kind: str
    title: str
    port: int | None
    persistent: bool
    memory: str | None


def has_window(kind: str) -> bool:
    """Whether servers of a kind show anything themselves: a relay passes planes on."""
    return kind != "relay"


def launchable() -> list[str]:
    """Return the kinds to choose from; ``coverslip relay`` starts the others, and asks for more."""
    return [kind for kind in viewer_kinds() if has_window(kind)]


class LaunchDialog(QDialog):
    """Asks for kind, title, port, memory, and whether it outlives the manager."""

    def __init__(self, kinds: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Launch a viewer")
        self.kind = QComboBox()
        self.kind.addItems(kinds)
        # Of the kinds, by their names: not ``fiji`` for being the first.
        self.kind.setCurrentText("napari")
        self.title = QLineEdit()
        self.title.setPlaceholderText("coverslip")
        self.port = QSpinBox()
        self.port.setRange(0, _LAST_PORT)
        self.port.setSpecialValueText("automatic")
        self.memory = QLineEdit()
        self.memory.setPlaceholderText("automatic, or such as 2 GiB")
        self.memory.setValidator(QRegularExpressionValidator(_AMOUNT, self))
        self.persistent = QCheckBox("stays open when this manager is closed")
        self.persistent.setChecked(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        launch = buttons.addButton("Launch", QDialogButtonBox.ButtonRole.AcceptRole)
        assert launch is not None
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow("&Viewer", self.kind)
        form.addRow("&Title", self.title)
        form.addRow("&Port", self.port)
        form.addRow("&Memory", self.memory)
        form.addRow("", self.persistent)
        form.addRow(buttons)
        launch.setDefault(True)  # of the dialog, which it stands in by now

    def wanted(self) -> Wanted:
        """Return what was chosen."""
        return Wanted(
            kind=self.kind.currentText(),
            title=self.title.text().strip(),
            port=self.port.value() or None,
            persistent=self.persistent.isChecked(),
            memory=self.memory.text().replace(" ", "") or None,
        )
