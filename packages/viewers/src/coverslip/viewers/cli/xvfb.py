"""A virtual display of one's own, for the demo and the tests on a machine that has none.

Whether there is a display already, `coverslip.viewers.display` knows.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import struct
import subprocess
import time

from coverslip.viewers.display import X_SOCKETS
from coverslip.viewers.errors import NoDisplay

__all__ = ["VirtualDisplay"]

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 10.0

_HELLO = struct.pack("<cxHHHHxx", b"l", 11, 0, 0, 0)
"""X11's connection setup: little-endian, protocol 11.0, no authorization (a display of ours has
none: it lets in this machine's processes of this user). X Window System Protocol, section 8."""

_WELCOME = b"\1"


class VirtualDisplay:
    """An Xvfb of one's own: started and stopped by one thread, gone with the ``with`` block.

    The server picks a free display number itself (``-displayfd``), so that none is guessed. While
    it runs, the environment of this process and of its children names it, with GL in software.

    Nothing is left of it either when this process is killed: the server ends with its last client
    (``-terminate``), of which this process is the first, and for as long as the block lasts.

    Raises
    ------
    NoDisplay
        From ``__enter__``, when Xvfb is not installed, ends at once, says nothing in time or does
        not let this process in.
    """

    def __init__(self, size: tuple[int, int] = (1600, 1000)) -> None:
        self.name = ""
        self._size = size
        self._process: subprocess.Popen[bytes] | None = None
        self._client: socket.socket | None = None
        self._before: dict[str, str | None] = {}

    @staticmethod
    def available() -> bool:
        """Tell whether Xvfb is installed."""
        return shutil.which("Xvfb") is not None

    def __enter__(self) -> VirtualDisplay:
        """Start the server and name it in the environment."""
        program = shutil.which("Xvfb")
        if program is None:
            raise NoDisplay("Xvfb is not installed (Debian, Ubuntu: apt-get install xvfb)")
        ours, theirs = os.pipe()
        try:
            width, height = self._size
            self._process = subprocess.Popen(
                [
                    *(program, "-displayfd", str(theirs), "-screen", "0", f"{width}x{height}x24"),
                    *("-nolisten", "tcp", "-terminate", "+extension", "GLX"),
                ],
                pass_fds=[theirs],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is not for it
            )
            os.close(theirs)
            theirs = -1
            number = _read_line(ours, _START_TIMEOUT)
        except BaseException:
            self._end()
            raise
        finally:
            os.close(ours)
            if theirs >= 0:
                os.close(theirs)
        if not number.isdigit():
            status = self._process.poll()
            self._end()
            raise NoDisplay(
                f"{program} named no display within {_START_TIMEOUT:.0f} s (exit status {status})"
            )
        try:
            self._client = _connect(int(number), _START_TIMEOUT)
        except OSError as error:
            self._end()
            raise NoDisplay(f"{program} on display :{number} lets nobody in: {error}") from error
        self.name = f":{number}"
        for key, value in {"DISPLAY": self.name, "LIBGL_ALWAYS_SOFTWARE": "1"}.items():
            self._before[key] = os.environ.get(key)
            os.environ[key] = value
        return self

    def __exit__(self, *error: object) -> None:
        """Put the environment back and stop the server."""
        for key, value in self._before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        self._before.clear()
        self._end()

    def _end(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_TIMEOUT)


def _connect(number: int, timeout: float) -> socket.socket:
    """Become a client of a display, by X11's handshake; the connection is not used any further."""
    client = socket.socket(socket.AF_UNIX)
    try:
        client.settimeout(timeout)
        client.connect(f"{X_SOCKETS}{number}")
        client.sendall(_HELLO)
        answer = client.recv(1)
    except BaseException:
        client.close()
        raise
    if answer != _WELCOME:
        client.close()
        raise ConnectionRefusedError(f"it answers {answer!r}")
    return client


def _read_line(descriptor: int, timeout: float) -> str:
    """Read up to a newline, the end or the deadline; return what came."""
    deadline = time.monotonic() + timeout
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(descriptor, 64) if ready else b""
        if not piece:
            break
        text += piece
    return text.decode(errors="replace").strip()
