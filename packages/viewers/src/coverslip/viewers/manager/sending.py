"""Files on their way to viewers: each viewer has a queue, and one thread reads and sends for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PyQt6.QtCore import QObject, pyqtSignal

from coverslip.transport import Delivery, TransportError, ping
from coverslip.viewers.cli.sending import send_image
from coverslip.viewers.errors import UnreadableImage, ViewerError, ViewerGone
from coverslip.viewers.manager.roster import ViewerState
from coverslip.viewers.plates.contents import collect
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.view import View

__all__ = ["Sender", "describe"]

logger = logging.getLogger(__name__)

START = 120.0
"""Seconds that files wait for a viewer that starts."""

SETTLE = 60.0
"""Seconds that what was sent is waited for."""

_PING = 1.0
_LOOK_AGAIN = 0.2


class _File(NamedTuple):
    path: Path
    parser: str


class _Queue:
    """What waits for one viewer."""

    def __init__(self, state: ViewerState) -> None:
        self.state = state
        self.files: deque[_File] = deque()
        self.problems: dict[str, str] = {}


class Sender(QObject):
    """Sends files to viewers, in order and off the GUI thread. `send` and `close`: GUI thread."""

    waiting_changed = pyqtSignal(str, int)
    """A viewer's key, and how many files wait for it here."""

    settled = pyqtSignal(object, object, object)
    """A `ViewerState`, the `Delivery` of what was sent, and why files were not: dict by path."""

    failed = pyqtSignal(object, object)
    """A `ViewerState`, and the error that kept everything from it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._queues: dict[str, _Queue] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def send(self, state: ViewerState, paths: Sequence[Path], parser: str = "auto") -> None:
        """Queue files, or folders of them, for a viewer, be it still starting."""
        with self._lock:
            queue = self._queues.get(state.key)
            begun = queue is not None
            if queue is None:
                queue = self._queues[state.key] = _Queue(state)
            queue.files.extend(_File(path, parser) for path in paths)
            waiting = len(queue.files)
        self.waiting_changed.emit(state.key, waiting)
        if not begun:
            thread = threading.Thread(
                target=self._work, args=(queue,), name="coverslip-send", daemon=True
            )
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def close(self) -> None:
        """Send nothing more, and wait for the file that is being sent."""
        self._closing.set()
        for thread in self._threads:
            thread.join()

    # ---- the viewer's thread ----------------------------------------------------------

    def _work(self, queue: _Queue) -> None:
        state = queue.state
        try:
            self._await(state)
            # By its line, be it here or elsewhere: the viewer proves by itself whether it shares
            # memory with this process, and a kind that is not installed here is as good as ours.
            view = View(RemoteVisualizer(state.endpoint))
            try:
                self._send_all(queue, view)
                delivery = view.flush(0.0 if self._closing.is_set() else SETTLE)
            finally:
                view.close(0.0)
        except (ViewerError, TransportError, OSError) as error:
            logger.debug("sending to %s", state.key, exc_info=True)
            self._end(queue)
            self.failed.emit(state, error)
        else:
            self.settled.emit(state, delivery, queue.problems)

    def _await(self, state: ViewerState) -> None:
        """Wait until the viewer is on screen: what is sent before that would only lie in memory."""
        looks = int(START / _LOOK_AGAIN)
        for _ in range(looks):
            if self._closing.is_set() or ping(state.endpoint, _PING).state != "starting":
                return
            self._closing.wait(_LOOK_AGAIN)
        raise ViewerGone(f"the viewer on port {state.port} did not start within {START:g} s")

    def _send_all(self, queue: _Queue, view: View) -> None:
        while not self._closing.is_set():
            with self._lock:
                if not queue.files:
                    # Under the lock that `send` takes: whoever comes later begins a new thread.
                    self._queues.pop(queue.state.key, None)
                    return
                file = queue.files[0]
            self._send_one(queue, view, file)
            with self._lock:
                queue.files.popleft()
                waiting = len(queue.files)
            self.waiting_changed.emit(queue.state.key, waiting)
        self._end(queue)

    def _send_one(self, queue: _Queue, view: View, file: _File) -> None:
        try:
            contents = collect([file.path], file.parser, None)
        except (ViewerError, OSError) as error:
            queue.problems[str(file.path)] = str(error)
            return
        queue.problems.update(contents.problems)
        for entry in contents.entries:
            try:
                for image in entry.images():
                    if self._closing.is_set():
                        return
                    send_image(view, image)
            except UnreadableImage as error:
                queue.problems[str(entry.path)] = str(error)

    def _end(self, queue: _Queue) -> None:
        with self._lock:
            self._queues.pop(queue.state.key, None)
            queue.files.clear()
        self.waiting_changed.emit(queue.state.key, 0)


def describe(delivery: Delivery, problems: dict[str, str]) -> str:
    """Return what became of files, in words."""
    words = f"{delivery.shown} of {delivery.sent} planes shown"
    lost = delivery.sent - delivery.shown
    if lost:
        words += f", {lost} not"
    if problems:
        words += (
            f"; {len(problems)} files could not be read, such as {next(iter(problems.values()))}"
        )
    return words
