"""The dock: where streams reach this napari, what has come, and what can be done about it.

Opened by *Plugins > Listen (coverslip)* in a napari of the user's, which it makes listen; and open
from the start in windows of our own. Imports napari and Qt at the top: only napari's plugin
machinery, and a window that is there, import this module.
"""

from __future__ import annotations

import html
from typing import Any, Final

import napari
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from coverslip.viewers.napari.bar import FOLLOW_KEY
from coverslip.viewers.napari.listening import Facts, Listening
from coverslip.viewers.napari.scene import Scene
from coverslip.viewers.words import format_size

__all__ = ["ListenDock"]

_LOOK_AGAIN: Final = 500
_SAID_FOR: Final = 2000
"""Milliseconds."""

_LAST_PORT: Final = 64535
"""The control port is 1000 above the data port."""

_GREEN, _AMBER, _GRAY, _RED = "#5ad469", "#f0b429", "#9a9a9a", "#ff6b6b"
_COPY: Final = "Copy line for another machine"


class ListenDock(QWidget):
    """Shows and steers the `Listening` of one napari window. GUI thread only.

    Closed, it ends the listening of a napari that is its user's; hidden, it does not.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Its viewer. The name is what napari looks for to hand it over.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._listening = Listening.of(napari_viewer)
        self._docked = False
        self._state = QLabel()
        self._state.setTextFormat(Qt.TextFormat.RichText)
        self._port = QSpinBox()
        self._port.setRange(0, _LAST_PORT)
        self._port.setSpecialValueText("any free port")
        self._port.setToolTip("Images come in on this port, questions on the one 1000 above.")
        self._switch = QPushButton()
        self._switch.clicked.connect(self._start_or_stop)
        self._call = QLabel()
        self._call.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._call.setToolTip("What a pipeline of yours on this machine says.")
        self._copy = QPushButton(_COPY)
        self._copy.setToolTip(
            "Puts the coverslip:// line on the clipboard, for connect(connection=…) elsewhere.\n"
            "It holds a key: whoever has the line can show images here."
        )
        self._copy.clicked.connect(self._copy_line)
        self._planes, self._memory, self._disk, self._dropped = (QLabel() for _ in range(4))
        self._follow = QPushButton("Follow the newest plane")
        self._follow.setCheckable(True)
        self._follow.setToolTip(f"Until you move a slider. ({FOLLOW_KEY})")
        self._follow.clicked.connect(self._scene.follow)
        self._contrast = QPushButton("Reset contrast")
        self._contrast.setToolTip("Of every streamed image, to what is in view of it.")
        self._contrast.clicked.connect(self._scene.reset_contrast)
        self._clear = QPushButton("Clear")
        self._clear.setToolTip("Takes away every streamed layer; layers of your own stay.")
        self._clear.clicked.connect(self._listening.clear)
        # One line: the window gives a dock no room for words that wrap, it cuts the other rows.
        self._trouble = QElidingLabel()
        self._trouble.setTextFormat(Qt.TextFormat.PlainText)
        self._trouble.setStyleSheet(f"color: {_RED}")
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_AGAIN)
        self._timer.timeout.connect(self.refresh)
        self._said = QTimer(self)
        self._said.setSingleShot(True)
        self._said.setInterval(_SAID_FOR)
        self._said.timeout.connect(lambda: self._copy.setText(_COPY))
        self._scene.bar.following_changed.connect(self._follow.setChecked)
        self._scene.bar.picture_due.connect(self.refresh)
        self._listening.changed.connect(self.refresh)
        self._listening.start()
        self.refresh()

    @property
    def _scene(self) -> Scene:
        return self._listening.live.scene

    def _lay_out(self) -> None:
        # Few rows: at 900 pixels of height each one more is a layer less in napari's list.
        head = QHBoxLayout()
        head.addWidget(self._state)
        head.addWidget(self._call)
        head.addStretch(1)
        head.addWidget(self._port)
        head.addWidget(self._switch)
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(4)
        form.addRow("Planes", self._planes)
        form.addRow("In memory", self._memory)
        elsewhere = QHBoxLayout()
        elsewhere.addWidget(self._disk, 1)
        elsewhere.addWidget(QLabel("Dropped"))
        elsewhere.addWidget(self._dropped)
        form.addRow("On disk", elsewhere)
        follow, actions = QHBoxLayout(), QHBoxLayout()
        follow.addWidget(self._follow, 1)
        follow.addWidget(self._contrast)
        actions.addWidget(self._copy, 1)
        actions.addWidget(self._clear)
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addLayout(form)
        layout.addLayout(follow)
        layout.addLayout(actions)
        layout.addWidget(self._trouble)
        layout.addStretch(1)

    def refresh(self) -> None:
        """Write down how things are now; what has not changed is not drawn again."""
        facts, connection = self._listening.facts(), self._listening.connection
        listens = connection is not None
        color, words = _state(facts)
        self._state.setText(f'<span style="color:{color}">●</span> {words}')
        self._port.setVisible(not listens)
        self._switch.setVisible(self._listening.can_stop)
        self._switch.setText("Stop" if listens else "Listen")
        self._call.setVisible(listens)
        self._copy.setVisible(listens)
        if connection is not None:
            self._call.setText(f'connect("napari", port={connection.endpoint.port})')
        usage = facts.usage
        waiting = f"{facts.waiting:,} waiting, " if facts.waiting else ""
        self._planes.setText(f"{facts.planes:,}, {waiting}{facts.rate:,.1f} a second")
        self._memory.setText(
            f"{usage.in_memory:,}, {format_size(usage.memory)} of {format_size(usage.budget)}"
        )
        self._disk.setText(
            f"{usage.on_disk:,}, {format_size(usage.disk)}" if usage.on_disk else "0"
        )
        self._dropped.setText(f"{usage.dropped:,}")
        self._follow.setChecked(self._scene.following)
        self._trouble.setText(" ".join(facts.last_error.split()))
        self._trouble.setToolTip(
            f'<p style="white-space: pre-wrap">{html.escape(facts.last_error)}</p>'
        )
        self._trouble.setVisible(bool(facts.last_error))

    def _start_or_stop(self) -> None:
        if self._listening.connection is None:
            self._listening.start(self._port.value() or None)
        else:
            self._listening.stop()

    def _copy_line(self) -> None:
        connection, clipboard = self._listening.connection, QApplication.clipboard()
        if connection is None or clipboard is None:
            return
        clipboard.setText(connection.endpoint.to_url())
        self._copy.setText("Copied: it holds a key")
        self._said.start()

    # ---- what Qt tells ----------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Say all here, and not in the bar as well."""
        super().showEvent(event)
        self.refresh()
        self._timer.start()
        self._scene.bar.be_brief(True)

    def hideEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave it to the bar."""
        super().hideEvent(event)
        self._timer.stop()
        self._scene.bar.be_brief(False)

    def event(self, event: Any) -> bool:
        """Notice that napari has taken it out of its dock, which is how a closed one ends."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parentWidget() is not None:
                self._docked = True
            elif self._docked:
                self._listening.stop()
                self.deleteLater()
        return bool(super().event(event))


def _state(facts: Facts) -> tuple[str, str]:
    if facts.state == "ready":
        return (_AMBER, "Busy") if facts.waiting else (_GREEN, "Listening")
    if facts.state:
        return _AMBER, facts.state.capitalize()
    return _GRAY, "Not listening"
