"""A plate at a glance: the newest plane of each well as a tile, in a layer beside the picture.

Of several plates it is the one in view. Tiles are drawn as the pictures are: the channels that are
shown, in their colours and contrast. A click on one goes to that well. GUI thread only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import Placement, Value
from coverslip.viewers.contrast import widen
from coverslip.viewers.napari.bar import LiveBar
from coverslip.viewers.napari.live import Limits, LiveLayer
from coverslip.viewers.napari.mosaic import Mosaic, Tint
from coverslip.viewers.napari.ours import Ours
from coverslip.viewers.napari.sliders import Sliders
from coverslip.viewers.napari.tiles import Group, Spot, Tiles, group_of, spot_of
from coverslip.viewers.wells import PLATE, WELL, lay_out

if TYPE_CHECKING:
    import napari
    import napari.layers

__all__ = ["Overview"]

logger = logging.getLogger(__name__)

_NAME: Final = "Plate overview"

_DRAWING: Final = 0.01
"""Seconds of one repaint's 50 ms in which tiles are drawn; the others wait for the next."""

_REFRESH: Final = 0.2
"""Seconds between two times that the whole picture is handed to OpenGL."""

_DISTANCE: Final = 0.05
"""Between the picture and the overview beside it, of the picture's height."""

_WIDE: Final = 1.5
"""Width by height of a picture that has the overview below it."""


class Overview:
    """Keeps the tiles of all wells, and shows them when asked to. GUI thread only.

    It is a layer of its own while it is shown, and none otherwise: napari fits hidden layers into
    its window, too.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    ours : Ours
        The layers that are drawn.
    sliders : Sliders
        Where the user looks.
    bar : LiveBar
        Where it is switched on and off.
    tiles : Tiles
        Where the tiles are held.
    go : callable
        Called with a well, and the place of its newest plane, that the user wants to see.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        ours: Ours,
        sliders: Sliders,
        bar: LiveBar,
        tiles: Tiles,
        go: Callable[[Value, Mapping[str, Value]], None],
    ) -> None:
        self.tiles = tiles
        self.reframe: Callable[[], object] = viewer.reset_view
        """Brings all that is drawn into view, as the user has asked for."""
        self.keep_framed: Callable[[], object] = lambda: None
        """The same, unless the user has moved the camera."""
        self._viewer = viewer
        self._ours = ours
        self._sliders = sliders
        self._bar = bar
        self._go = go
        self._layer: napari.layers.Image | None = None
        self._plate: Value | None = None
        """The one that is drawn; None where planes say none."""
        self._mosaic: Mosaic | None = None
        self._handed_over: Mosaic | None = None
        """Whose pixels the layer has."""
        self._chosen = False
        """The user has switched it: what planes ask for is not heard any more."""
        self._due: dict[Value, None] = {}
        """Wells to be drawn anew, in that order."""
        self._tints: list[tuple[Group, Tint]] = []
        self._framed: frozenset[Value] = frozenset()
        self._changed = False
        self._refreshed = -_REFRESH
        bar.overview_clicked.connect(self.choose)
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.dims.events.current_step.connect(self._on_moved)

    @property
    def layer(self) -> napari.layers.Image | None:
        """What napari draws; None while the overview is not shown."""
        return self._layer

    def see(
        self, placement: Placement, tile: NDArray[np.float32] | None, *, late: bool = False
    ) -> None:
        """Take notice of a plane that has come, and of its tile: a late one is not the newest."""
        spot = spot_of(placement)
        if spot is None or tile is None:
            return
        group = group_of(placement.layer)
        if late and self.tiles.get(group, spot) is not None:
            return
        kept = self.tiles.put(group, spot, placement.coordinates, tile)
        if kept and spot.plate in (None, self._plate):
            self._due[spot.well] = None
        if len(self.tiles.places) > 1:
            if placement.display.overview and not self._chosen and self._layer is None:
                self._show()
            self._offer()

    def choose(self, shown: bool) -> None:
        """Show it or take it away, as the user wants; none of one well."""
        if shown == (self._layer is not None) or len(self.tiles.places) < 2:
            self._offer()
            return
        self._chosen = True
        if shown:
            self._show()
        else:
            self._hide()
        self.reframe()

    def toggle(self) -> None:
        """Show it if it is not, and the other way round."""
        self.choose(self._layer is None)

    def paint(self) -> None:
        """Draw what has changed, for as long as there is time."""
        if self._layer is None:
            return
        deadline = time.monotonic() + _DRAWING
        self._lay_out()
        mosaic = self._mosaic
        if mosaic is None:
            return
        tints = list(self._tinted())
        if tints != self._tints:
            self._tints = tints
            self._due = dict.fromkeys(mosaic.layout.places)
        while self._due and time.monotonic() < deadline:
            well = next(iter(self._due))
            del self._due[well]
            mosaic.draw(well, self._tiles_of(well))
            self._changed = True
        self._frame()
        now = time.monotonic()
        if now - self._refreshed >= _REFRESH:
            self._refreshed = now
            if self._changed:
                self._hand_over(self._layer, mosaic)
            self._place(self._layer, mosaic)

    def forget(self, live: LiveLayer) -> None:
        """Let go of the tiles of a layer whose planes are gone."""
        group, own = group_of(live.layer.key), live.layer.components
        plate, well = own.get(PLATE), own.get(WELL)
        self.tiles.forget(
            lambda of, at: of == group and plate in (None, at.plate) and well in (None, at.well)
        )
        self._due = dict.fromkeys(self.tiles.on_plate(self._plate))
        if not self.tiles.places and live.drawn not in self._viewer.layers:
            # Gone for good: what is replaced comes again.
            self._hide()
        self._offer()

    def removed(self, drawn: Any) -> None:
        """Take notice that napari has removed a layer: of this one, it is the user's wish."""
        if self._layer is not None and drawn is self._layer:
            self._layer = None
            self._chosen = True
            self._offer()

    def clear(self) -> None:
        """Let go of all tiles, and begin anew."""
        self._hide()
        self.tiles.clear()
        self._mosaic, self._chosen = None, False
        self._due.clear()
        self._offer()

    def close(self) -> None:
        """Let go of the viewer's events."""
        self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self._viewer.dims.events.current_step.disconnect(self._on_moved)

    # ---- the layer --------------------------------------------------------------------

    def _show(self) -> None:
        from napari.layers import Image

        self._lay_out()
        mosaic = self._handed_over = self._mosaic
        if mosaic is None:
            return
        layers = self._viewer.layers
        selected = layers.selection.active
        self._layer = Image(
            mosaic.pixels,
            name=_NAME,
            rgb=True,
            blending="translucent_no_depth",
            interpolation2d="linear",
            axis_labels=("y", "x"),
        )
        self._place(self._layer, mosaic)
        with self._sliders.moving():
            layers.append(self._layer)
            if selected in layers:
                layers.selection.active = selected
        self._offer()
        self.paint()

    def _hide(self) -> None:
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            with self._sliders.moving():
                self._viewer.layers.remove(layer)
        self._offer()

    def _offer(self) -> None:
        self._bar.offer_overview(len(self.tiles.places) > 1, shown=self._layer is not None)

    def _lay_out(self) -> None:
        """Have a place for each well, and cells of the tiles' size."""
        plate, before = self._plate_in_view(), self._mosaic
        wells = self.tiles.on_plate(plate)
        if not wells:
            return
        if plate != self._plate:
            self._plate, before = plate, None
        fits = before is not None and before.edge <= self.tiles.edge
        if before is not None and fits and before.layout.places.keys() == wells.keys():
            return
        layout = lay_out(wells)
        if before is not None and fits and before.take(layout):
            return
        mosaic = self._mosaic = Mosaic(layout, self.tiles.edge, before)
        if mosaic.edge < self.tiles.edge:
            self.tiles.shrink_to(mosaic.edge)
        if before is None or before.edge != mosaic.edge:
            self._due = dict.fromkeys(wells)
        self._framed = frozenset()
        self._changed = True

    def _hand_over(self, layer: napari.layers.Image, mosaic: Mosaic) -> None:
        if self._handed_over is mosaic:
            layer.refresh(extent=False)
        else:
            with self._sliders.moving():
                layer.data = mosaic.pixels
            self._handed_over = mosaic
        self._changed = False

    def _place(self, drawn: napari.layers.Image, mosaic: Mosaic) -> None:
        """Stand beside the picture, which may have grown, or have been scaled.

        To its right and as high, since windows are wide and plates are; below it and as wide, if
        the picture is wide as well.
        """
        others = [layer for layer in self._viewer.layers if layer is not drawn]
        if not others:
            return
        extent = self._viewer.layers.get_extent(others)
        # Both reach half a pixel beyond the middles of their first and last.
        low, high = extent.world[:, -2:] + extent.step[-2:] * ((-0.5,), (0.5,))
        height, width = high - low
        rows, columns, _ = mosaic.pixels.shape
        if width > _WIDE * height:
            scale = width / columns
            top, left = high[0] + _DISTANCE * height, low[1]
        else:
            scale = height / rows
            top, left = low[0], high[1] + _DISTANCE * height
        wanted = ((scale, scale), (top + scale / 2, left + scale / 2))
        now = (tuple(drawn.scale), tuple(drawn.translate))
        like = self._ours.like()
        with self._sliders.moving():
            if like is not None and drawn.units != like.drawn.units[-2:]:
                drawn.units = like.drawn.units[-2:]
            if not np.allclose(wanted, now):
                drawn.scale, drawn.translate = wanted
                self.keep_framed()

    # ---- how it is drawn --------------------------------------------------------------

    def _plate_in_view(self) -> Value | None:
        looked_at = self._sliders.looked_at
        if PLATE in looked_at:
            return looked_at[PLATE]
        layers = [live.layer.components for live in self._ours.images() if live.drawn.visible]
        return next((own[PLATE] for own in reversed(layers) if PLATE in own), None)

    def _tiles_of(self, well: Value) -> Iterator[tuple[NDArray[np.float32], Tint]]:
        for group, tint in self._tints:
            tile = self.tiles.seen(group, Spot(self._plate, well))
            if tile is not None:
                yield tile, tint

    def _tinted(self) -> Iterator[tuple[Group, Tint]]:
        """Yield the groups that are shown, bottom first, and how: those of one step."""
        images = [live for live in self._ours.bottom_first() if live.layer.key.kind == "image"]
        shown = [live for live in images if live.drawn.visible]
        groups: dict[Group, LiveLayer] = {group_of(live.layer.key): live for live in shown}
        limits: dict[Group, Limits | None] = {}
        for live in images:
            group = group_of(live.layer.key)
            if group in groups and live.drawn.colormap == groups[group].drawn.colormap:
                limits[group] = widen(limits.get(group), live.contrast_limits)
        top = shown[-1].layer.key.step if shown else None
        for group, live in groups.items():
            if group.step == top:
                yield group, _tint_of(live.drawn, limits.get(group))

    def _frame(self) -> None:
        """Frame the wells that are in view."""
        looked_at = self._sliders.looked_at
        if WELL in looked_at:
            wells = frozenset({looked_at[WELL]})
        else:
            wells = frozenset(
                live.layer.components[WELL]
                for live in self._ours.images()
                if WELL in live.layer.components and live.drawn.visible
                if live.layer.components.get(PLATE, self._plate) == self._plate
            )
        if wells != self._framed and self._mosaic is not None:
            self._mosaic.frame(wells)
            self._framed = wells
            self._changed = True

    # ---- what the user does -----------------------------------------------------------

    def _on_moved(self) -> None:
        if self._layer is not None and self._sliders.settled:
            self.paint()

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        """Go to the well that is clicked at; a drag moves the picture, as anywhere."""
        well = self._well_at(event)
        yield
        while event.type == "mouse_move":
            well = None
            yield
        if well is not None:
            self._go(well, self.tiles.places[self.tiles.on_plate(self._plate)[well]])

    def _well_at(self, event: Any) -> Value | None:
        layer, mosaic, dims = self._layer, self._mosaic, self._viewer.dims
        upright = tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1)
        if layer is None or mosaic is None or not layer.visible or not upright:
            return None
        y, x = layer.world_to_data(event.position)[-2:]
        well = mosaic.well_at(y + 0.5, x + 0.5)
        return well if well in self.tiles.on_plate(self._plate) else None


def _tint_of(drawn: Any, limits: Limits | None) -> Tint:
    """Return how an image is drawn, at these limits."""
    if limits is None:
        table = np.zeros((256, 3), np.float32)  # RGB has colours of its own
    else:
        values = np.linspace(0, 1, 256) ** drawn.gamma
        table = np.asarray(drawn.colormap.map(values), np.float32)[:, :3] * drawn.opacity
    adds = drawn.blending == "additive"
    return Tint(table.tobytes(), limits or (0.0, 1.0), adds)
