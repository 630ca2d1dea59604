"""Files on their way to viewers: each viewer has a queue, and one thread reads and sends for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from PyQt6.QtCore import QObject, pyqtSignal

from coverslip.transport import Delivery, RequestTimeout, TransportError, ping
from coverslip.viewers.config.lazy import config_in_force
from coverslip.viewers.config.streaming import streaming_config
from coverslip.viewers.errors import UnreadableImage, ViewerError, ViewerGone
from coverslip.viewers.plates.contents import Entry
from coverslip.viewers.plates.sending import send_image
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.roster import ViewerState
from coverslip.viewers.settle import settle
from coverslip.viewers.standing import LaneState
from coverslip.viewers.view import View
from coverslip.viewers.words import plural

__all__ = ["Sender", "describe"]

logger = logging.getLogger(__name__)

START = 120.0
"""Seconds that files wait for a viewer that starts."""

_PING = 1.0
_LOOK_AGAIN = 0.2


class _Queue:
    """What waits for one viewer."""

    def __init__(self, state: ViewerState) -> None:
        self.state = state
        self.files: deque[Entry] = deque()
        self.problems: dict[str, str] = {}


class Sender(QObject):
    """Sends files to viewers, in order and off the GUI thread. `send` and `close`: GUI thread."""

    waiting_changed = pyqtSignal(str, int)
    """A viewer's key, and how many files wait for it here."""

    settled = pyqtSignal(object, object, object)
    """A `ViewerState`, the `Delivery` of what was sent, and why files were not: dict by path."""

    failed = pyqtSignal(object, object)
    """A `ViewerState`, and the error that kept files from it: all, or those that waited still."""

    def __init__(self) -> None:
        # Without a parent: its threads hold it, and may emit when the window is gone.
        super().__init__()
        self._lock = threading.Lock()
        self._queues: dict[str, _Queue] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def send(
        self,
        state: ViewerState,
        files: Sequence[Entry],
        problems: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Queue files for a viewer, be it still starting.

        Parameters
        ----------
        state : ViewerState
            The viewer.
        files : sequence of Entry
            What to send, in that order.
        problems : mapping of str to str
            What is known already not to be sent, by path: told with the rest.
        """
        with self._lock:
            queue = self._queues.get(state.key)
            begun = queue is not None
            if queue is None:
                queue = self._queues[state.key] = _Queue(state)
            queue.files.extend(files)
            queue.problems.update(problems)
            waiting = len(queue.files)
        self.waiting_changed.emit(state.key, waiting)
        if not begun:
            thread = threading.Thread(
                target=self._work, args=(queue,), name="coverslip-send", daemon=True
            )
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def close(self, patience: float) -> None:
        """Send nothing more; wait `patience` seconds for the files that are being sent.

        A thread that reads a slow file, or sends to a viewer that takes nothing, is left behind:
        it is a daemon, and ends with the process.
        """
        self._closing.set()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # ---- the viewer's thread ----------------------------------------------------------

    def _work(self, queue: _Queue) -> None:
        state = queue.state
        failure: Exception | None = None
        try:
            delivery = self._deliver(queue)
        except (ViewerError, TransportError, OSError) as error:
            logger.debug("sending to %s", state.key, exc_info=True)
            failure = error
        except Exception as error:
            logger.exception("sending to %s", state.key)
            failure = error
        if self._closing.is_set():
            return
        if failure is None:
            self.settled.emit(state, delivery, queue.problems)
        else:
            self.failed.emit(state, failure)

    def _deliver(self, queue: _Queue) -> Delivery:
        try:
            self._await(queue.state)
            # By its line, be it here or elsewhere: the viewer proves by itself whether it shares
            # memory with this process, and a kind that is not installed here is as good as ours.
            endpoint = queue.state.endpoint
            config = config_in_force(streaming_config(endpoint.kind))
            view = View(RemoteVisualizer(endpoint), config=config)
            try:
                self._send_all(queue, view)
                return settle(view, lambda _: None, self._closing.is_set)
            finally:
                view.close(0.0)
        finally:
            # Before anything is told: what is sent upon that begins a new thread.
            self._end(queue)

    def _await(self, state: ViewerState) -> None:
        """Wait until the viewer is on screen: what is sent before that would only lie in memory."""
        deadline = time.monotonic() + START
        while not self._closing.is_set():
            late = time.monotonic() >= deadline
            try:
                if ping(state.endpoint, _PING).state != "starting":
                    return
            except RequestTimeout:
                # It may be importing: that holds Python's lock for longer than a ping takes.
                if late:
                    raise
            if late:
                raise ViewerGone(f"the viewer on port {state.port} did not start in {START:g} s")
            self._closing.wait(_LOOK_AGAIN)

    def _await_return(self, queue: _Queue, view: View) -> None:
        """Wait for a viewer that has fallen silent: what was sent meanwhile would be dropped."""
        deadline = time.monotonic() + START
        left = plural(len(queue.files), "file")
        while LaneState.ABSENT.value in view.statistics().state and not self._closing.is_set():
            try:
                self._await(queue.state)
            except (TransportError, ViewerGone) as error:
                raise ViewerGone(f"{left} not sent: {error}") from error
            if time.monotonic() >= deadline:
                raise ViewerGone(f"{left} not sent: it was not reached again within {START:g} s")
            self._closing.wait(_LOOK_AGAIN)

    def _send_all(self, queue: _Queue, view: View) -> None:
        while not self._closing.is_set():
            with self._lock:
                if not queue.files:
                    # Under the lock that `send` takes: whoever comes later begins a new thread.
                    del self._queues[queue.state.key]
                    return
                file = queue.files[0]
            self._await_return(queue, view)
            self._send_one(queue, view, file)
            with self._lock:
                queue.files.popleft()
                waiting = len(queue.files)
            self.waiting_changed.emit(queue.state.key, waiting)

    def _send_one(self, queue: _Queue, view: View, file: Entry) -> None:
        try:
            for image in file.images():
                if self._closing.is_set():
                    return
                send_image(view, image)
        except UnreadableImage as error:
            queue.problems[str(file.path)] = str(error)

    def _end(self, queue: _Queue) -> None:
        """Take the queue out, unless all of it was sent and another has its place by now."""
        with self._lock:
            if self._queues.get(queue.state.key) is not queue:
                return
            del self._queues[queue.state.key]
        if not self._closing.is_set():
            self.waiting_changed.emit(queue.state.key, 0)


def describe(delivery: Delivery, problems: dict[str, str]) -> str:
    """Return what became of files, in words."""
    words = f"{delivery.shown} of {delivery.sent} planes shown"
    lost = delivery.sent - delivery.shown
    if lost:
        words += f", {lost} not"
    if problems:
        such_as = ", such as " if len(problems) > 1 else ": "
        words += f"; {plural(len(problems), 'file')} could not be read{such_as}"
        words += next(iter(problems.values()))
    return words
