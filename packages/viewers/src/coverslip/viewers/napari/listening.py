"""A napari that is open already, listening: what the plugin starts, and any window's dock shows.

In a napari of the user's the server is a guest: asked to stop it stops, and napari stays open with
all that it shows. Imports Qt at the top: whoever needs it imports this module inside a function.
"""

from __future__ import annotations

import atexit
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]  # as in bar
from qtpy.QtWidgets import QApplication

from coverslip.transport import Connection, TransportError, Usage
from coverslip.viewers.memory import Memory
from coverslip.viewers.napari.drawing import NapariServer
from coverslip.viewers.napari.insides import main_window
from coverslip.viewers.napari.pump import Pump
from coverslip.viewers.napari.window import LiveView

if TYPE_CHECKING:
    import napari

__all__ = ["DOCK", "Facts", "GuestServer", "Listening"]

DOCK: Final = "Listen (coverslip)"
"""What napari calls the plugin's dock: under this name its menu shows and hides ours as well."""

_PROPERTY: Final = "coverslip_listening"

_RATE_OVER: Final = 3.0
"""Seconds over which the rate is taken."""


class GuestServer(NapariServer):
    """Shows planes in a napari whose process is its user's; one that is stopped leaves it open.

    Parameters
    ----------
    live : LiveView
        What is ours in that napari.
    **options
        `ViewerServer`'s.
    """

    capabilities = (*NapariServer.capabilities, "guest")

    def __init__(self, live: LiveView, **options: Any) -> None:
        super().__init__(guest=True, **options)
        self.draw_in(live)


class Facts(NamedTuple):
    """What is to be told of a viewer that listens, at one moment."""

    state: str
    """The server's; empty while there is none."""
    planes: int
    waiting: int
    rate: float
    """Planes a second, of late."""
    usage: Usage
    last_error: str


class Listening(QObject):
    """Whether a napari viewer listens, and what has come of it. GUI thread only.

    There is one for each window, as long as that. Layers stay when the listening ends, and
    further planes go to them when it begins again.

    Parameters
    ----------
    live : LiveView
        What is ours in the viewer.
    server : NapariServer, optional
        The server of a window that is ours as a whole; it cannot be stopped from here.
    """

    changed = Signal()
    """It began, or ended."""

    def __init__(self, live: LiveView, server: NapariServer | None = None) -> None:
        super().__init__()
        self.live = live
        self.error = ""
        """Why it does not listen, though it was asked to."""
        self._server = server
        self._own_window = server is not None
        self._pump: Pump | None = None
        self._samples: deque[tuple[float, int]] = deque()
        # The window has it, so that it ends with the window.
        main_window(live.viewer).setProperty(_PROPERTY, self)

    @classmethod
    def of(cls, viewer: napari.Viewer) -> Listening:
        """Return that of a viewer; of a napari that its user has opened, it is made now."""
        window = main_window(viewer)
        found = window.property(_PROPERTY)
        if isinstance(found, cls):
            return found

        def wake() -> None:
            guest.wake()

        def end() -> None:
            guest.end()

        def end_with_window() -> None:
            # What would be called at the program's end holds all planes until then.
            quitting.disconnect(end)
            atexit.unregister(end)
            guest.end()

        guest = cls(LiveView(viewer, Memory(room_again=wake)))
        application = QApplication.instance()
        assert application is not None  # that of the viewer's window
        quitting = application.aboutToQuit
        # Whichever comes first. Not its own method: Qt forgets those of what is deleted before.
        # A console that runs Qt's loop by itself ends without quitting, and deletes in any order.
        atexit.register(end)
        quitting.connect(end)
        window.destroyed.connect(end_with_window)
        return guest

    def show_dock(self) -> None:
        """Open the dock in a window of our own: below the layers, where it hides no picture."""
        from coverslip.viewers.napari.dock import ListenDock

        window = self.live.viewer.window
        window.add_dock_widget(ListenDock(self.live.viewer), name=DOCK, area="left")

    # ---- begin and end ----------------------------------------------------------------

    @property
    def can_stop(self) -> bool:
        """Whether the listening may end without the window."""
        return not self._own_window

    @property
    def connection(self) -> Connection | None:
        """Where streams reach it; None while it does not listen."""
        return None if self._server is None else self._server.connection

    def start(self, port: int | None = None) -> None:
        """Begin to listen, at the first free pair of ports if None; `error` says why it could not.

        Does nothing while it listens.
        """
        if self._server is not None:
            return
        self.error = ""
        live = self.live
        server = GuestServer(live, port=port, title=live.viewer.title, memory=live.memory)
        try:
            server.start()
        except TransportError as error:
            server.close()
            self.error = str(error)
        else:
            self._server = server
            self._pump = Pump(server, live.paint, self.stop)
            server.pump_with(self._pump)
        self.changed.emit()

    def stop(self) -> None:
        """End the listening; layers stay. Does nothing in a window of our own. Idempotent."""
        if self._own_window or self._server is None or self._pump is None:
            return
        server, self._server = self._server, None
        self._pump.stop()
        server.pump_with(None)
        server.close()
        self.changed.emit()

    def end(self) -> None:
        """End all, with the window: planes that lie on disk are gone. Idempotent."""
        if not self._own_window:
            self.stop()
            self.live.close()
            self.live.memory.close()

    def wake(self) -> None:
        """Have the server look again whether there is room; any thread."""
        server = self._server
        if server is not None:
            server.wake()

    # ---- what is told, and asked for --------------------------------------------------

    def facts(self) -> Facts:
        """Return how things are now."""
        scene, server, now = self.live.scene, self._server, time.monotonic()
        samples = self._samples
        if samples and samples[-1][1] > scene.planes:  # cleared meanwhile
            samples.clear()
        samples.append((now, scene.planes))
        while now - samples[0][0] > _RATE_OVER:
            samples.popleft()
        since, before = samples[0]
        return Facts(
            state="" if server is None else server.state,
            planes=scene.planes,
            waiting=0 if server is None else server.waiting,
            rate=(scene.planes - before) / (now - since) if now > since else 0.0,
            usage=self.live.memory.usage(),
            last_error=self.error or (server.last_error if server is not None else "") or "",
        )

    def clear(self) -> None:
        """Take away every layer of ours; the user's own stay."""
        if self._server is None:
            self.live.scene.clear()
        else:
            self._server.clear()
