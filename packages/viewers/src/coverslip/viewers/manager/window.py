"""The manager's window: the table of viewers, and what can be done with those selected."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtGui import QAction, QCloseEvent, QKeySequence
from PyQt6.QtWidgets import (
    QFileDialog,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QToolBar,
)

from coverslip.transport import Delivery, TransportError
from coverslip.viewers.errors import ViewerError
from coverslip.viewers.manager import deeds
from coverslip.viewers.manager.boxes import ask, complain
from coverslip.viewers.manager.browser import Browser
from coverslip.viewers.manager.geometry import remember, restore
from coverslip.viewers.manager.jobs import Jobs
from coverslip.viewers.manager.launching import LaunchDialog, Wanted, has_window, launchable
from coverslip.viewers.manager.log import LogView
from coverslip.viewers.manager.looker import Looker
from coverslip.viewers.manager.rows import rows_of
from coverslip.viewers.manager.sending import Sender, describe
from coverslip.viewers.manager.table import ViewerTable
from coverslip.viewers.plates.contents import Contents, Entry, collect
from coverslip.viewers.roster import Roster, ViewerState
from coverslip.viewers.words import plural

__all__ = ["ManagerWindow"]

_PATIENCE = 2.0
"""Seconds for each kind of thread to end when the window closes; then it is left behind."""

_UNKNOWN = "its name does not say what it is of"

_NOBODY = (
    'No viewer runs.\n\nLaunch one here, or let a pipeline start it:\nview = connect("napari")'
)


class ManagerWindow(QMainWindow):
    """Every viewer of this user, and remote ones by their line. GUI thread only.

    Parameters
    ----------
    settings : QSettings
        Where geometry is remembered.
    """

    def __init__(self, settings: QSettings) -> None:
        super().__init__()
        self.setWindowTitle("coverslip viewers")
        self._settings = settings
        self._roster = Roster()
        self._jobs = Jobs()
        self._logs: dict[str, LogView] = {}
        self.table = ViewerTable()
        self.rows = rows_of(self.table)
        self.rows.doubleClicked.connect(self.show_selected)
        self._nobody = QLabel(_NOBODY)
        self._nobody.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._nobody)
        self._pages.addWidget(self.rows)
        self.browser = Browser(self._jobs)
        self._sender = Sender()
        self._connect_sending()
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.addWidget(self._pages)
        self._split.addWidget(self.browser)
        self.setCentralWidget(self._split)
        self._summary = QLabel()
        status = self.statusBar()
        assert status is not None
        status.addPermanentWidget(self._summary)
        self._on_selection: list[QAction] = []
        self._on_windows: list[QAction] = []
        self._make_actions()
        selection = self.rows.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._enable)
        self._enable()
        restore(settings, self, self._split, self.rows)
        # Last: from here on it tells of viewers.
        self._looker = Looker(self._roster)
        self._looker.looked.connect(self._take)
        self._looker.failed.connect(self._say)

    # ---- its parts --------------------------------------------------------------------

    def _make_actions(self) -> None:
        bar = QToolBar("Viewers")
        bar.setObjectName("viewers")
        bar.setMovable(False)
        self.addToolBar(bar)

        def add(
            words: str,
            shortcut: str,
            explained: str,
            call: Callable[[], object],
            among: list[QAction] | None = None,
        ) -> None:
            action = QAction(words, self)
            action.setShortcut(QKeySequence(shortcut))
            action.setToolTip(f"{explained} ({action.shortcut().toString()})")
            action.triggered.connect(lambda _checked: call())
            bar.addAction(action)
            if among is not None:
                among.append(action)
                self.rows.addAction(action)

        add("&Launch…", "Ctrl+N", "Start a viewer", self.ask_for_launch)
        add("&Remote…", "Ctrl+R", "Add a viewer on another machine", self.ask_for_line)
        bar.addSeparator()
        some, shown = self._on_selection, self._on_windows
        add("&Show", "Ctrl+Return", "Bring its window to the front", self.show_selected, shown)
        add("S&creenshot…", "Ctrl+S", "Save its window as a picture", self.ask_for_file, shown)
        add("L&og", "Ctrl+L", "What it logs, live", self.open_logs, some)
        add("Cl&ear", "Ctrl+E", "Take its layers out", self.clear_selected, some)
        add("&Quit viewer", "Ctrl+Del", "Ask it to end", self.quit_selected, some)

    def _connect_sending(self) -> None:
        self.table.files_dropped.connect(self._take_dropped)
        self._sender.waiting_changed.connect(self.table.set_queued)
        self._sender.settled.connect(self._tell_settled)
        self._sender.failed.connect(
            lambda state, error: self._complain(f"Sending to {state.name} has ended", error)
        )
        self.browser.failed.connect(self._complain)
        self.browser.send_wanted.connect(self._send)

    # ---- what is known ----------------------------------------------------------------

    def _take(self, found: list[ViewerState]) -> None:
        self.table.update(found)
        self._pages.setCurrentWidget(self.rows if found else self._nobody)
        shown = plural(sum(state.shown for state in found), "plane")
        self._summary.setText(f"{plural(len(found), 'viewer')}, {shown} shown")
        self.browser.set_viewers(found)
        self._enable()

    def selected(self) -> list[ViewerState]:
        """Return the viewers of the selected rows."""
        selection = self.rows.selectionModel()
        rows = [] if selection is None else sorted({i.row() for i in selection.selectedRows()})
        return [self.table.state(row) for row in rows]

    def _windows(self) -> list[ViewerState]:
        """Return those of the selected that have a window."""
        return [state for state in self.selected() if has_window(state.kind)]

    def _enable(self, *_: object) -> None:
        for action in self._on_selection:
            action.setEnabled(bool(self.selected()))
        for action in self._on_windows:
            action.setEnabled(bool(self._windows()))

    def _say(self, words: str) -> None:
        status = self.statusBar()
        if status is not None:
            status.showMessage(words, 15_000)

    def _complain(self, what: str, error: Exception) -> None:
        complain(self, what, error)

    def _for_each(
        self,
        states: list[ViewerState],
        doing: str,
        call: Callable[[ViewerState], object],
        done: str,
    ) -> None:
        for state in states:
            name = state.name
            self._say(f"{doing} {name}…")
            self._jobs.run(
                partial(call, state),
                partial(self._say_done, f"{name} {done}"),
                partial(self._complain, f"{doing} {name}"),
            )

    def _say_done(self, words: str, _result: object) -> None:
        self._say(words)

    # ---- what is done -----------------------------------------------------------------

    def ask_for_launch(self) -> None:
        """Open the dialog that starts a viewer."""
        dialog = LaunchDialog(launchable(), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self.launch(dialog.wanted()))
        dialog.open()

    def launch(self, wanted: Wanted) -> None:
        """Start a viewer; its row comes as soon as it has bound its ports."""
        self._say(f"Starting {wanted.kind}…")
        self._jobs.run(
            lambda: deeds.launch(**wanted._asdict()),
            lambda _: self._say(f"{wanted.kind} is ready"),
            lambda error: self._complain(f"{wanted.kind} could not be started", error),
        )

    def ask_for_line(self) -> None:
        """Ask for the line of a viewer on another machine."""
        dialog = QInputDialog(self)
        dialog.setWindowTitle("Add a remote viewer")
        dialog.setLabelText(
            "Paste the line that `coverslip connection show PORT` prints there.\n"
            "It holds a key: it is kept until this window is closed, and nowhere else."
        )
        dialog.setTextEchoMode(QLineEdit.EchoMode.Password)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(self.add_remote)
        dialog.open()

    def add_remote(self, line: str) -> None:
        """Watch a viewer on another machine by its ``coverslip://`` line."""
        try:
            endpoint = self._roster.add_remote(line)
        except TransportError as error:
            self._complain("This is no line of a viewer", error)
        else:
            self._say(f"Looking for {endpoint.kind} on {endpoint.host}:{endpoint.port}…")

    def show_selected(self, *_: object) -> None:
        """Bring the selected viewers' windows to the front."""
        self._for_each(self._windows(), "Showing", deeds.raise_window, "is in front")

    def clear_selected(self) -> None:
        """Take the selected viewers' layers out, after asking."""
        chosen = self.selected()
        if chosen:
            ask(
                self,
                f"Take all layers out of {_names(chosen)}?",
                "Planes that were sent are gone then.",
                lambda: self._for_each(chosen, "Clearing", deeds.clear, "is empty"),
            )

    def ask_for_file(self) -> None:
        """Save pictures of the selected viewers' windows."""
        for state in self._windows():
            suggested = f"{state.kind}-{state.port}.png"
            name, _ = QFileDialog.getSaveFileName(
                self, f"Screenshot of {state.name}", suggested, "Pictures (*.png)"
            )
            if name:
                self.save_screenshot(state, Path(name))

    def save_screenshot(self, state: ViewerState, path: Path) -> None:
        """Save a picture of one viewer's window."""
        self._jobs.run(
            lambda: path.write_bytes(deeds.take_screenshot(state)),
            lambda _: self._say(f"{path} is written"),
            lambda error: self._complain(f"No screenshot of {state.name}", error),
        )

    def open_logs(self) -> None:
        """Open a window with the log of each selected viewer."""
        for state in self.selected():
            log = None if state.connection is None else state.connection.log
            if log is None:
                self._complain(
                    f"No log of {state.name}",
                    ViewerError("it was not launched with a log file, or is on another machine"),
                )
                continue
            view = self._logs.get(state.key)
            if view is None:
                view = self._logs[state.key] = LogView(Path(log), state.name)
                view.destroyed.connect(partial(_forget, self._logs, state.key))
            view.show()
            view.raise_()

    def _send(self, key: str, files: list[Entry]) -> None:
        for state in self.table.states():
            if state.key == key:
                self._sender.send(state, files)

    def _take_dropped(self, state: ViewerState, paths: list[Path]) -> None:
        """Send what was dropped on a row: files of the plate that is open as they are known there.

        Others are read together: what one name says may depend on its neighbours.
        """
        known = self.browser.known(paths)
        if known is not None:
            self._sender.send(state, known)
            return

        def send(contents: Contents) -> None:
            unknown = {str(path): f"{path}: {_UNKNOWN}" for path in contents.listing.unknown}
            self._sender.send(state, contents.entries, contents.problems | unknown)

        self._jobs.run(
            lambda: collect(paths, "auto", None),
            send,
            partial(self._complain, f"Nothing was sent to {state.name}"),
        )

    def _tell_settled(
        self, state: ViewerState, delivery: Delivery, problems: dict[str, str]
    ) -> None:
        self._say(f"{state.name}: {describe(delivery, problems)}")

    def quit_selected(self) -> None:
        """Ask the selected viewers to end; offer to kill one that does not."""
        chosen = self.selected()
        if chosen:
            ask(
                self,
                f"Quit {_names(chosen)}?",
                "The planes are gone with the window; pipelines go on without it.",
                partial(self.quit, *chosen),
            )

    def quit(self, *states: ViewerState) -> None:
        """Ask viewers to end."""
        for state in states:
            self._say(f"Waiting for {state.name} to end…")
            self._jobs.run(
                partial(deeds.ask_to_end, state),
                partial(self._ended, state),
                partial(self._complain, f"{state.name} was not asked to end"),
            )

    def _ended(self, state: ViewerState, ended: deeds.Ended) -> None:
        if ended.gone:
            self._roster.forget_remote(state.key)
            last = ""
            if ended.last is not None:
                last = f": it was {ended.last.state}"
                if ended.last.refused:
                    last += f", {plural(ended.last.refused, 'message')} refused"
            self._say(f"{state.name} has ended{last}")
            return
        if state.connection is None:
            ask(
                self,
                f"{state.name} did not end. Take it off the list?",
                f"{ended.reason}\nIt is on another machine, where nothing is killed from here.",
                lambda: self._roster.forget_remote(state.key),
            )
        elif state.connection.guest:
            words = (
                f"{ended.reason}; it listens in a program of its user's own, which is not killed"
            )
            self._complain(f"{state.name} is still there", ViewerError(words))
        else:
            ask(
                self,
                f"{state.name} did not end. Kill process {state.connection.pid}?",
                f"{ended.reason}\nOnly that very process is killed, never whoever has its port.",
                lambda: self.kill(state),
            )

    def kill(self, state: ViewerState) -> None:
        """Kill one viewer's process."""
        self._jobs.run(
            lambda: deeds.kill(state),
            lambda _: self._say(f"{state.name} was killed"),
            lambda error: self._complain(f"{state.name} could not be killed", error),
        )

    # ---- the end ----------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802 - Qt's
        """Remember the geometry; viewers stay."""
        remember(self._settings, self, self._split, self.rows)
        # Gone at once for whoever closed it: what follows waits for threads.
        self.hide()
        for log in list(self._logs.values()):
            log.close()
        self._sender.close(_PATIENCE)
        self.browser.thumbnails.close(_PATIENCE)
        self._jobs.close(_PATIENCE)
        self._looker.close(_PATIENCE)
        super().closeEvent(event)


def _forget(logs: dict[str, LogView], key: str, *_: object) -> None:
    logs.pop(key, None)


def _names(states: list[ViewerState]) -> str:
    return states[0].name if len(states) == 1 else f"{len(states)} viewers"
