"""One attempt to start a viewer's process, on a thread of its own."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from coverslip.transport import (
    Connection,
    Launched,
    LaunchError,
    PortTaken,
    launch,
    list_connections,
    new_launch_id,
    new_log,
    port_holder,
    wait_ready,
)

__all__ = ["Starter"]

logger = logging.getLogger(__name__)

_ASKED: Final = {
    "--memory": "memory=",
    "--host": "the address to bind",
    "--max-layers": "--max-layers",
}
"""Options that are given to a viewer's process only where a user asks for them, and how."""

_UNKNOWN_OPTION: Final = re.compile(
    rf"(?:unrecognized arguments|No such option):.*?({'|'.join(_ASKED)})\b"
)
"""What argparse and click end with, in a log."""

_TAKEN: Final = re.compile(r"port \d+.* is taken by ")
"""What a viewer's process ends with that could not have its port."""


class Starter:
    """Launches a viewer and waits until it is on screen, or until nobody wants it any more.

    Parameters
    ----------
    kind : str
        What is started, for its log and for messages.
    port, default_port : int or None, int
        The port that was asked for, and where the kind's own search for one begins.
    timeout : float
        Seconds until it must be ready.
    detached : bool
        It outlives this process.
    command : callable
        Makes the process's arguments from a launch id, a log file and a port.
    adopt : callable
        Takes a viewer that somebody else started; whether there was one.
    look_first : bool
        Whether there may be one already, rather than only by the time that a launch has failed.
    found : callable
        Called with the connection once the sockets are bound: planes may come before the window.
    ready : callable
        Called once it is on screen.
    """

    def __init__(
        self,
        kind: str,
        *,
        port: int | None,
        default_port: int,
        timeout: float,
        detached: bool,
        command: Callable[[str, Path, int | None], list[str]],
        adopt: Callable[[], bool],
        look_first: bool,
        found: Callable[[Connection], object],
        ready: Callable[[], object],
    ) -> None:
        self.kind = kind
        self.error: Exception | None = None
        """Why it did not start, once the thread has ended."""
        self._port = port
        self._default_port = default_port
        self._timeout = timeout
        self._detached = detached
        self._command = command
        self._adopt = adopt
        self._look_first = look_first
        self._found = found
        self._ready = ready
        self._launched: Launched | None = None
        """What was launched and has not answered yet."""
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="coverslip-starter", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether the viewer is on its way."""
        return self._thread.is_alive()

    def wait(self, timeout: float) -> bool:
        """Wait for the end of it, be it good or bad; whether it came within `timeout` seconds."""
        self._thread.join(max(0.0, timeout))
        return not self.busy

    def give_up(self) -> None:
        """Want it no more; returns at once."""
        self._unwanted.set()

    def stop(self, timeout: float) -> None:
        """End a process that has not answered yet, and wait for the thread."""
        launched = self._launched
        if launched is not None:
            launched.stop(timeout)
        self.wait(timeout)

    def _run(self) -> None:
        deadline = time.monotonic() + self._timeout
        try:
            if self._look_first and self._adopt():
                return
            port = self._port
            if port is None and port_holder(self._default_port) is None:
                # Asked for by number, so that of two that start at once only one gets it: the
                # other finds the first.
                port = self._default_port
            try:
                self._refuse_another_kind()
                self._launch(port, deadline)
            except LaunchError as error:
                if self._unwanted.is_set() or self._adopt():
                    return
                if port == self._port or not self._was_robbed(error):
                    raise self._in_our_words(error) from error
                self._launch(None, deadline)
        except Exception as error:
            if self._unwanted.is_set():
                logger.debug("it was stopped while it started", exc_info=True)
                return
            self.error = error
            logger.error("the %s viewer did not start: %s", self.kind, error)
            logger.debug("it did not start", exc_info=True)

    def _refuse_another_kind(self) -> None:
        """Raise where the port that was asked for is a viewer's of ours, of another kind."""
        for other in list_connections():
            kind = other.endpoint.kind
            if other.endpoint.port == self._port and kind != self.kind:
                raise PortTaken(
                    f"port {self._port} is taken by {other}, which is yours: --viewer {kind}, or "
                    f'connect("{kind}", port={self._port}), shows there; or choose another port',
                    port=self._port,
                    holder=str(other),
                )

    def _in_our_words(self, error: LaunchError) -> LaunchError:
        """Say what was asked for where a third party's viewer does not know the option for it."""
        unknown = _UNKNOWN_OPTION.search(str(error))
        if unknown is None:
            return error
        return LaunchError(
            f"the {self.kind} viewer has no option {unknown[1]}: leave out {_ASKED[unknown[1]]}, "
            f"or let its package take the option, see docs/third-party-viewer.md. {error}"
        )

    def _was_robbed(self, error: LaunchError) -> bool:
        """Whether its process ended since somebody took its port: one that runs on is only slow.

        Whoever took it may be gone by now.
        """
        launched = self._launched
        if launched is None or launched.poll() is None:
            return False
        return bool(_TAKEN.search(str(error))) or port_holder(self._default_port) is not None

    def _launch(self, port: int | None, deadline: float) -> None:
        """Start a process and wait until it is ready."""
        launch_id = new_launch_id()
        log = new_log(self.kind, launch_id)
        launched = launch(self._command(launch_id, log, port), detached=self._detached, log=log)
        self._launched = launched
        if self._unwanted.is_set():
            launched.stop()
            return
        connection = wait_ready(launched, launch_id, deadline - time.monotonic(), state=None)
        self._found(connection)
        self._launched = None
        wait_ready(launched, launch_id, deadline - time.monotonic())
        self._ready()
