"""A viewer on another machine, known by the line that ``coverslip connection show`` prints there.

It cannot be started, looked at or signalled from here: only asked.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from coverslip.transport import (
    SCHEME,
    AddressError,
    Connection,
    Done,
    Endpoint,
    LaunchError,
    Shutdown,
    TransportError,
    ping,
    request,
)
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.target import Presence
from coverslip.viewers.visualizer import START_TIMEOUT, StreamVisualizer

__all__ = ["RemoteVisualizer", "read_line", "read_lines"]

logger = logging.getLogger(__name__)

_PING_TIMEOUT = 3.0
_LOOK_AGAIN = 0.1
_LONGEST_LINE = 4096
_MOST_LINES = 8

_FILE_NAME = re.compile(r"[\w. -]{1,32}")
"""What is too short for a key, which has 43 characters."""


def read_line(text: str | os.PathLike[str]) -> Endpoint:
    """Return the endpoint of a ``coverslip://`` line, or of a file that holds one.

    Parameters
    ----------
    text : str or path-like
        The line, or a path. A file must be its user's alone, since the line holds keys.

    Raises
    ------
    coverslip.transport.AddressError
        It is no such line, the file cannot be read, or others may read it. Never shows a key.
    """
    if not isinstance(text, str | os.PathLike):
        raise AddressError(f"{text!r} is neither a {SCHEME}:// line nor a file's path")
    return Endpoint.from_url(_content(os.fspath(text)))


def read_lines(text: str | os.PathLike[str]) -> tuple[Endpoint, ...]:
    """Return the endpoints of several lines, one for each viewer; raises as `read_line`.

    Parameters
    ----------
    text : str or path-like
        One line or more, with whitespace between them, or a path to a file that holds them.
    """
    lines = _content(os.fspath(text)).split(maxsplit=_MOST_LINES)
    return tuple(Endpoint.from_url(line) for line in lines or [""])


def _content(line: str) -> str:
    """Return the line or lines themselves, from their file where a path is given."""
    if line.strip().startswith(f"{SCHEME}:"):
        return line
    path = Path(line)
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST_LINE)
    except FileNotFoundError:
        raise AddressError(
            f"there is no file {_named(path)}, and a {SCHEME}:// line it is not: `coverslip "
            "connection show PORT --file FILE` writes one where the viewer runs"
        ) from None
    except (OSError, ValueError):
        raise AddressError(
            f"neither a {SCHEME}:// line nor a file that holds one and can be read: "
            "`coverslip connection show PORT` prints the line where the viewer runs"
        ) from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise AddressError(f"others may read {path}, and it holds keys: chmod 600 it")
    return content


def _named(path: Path) -> str:
    """Return a file's name for a message; what may have been meant for a line holds keys."""
    harmless = _FILE_NAME.fullmatch(path.name) is not None and path.parent.is_dir()
    return repr(str(path)) if harmless else "of that name"


class RemoteVisualizer(StreamVisualizer):
    """A viewer that is known by its endpoint alone. Safe from any thread.

    Parameters
    ----------
    endpoint : Endpoint
        Where it answers, and the key.
    """

    needs_display = False

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(port=endpoint.port, host=endpoint.host)
        self.kind = endpoint.kind  # type: ignore[misc]  # known only from the line
        self._endpoint = endpoint

    def start_viewer(
        self, async_mode: bool = False, timeout: float = START_TIMEOUT, *, reuse: bool = True
    ) -> None:
        """Wait until the viewer answers; it cannot be started from here, nor another one.

        Raises
        ------
        ViewerGone
            It did not answer within `timeout` seconds; says where it was looked for.
        coverslip.transport.LaunchError
            It answers, and was not on screen within `timeout` seconds.
        """
        if not async_mode and not self.wait_for_ready(timeout):
            raise LaunchError(
                f"the {self.kind} viewer on {self.host}, port {self.port}, was not ready within "
                f"{timeout:g} s; it goes on starting there"
            )

    def find_viewer(self) -> bool:
        """Whether the viewer answers."""
        return self.is_running

    def wait_for_ready(self, timeout: float = START_TIMEOUT) -> bool:
        """Wait until the viewer is on screen; False when it is still starting.

        Raises
        ------
        ViewerGone
            It does not answer.
        """
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while True:
            left = deadline - time.monotonic()
            try:
                state = ping(self._endpoint, max(0.1, min(left, _PING_TIMEOUT))).state
            except TransportError as error:
                if left <= 0 or not isinstance(error, TimeoutError):
                    raise self._silent(error) from error
            else:
                if state == "ready" or left <= 0:
                    return state == "ready"
            pause.wait(_LOOK_AGAIN)

    def _silent(self, error: TransportError) -> ViewerGone:
        endpoint = self._endpoint
        return ViewerGone(
            f"the {endpoint.kind} viewer on {endpoint.host} does not answer ({error}): see that "
            f"it runs there, and that ports {endpoint.port} and {endpoint.control_port} of that "
            "machine are reached from here, or use a tunnel for both"
        )

    def stop_viewer(self, timeout: float = 10.0, *, force: bool = False) -> None:
        """Ask the viewer to end; its process is not ours to signal, whatever `force` says.

        Stopping one that does not run, or cannot be reached, does nothing.
        """
        if self.is_running:
            request(self._endpoint, Shutdown(), Done, timeout=timeout)
        else:
            logger.info("the %s viewer on %s does not answer any more", self.kind, self.host)

    @property
    def is_running(self) -> bool:
        """Whether the viewer answers now."""
        try:
            ping(self._endpoint, _PING_TIMEOUT)
        except TransportError:
            return False
        return True

    @property
    def connection(self) -> Connection:
        """There is none here: its connection file lies on the other machine.

        Raises
        ------
        ViewerGone
            Always.
        """
        raise ViewerGone(
            f"the {self.kind} viewer on {self.host} has its connection file there, not here"
        )

    @property
    def endpoint(self) -> Endpoint:
        """Where the viewer answers."""
        return self._endpoint

    @property
    def port(self) -> int:
        """Data port."""
        return self._endpoint.port

    def locate(self) -> Endpoint:
        """Return the endpoint; whether somebody answers there only the socket tells."""
        return self._endpoint

    def presence(self) -> Presence:
        """Return THERE: another machine's processes cannot be seen from here."""
        return Presence.THERE

    def again(self) -> Callable[[], StreamVisualizer]:
        """Return what makes another visualizer of this viewer; the key travels with it."""
        return functools.partial(RemoteVisualizer, self._endpoint)
