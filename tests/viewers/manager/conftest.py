"""What the manager's tests stand on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.qt import fill_thread_pools

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from coverslip.viewers.manager.window import ManagerWindow


@pytest.fixture(scope="session")
def application(display: str, qapp: object, session_runtime_folder: Path) -> object:
    """Qt's application, with all that Qt opens at the first windows and keeps for the process."""
    from PyQt6.QtCore import QFileSystemWatcher, QSettings
    from PyQt6.QtWidgets import QApplication, QMessageBox

    from coverslip.viewers.manager.window import ManagerWindow

    fill_thread_pools()
    with tempfile.TemporaryDirectory() as folder:
        window = ManagerWindow(QSettings(f"{folder}/m.ini", QSettings.Format.IniFormat))
        window.show()
        box = QMessageBox(QMessageBox.Icon.Question, "warm", "up", parent=window)
        box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel)
        box.open()
        watcher = QFileSystemWatcher([folder])
        QApplication.processEvents()
        for widget in (window, box):
            widget.grab()  # draws, and so reads the theme's icons
        del watcher
        box.close()
        window.close()
        window.deleteLater()
        QApplication.sendPostedEvents()
        QApplication.processEvents()
    return qapp


@pytest.fixture
def window(
    application: object, qtbot: QtBot, runtime_folder: Path, tmp_path: Path
) -> Iterator[ManagerWindow]:
    """An open manager that sees this test's viewers alone."""
    from PyQt6.QtCore import QSettings

    from coverslip.viewers.manager.window import ManagerWindow

    window = ManagerWindow(QSettings(str(tmp_path / "m.ini"), QSettings.Format.IniFormat))
    qtbot.addWidget(window)
    window.show()
    yield window
    window.close()
