"""A server that draws into a napari viewer, whoever that viewer's process is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from coverslip.payload import Kind, Placement
from coverslip.viewers.little import in_little
from coverslip.viewers.memory import Entry
from coverslip.viewers.napari.rows import as_vertices
from coverslip.viewers.napari.tiles import EDGE, spot_of
from coverslip.viewers.server import Arrival, ViewerServer
from coverslip.viewers.snapshot import LayerSnapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coverslip.viewers.napari.pump import Pump
    from coverslip.viewers.napari.window import LiveView

__all__ = ["NapariServer"]


class NapariServer(ViewerServer):
    """Receives for one `LiveView`, which it has while there is a window. See `ViewerServer`."""

    kind: ClassVar[str] = "napari"
    default_port: ClassVar[int] = 5555
    kinds = frozenset({"image", "labels", "points", "shapes", "tracks", "rois"})
    pads = True
    capabilities: tuple[str, ...] = (
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

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._live: LiveView | None = None
        self._pump: Pump | None = None

    # ---- server thread ----------------------------------------------------------------

    def arrived(self) -> None:
        """Wake the GUI."""
        pump = self._pump
        if pump is not None:
            pump.wake()

    def prepare_table(self, kind: Kind, table: NDArray[Any]) -> None:
        """Parse ImageJ's regions, here and once: hundreds of them would hold up the window."""
        if kind == "rois":
            self.count_table(as_vertices(kind, table))

    def reduce(self, placement: Placement, pixels: NDArray[Any]) -> NDArray[Any] | None:
        """Return the tile that the overview shows of a plane, which later may be on disk."""
        if spot_of(placement) is None:
            return None
        live = self._live
        return in_little(pixels, EDGE if live is None else live.scene.overview.tiles.edge)

    # ---- GUI thread -------------------------------------------------------------------

    def draw_in(self, live: LiveView) -> None:
        """Show what comes in a window, and tell clients what it does not know."""
        self._live = live
        live.scene.looks.tell = self.report_failure

    def pump_with(self, pump: Pump | None) -> None:
        """Have the GUI woken by this, or by nothing."""
        self._pump = pump

    def clear(self) -> None:
        """Take away every layer of ours, as a client's `Clear` does."""
        self.clear_own()

    def insert(self, arrival: Arrival) -> None:
        """Put one plane into its layer."""
        self._shown.scene.insert(
            arrival.placement,
            arrival.pixels,
            arrival.origin,
            arrival.limits,
            arrival.tile,
            late=arrival.late,
        )

    def drop_lost(self, lost: Entry) -> None:
        """Take a plane whose pixels are lost out of its layer."""
        self._shown.scene.drop_lost(lost)

    def clear_layers(self) -> None:
        """Take away every layer of ours."""
        self._shown.scene.clear()

    def take_screenshot(self) -> bytes:
        """Return the whole window as PNG."""
        return self._shown.screenshot()

    def raise_window(self) -> None:
        """Bring the window to the front."""
        self._shown.bring_to_front()

    def snapshot(self) -> list[LayerSnapshot]:
        """Return what each layer of ours holds, bottom first."""
        from coverslip.viewers.napari.snapshot import snapshot_of

        return [snapshot_of(live) for live in self._shown.scene.layers()]

    @property
    def _shown(self) -> LiveView:
        if self._live is None:
            raise RuntimeError("the window is closed")
        return self._live
