"""The Fiji viewer's process: a server thread, the AWT event thread, and Python's main thread.

The server thread copies planes into Java arrays, the event thread puts them into windows, and the
main thread drives the event thread, turn by turn, and waits for signals and for the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from coverslip.payload import Kind, Mode, Placement
from coverslip.transport import Done, Refused, Reply, Usage
from coverslip.viewers.bursts import Burst
from coverslip.viewers.entry import BREATH, BUDGET, IDLE, REPAINT, StandaloneServer
from coverslip.viewers.fiji.choice import Choice, ImageJUnavailable, choose
from coverslip.viewers.fiji.heap import Heap
from coverslip.viewers.fiji.java import YOUNG, heap_limit
from coverslip.viewers.fiji.macros import Macros
from coverslip.viewers.messages import AbortMacro, RunMacro
from coverslip.viewers.server import Arrival
from coverslip.viewers.snapshot import LayerSnapshot
from coverslip.viewers.wells import PLATE, WELL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coverslip.viewers.fiji.desktop import Desktop
    from coverslip.viewers.fiji.gui import EventThread
    from coverslip.viewers.fiji.pixels import JavaPixels

__all__ = ["FijiViewerServer"]

logger = logging.getLogger(__name__)

_OPENING = 60.0
"""Seconds for ImageJ to open its window."""

_COLLECT = 5.0
"""The least seconds between two garbage collections that are asked for."""

_PATIENCE = 5.0
"""Seconds for the event thread to close the windows; a plugin may hold it for longer."""


class FijiViewerServer(StandaloneServer):
    """Shows planes in the hyperstacks of an ImageJ that this process owns.

    Java, which takes seconds, starts in state "starting".

    Parameters
    ----------
    fiji : str or None
        A Fiji or ImageJ folder, or a Maven endpoint; None leaves it to `choose`.
    allow_macros : bool
        Run the macros that clients send.
    **options
        `ZMQServer`'s.
    """

    kind: ClassVar[str] = "fiji"
    default_port: ClassVar[int] = 5556
    capabilities = (
        "image",
        "rgb",
        "labels",
        "points",
        "shapes",
        "tracks",
        "rois",
        "screenshot",
        "layers",
    )
    # A window for each plate, well and site, channels on C, all else on Z and T.
    defaults: ClassVar[Mapping[str, Mode]] = {
        "channel": Mode.SLICE,
        PLATE: Mode.SEPARATE,
        WELL: Mode.SEPARATE,
        "site": Mode.SEPARATE,
    }
    own_layer: ClassVar[frozenset[Mode]] = frozenset({Mode.SEPARATE})
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {"image", "labels", "points", "shapes", "tracks", "rois"}
    )

    def __init__(
        self,
        *,
        fiji: str | None = None,
        allow_macros: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(starting=True, **options)
        self._fiji = fiji
        # What this process may take is Java's: planes lie in its heap.
        self._heap = Heap(heap := heap_limit(self.memory.budget), heap - YOUNG)
        self._macros = Macros() if allow_macros else None
        self._pixels: JavaPixels | None = None
        self._desktop: Desktop | None = None
        self._wanted = threading.Event()
        self._painted = 0.0
        self._unpainted = False
        self._released = False
        self._collected = 0.0
        self._losses = Burst(logger, "plane(s) lost something in ImageJ's types")
        self._java_versions: dict[str, str] = {}

    # ---- the life of the process ------------------------------------------------------

    def live(self) -> None:
        """Start Java, open ImageJ and show what comes until a stop is asked for or it is quit."""
        choice = choose(self._fiji)
        logger.info("%s", choice)
        if self.stopped.is_set():
            return
        from coverslip.viewers.fiji.gui import beside_the_gui
        from coverslip.viewers.fiji.java import start

        gateway = start(choice, heap_limit(self.memory.budget))
        beside_the_gui(lambda: self._show_until_stopped(choice, gateway))

    def _show_until_stopped(self, choice: Choice, gateway: Any) -> None:
        from coverslip.viewers.fiji.desktop import Desktop, show_gateway
        from coverslip.viewers.fiji.gui import EventThread
        from coverslip.viewers.fiji.pixels import JavaPixels

        events = EventThread()
        pixels = JavaPixels()
        name = self.title or "coverslip"
        title = f"{name} — port {self.connection.endpoint.port}"
        try:
            if gateway is not None:
                show_gateway(gateway, self.stopped, _OPENING)
            desktop = events.run(
                lambda: Desktop(pixels, title, self.report_failure, self.max_layers), _OPENING
            )
        except NotYet:
            raise ImageJUnavailable(f"{choice} opened no window within {_OPENING:.0f} s") from None
        except Exception as error:
            logger.debug("opening ImageJ", exc_info=True)
            raise ImageJUnavailable(
                f"{choice} cannot be opened: {type(error).__name__}: {error}"
            ) from error
        self._desktop = desktop
        self._java_versions = {"imagej": desktop.version, "java": desktop.java_version}
        self.capabilities = (
            *type(self).capabilities,
            *(("macros",) if self._macros else ()),
            f"ImageJ {desktop.version}: {choice}",
        )
        logger.info("ImageJ %s on Java %s", desktop.version, desktop.java_version)
        self._pixels = pixels
        self.set_state("ready")
        self.wake()
        try:
            while not self.stopped.is_set():
                pause = self._one_turn(events)
                # However many planes come: the event thread is the user's between two turns.
                self.stopped.wait(BREATH)
                self._wanted.wait(pause)
        finally:
            self._pixels = None
            self._close_windows(events)

    def _one_turn(self, events: EventThread) -> float:
        """Let the event thread insert and paint once; return how long to wait for the next."""
        self._wanted.clear()
        turn = events.submit(self._draw)
        while not self.stopped.is_set():
            try:
                return turn.result(IDLE)
            except NotYet:
                continue  # a plugin holds the event thread: the planes wait, a stop does not
            except Exception as error:
                logger.exception("drawing")
                self.report_failure(f"drawing: {type(error).__name__}: {error}")
                return IDLE
        return 0.0

    def _close_windows(self, events: EventThread) -> None:
        desktop, self._desktop = self._desktop, None
        if desktop is not None:
            try:
                events.run(desktop.close, timeout=_PATIENCE)
            except Exception:
                # They end with the process, a moment later.
                logger.warning("ImageJ's windows could not be closed", exc_info=True)

    # ---- server thread ----------------------------------------------------------------

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that matter, ImageJ's and Java's among them."""
        return {**super().versions(), **self._java_versions}

    def _forget(self, stream: str) -> None:
        super()._forget(stream)
        self._released = True

    def housekeeping(self) -> None:
        """Let go of arenas whose owner died, in Java too."""
        super().housekeeping()
        if not self._released or self._pixels is None:
            return
        if time.monotonic() - self._collected < _COLLECT:
            return
        # A buffer over an arena's memory keeps it until Java's next collection, which may be hours
        # away: the memory of a stream that ended is wanted back now.
        self._released, self._collected = False, time.monotonic()
        self._pixels.collect()

    def accepts_data(self) -> bool:
        """Whether Java runs and the inbox has room."""
        return self._pixels is not None and super().accepts_data()

    def hold(self, view: NDArray[Any], *, lent: bool) -> NDArray[Any]:
        """Copy a plane into the Java heap; what is returned stands for it."""
        if self._pixels is None:
            raise Refused("the viewer is not ready, or ends")
        self._heap.admit(view.nbytes)
        try:
            plane: Any = self._pixels.put(view, rgb=view.ndim == 3)
        except Exception as error:
            # Java's own, whose class is known to Python only once Java runs.
            if "OutOfMemoryError" not in type(error).__name__:
                raise
            self._heap.refuse(f"the Java heap is full ({error}): start the viewer with more memory")
        self._heap.hold(plane, plane.nbytes)
        if plane.lost:
            self._losses.count(plane.lost)
        # A stand-in with an array's shape, dtype and size, which is all that the base looks at.
        return plane  # type: ignore[no-any-return]  # an array to whoever only measures it

    def take_over(self, placement: Placement, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return what stands for a plane, which lies in the Java heap for good."""
        plane: Any = pixels
        plane.sample = None  # its contrast is known; of a small plane it is a quarter
        return pixels

    def count_table(self, table: NDArray[Any]) -> None:
        """Count a table with the planes: what is drawn of it lies in the Java heap."""
        self._heap.admit(table.nbytes)
        self._heap.hold(table, table.nbytes, planes=0)

    def measure(self, placement: Placement, pixels: NDArray[Any]) -> tuple[float, float] | None:
        """Return what contrast limits a plane asks for, in what ImageJ holds it as."""
        plane: Any = pixels
        if placement.layer.kind == "labels":
            # ImageJ has 256 colours for all labels: they span from the background to the last.
            highest = float(self.read(pixels).max())
            return (0.0, highest) if highest > 0 else None
        if placement.layer in self.first_looks:
            return super().measure(placement, plane.sample)
        return super().measure(placement, self.read(pixels))

    def read(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a plane's pixels as they lie in the Java heap now; a table as it is."""
        plane: Any = pixels
        if isinstance(plane, np.ndarray):
            return plane
        if self._pixels is None:
            raise Refused("the viewer is not ready, or ends")
        return self._pixels.read(plane.array, plane.shape)

    def usage(self) -> Usage:
        """Return what the planes take in the Java heap."""
        desktop = self._desktop
        return self._heap.usage(0 if desktop is None else desktop.scene.dropped)

    def arrived(self) -> None:
        """Wake the main thread, which gives the event thread its next turn."""
        self._wanted.set()

    def run_macro(self, request: RunMacro) -> Future[Reply]:
        """Run a macro, if that is allowed, beside the GUI."""
        return self._allowed_macros.run(request)

    def abort_macro(self, request: AbortMacro) -> Future[Reply] | Done:
        """End the macro that runs."""
        return self._allowed_macros.abort()

    @property
    def _allowed_macros(self) -> Macros:
        if self._macros is None:
            raise Refused(
                "this viewer runs no macros: whoever holds its key could do anything that its "
                "user can; `coverslip launch --viewer fiji --allow-macros` starts one that does"
            )
        if self._pixels is None:
            raise Refused("ImageJ has not started yet")
        return self._macros

    # ---- AWT event thread -------------------------------------------------------------

    def _draw(self) -> float:
        """Insert, paint if it is time, and return the seconds until there may be more to do."""
        desktop = self._desktop
        if desktop is None:
            return IDLE
        if desktop.quit:
            self.request_stop()
            return IDLE
        self._unpainted = bool(self.tick(BUDGET)) or self._unpainted
        due = self._painted + REPAINT - time.monotonic()
        if due <= 0:
            self._unpainted = False
            desktop.scene.paint()
            # From the end of one to the start of the next: a slow repaint leaves room as well.
            self._painted = time.monotonic()
        if self.waiting:
            return 0.0
        return max(0.0, due) if self._unpainted else IDLE

    def insert(self, arrival: Arrival) -> None:
        """Put one plane into its window."""
        self._shown.scene.insert(arrival)

    def clear_layers(self) -> None:
        """Close every window of ours."""
        self._shown.scene.clear()

    def take_screenshot(self) -> bytes:
        """Return ImageJ's windows as PNG."""
        return self._shown.screenshot()

    def raise_window(self) -> None:
        """Bring ImageJ's windows to the front."""
        self._shown.bring_to_front()

    def snapshot(self) -> list[LayerSnapshot]:
        """Return what each window of ours holds, oldest first."""
        return self._shown.snapshot()

    @property
    def _shown(self) -> Desktop:
        if self._desktop is None:
            raise RuntimeError("ImageJ has ended")
        return self._desktop
