"""The bar below the picture: whether sliders follow, what has come, what else may be shown."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy fills it at run time
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget

from coverslip.transport import Usage
from coverslip.viewers.words import format_size, plural

__all__ = ["FOLLOW_KEY", "OVERVIEW_KEY", "STEP_KEY", "LiveBar"]

FOLLOW_KEY = "Shift-F"
STEP_KEY = "Shift-S"
OVERVIEW_KEY = "Shift-W"

_FOLLOWING, _PAUSED = "●  following the newest plane", "▶  follow again"


class LiveBar(QWidget):
    """What has come, which step is shown, and whether the sliders follow. GUI thread only."""

    follow_clicked = Signal(bool)
    following_changed = Signal(bool)
    step_chosen = Signal(int)
    overview_clicked = Signal(bool)
    picture_due = Signal()
    """A picture of the window is taken next: who tells of it beside the bar says how it is now."""

    def __init__(self) -> None:
        super().__init__()
        self._button = QPushButton()
        self._button.setCheckable(True)
        self._button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._button.clicked.connect(self.follow_clicked)
        self._words = QLabel()
        self._steps = QComboBox()
        self._steps.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._steps.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._steps.setPlaceholderText("show only …")
        self._steps.setToolTip(
            f"Show one of these alone, or all side by side. ({STEP_KEY}: the next)"
        )
        self._steps.activated.connect(self.step_chosen)
        self._steps.hide()
        self._overview = QPushButton("plate overview")
        self._overview.setCheckable(True)
        self._overview.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._overview.setToolTip(
            f"The newest plane of each well, beside the picture; click one to go there. "
            f"({OVERVIEW_KEY})"
        )
        self._overview.clicked.connect(self.overview_clicked)
        self._overview.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 2, 8, 2)
        layout.setSpacing(12)
        layout.addWidget(self._words)
        layout.addWidget(self._overview)
        layout.addWidget(self._steps)
        # Rightmost and of one width, so that it does not move under the mouse as words grow.
        layout.addWidget(self._button)
        self.set_following(True)

    def set_following(self, following: bool) -> None:
        """Show whether the sliders follow."""
        self.following_changed.emit(following)
        self._button.setChecked(following)
        self._button.setText(_FOLLOWING if following else _PAUSED)
        color = "#5ad469" if following else "#f0b429"
        self._button.setStyleSheet(
            f"QPushButton {{ color: {color}; background: transparent; padding: 2px 8px;"
            f" border: 1px solid {color}; border-radius: 4px }}"
        )
        self._fit()
        self._button.setToolTip(
            f"The sliders go to each plane as it comes, until you move one. ({FOLLOW_KEY})"
            if following
            else f"You moved a slider: the view stays. Go to the newest plane again. ({FOLLOW_KEY})"
        )

    def be_brief(self, brief: bool) -> None:
        """Leave out what a dock says besides: what has come, and whether the sliders follow."""
        self._words.setVisible(not brief)
        self._button.setVisible(not brief)

    def offer_steps(self, names: list[str], chosen: int) -> None:
        """Offer steps to choose from, where there are any; -1 chooses none."""
        if [self._steps.itemText(i) for i in range(self._steps.count())] != names:
            self._steps.clear()
            self._steps.addItems(names)
        self._steps.setCurrentIndex(chosen)
        self._steps.setVisible(bool(names))

    def offer_overview(self, offered: bool, *, shown: bool) -> None:
        """Offer the plate's overview, where there are wells for it; say whether it is shown."""
        self._overview.setChecked(shown)
        if self._overview.isHidden() == offered:
            self._overview.setVisible(offered)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take the width again: the window's style brings a font of its own."""
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        self._button.ensurePolished()
        metrics = self._button.fontMetrics()
        width = max(metrics.horizontalAdvance(text) for text in (_FOLLOWING, _PAUSED))
        self._button.setMinimumWidth(width + 28)  # the style's padding and border, both sides

    def tell(self, planes: int, nbytes: int, collisions: int, usage: Usage) -> None:
        """Say how much has come, and where it is.

        Parameters
        ----------
        planes, nbytes, collisions : int
            Planes that have come, the bytes of those in layers, those that replaced another's.
        usage : Usage
            What the viewer's memory says.
        """
        words = [plural(planes, "plane"), format_size(usage.memory if usage.on_disk else nbytes)]
        if usage.on_disk:
            words[1] += " in memory"
            words.append(f"{usage.on_disk:,} on disk ({format_size(usage.disk)})")
        if usage.dropped:
            words.append(f"{usage.dropped:,} dropped")
        if collisions:
            words.insert(1, f"{collisions:,} replaced by another file's or step's")
        line = "    ".join(words) if planes else ""
        if self._words.text() != line:
            self._words.setText(line)
