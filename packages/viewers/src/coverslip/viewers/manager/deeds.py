"""What can be done with a viewer; each call may wait, and belongs on a thread of `jobs`."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from coverslip.transport import (
    Clear,
    Done,
    NoServer,
    Picture,
    Pong,
    Screenshot,
    Shutdown,
    TransportError,
    is_serving,
    ping,
    request,
    stop,
)
from coverslip.viewers.kinds import visualizer_class
from coverslip.viewers.messages import RaiseWindow
from coverslip.viewers.questions import ask
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.roster import ViewerState

__all__ = ["Ended", "ask_to_end", "clear", "kill", "launch", "raise_window", "take_screenshot"]

_LOOK_AGAIN = 0.1


class Ended(NamedTuple):
    """How a viewer took being asked to end."""

    gone: bool
    last: Pong | None
    """What it said of itself before, None if it did not answer."""
    reason: str = ""
    """Why it is still there."""


def launch(
    kind: str, *, title: str, port: int | None, persistent: bool, memory: str | None
) -> None:
    """Start a viewer and wait until it is on screen.

    Raises
    ------
    coverslip.viewers.ViewerError, coverslip.transport.TransportError
        It cannot be started; the message says why, with the end of its log.
    """
    visualizer = visualizer_class(kind)(
        viewer_title=title or None, persistent=persistent, port=port, memory=memory
    )
    visualizer.start_viewer(reuse=False)


def ask_to_end(state: ViewerState, patience: float = 10.0) -> Ended:
    """Ask a viewer to end and wait; its process is not touched."""
    last = None
    try:
        last = ping(state.endpoint, timeout=min(patience, 2.0))
        request(state.endpoint, Shutdown(), Done, timeout=patience)
    except NoServer:
        return Ended(gone=True, last=last)
    except TransportError as error:
        return Ended(gone=_gone(state), last=last, reason=str(error))
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while not (gone := _gone(state)) and time.monotonic() < deadline:
        pause.wait(_LOOK_AGAIN)
    return Ended(gone, last, "" if gone else f"it did not end within {patience:g} s")


def kill(state: ViewerState) -> None:
    """Kill a viewer's process, the very one that its connection file proves, and no other.

    Raises
    ------
    coverslip.transport.StopError
        It is still there.
    """
    if state.connection is None:
        raise TransportError("a viewer on another machine can only be asked to end")
    stop(state.connection, force=True)


def clear(state: ViewerState) -> None:
    """Take all layers of ours out of a viewer."""
    ask(RemoteVisualizer(state.endpoint), Clear(), Done)


def raise_window(state: ViewerState) -> None:
    """Bring a viewer's window to the front."""
    ask(RemoteVisualizer(state.endpoint), RaiseWindow(), Done)


def take_screenshot(state: ViewerState) -> bytes:
    """Return a viewer's window as PNG."""
    return ask(RemoteVisualizer(state.endpoint), Screenshot(), Picture).png


def _gone(state: ViewerState) -> bool:
    if state.connection is not None:
        return not is_serving(state.connection)
    try:
        ping(state.endpoint, timeout=1.0)
    except NoServer:
        return True
    except TransportError:
        return False
    return False
