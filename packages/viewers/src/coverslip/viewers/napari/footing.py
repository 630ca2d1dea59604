"""One footing for all layers: the same axes for each of them and for the sliders, the same steps.

napari aligns layers by position and slices them by their world coordinates, so no layer may change
its axes alone. GUI thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from coverslip.payload import TABLES, Placement, Projection, UnsupportedArray, Value
from coverslip.viewers.napari.beside import OwnLayers
from coverslip.viewers.napari.ours import Ours
from coverslip.viewers.napari.planes import Grid
from coverslip.viewers.napari.reach import check_axes, check_reach
from coverslip.viewers.napari.sliders import Sliders
from coverslip.viewers.napari.spacing import Spacing
from coverslip.viewers.napari.values import ValueLabels

if TYPE_CHECKING:
    import napari

__all__ = ["Footing"]


class Footing:
    """Lets all layers of ours stand on the axes that planes have come for. GUI thread only.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    ours : Ours
        The layers of ours in it.
    projection : Projection
        Whose axes they are.
    sliders : Sliders
        The viewer's, which stand on the same.
    values : ValueLabels
        What the sliders say.
    is_ours : callable
        Tells layers that are not the user's own.
    sliced : callable
        Called when napari has sliced every layer anew.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        ours: Ours,
        projection: Projection,
        sliders: Sliders,
        values: ValueLabels,
        *,
        is_ours: Callable[[Any], bool],
        sliced: Callable[[], None],
    ) -> None:
        self.outdated = False
        """The axes, or the size of planes, have changed since."""
        self.spacing = Spacing()
        self._viewer = viewer
        self._ours = ours
        self._projection = projection
        self._sliders = sliders
        self._values = values
        self._sliced = sliced
        self._own_layers = OwnLayers(viewer, is_ours, self._lengths, self._on_own_layers)

    def renew(self, target: Mapping[str, Value] = MappingProxyType({})) -> bool:
        """Let all layers and sliders stand on the axes as they are now, and go to `target`.

        Returns
        -------
        bool
            Whether anything had changed.
        """
        self.outdated = False
        grid = Grid.of(self._projection.axes, self._own_layers.axes)
        every = self._ours.every()
        if grid == self._sliders.grid and not any(live.outgrown for live in every):
            return False
        if not every:
            self._sliders.grid = grid
            return False

        def change() -> None:
            last = len(every) - 1
            for number, live in enumerate(every):
                live.move_to(grid, announce=number == last)
                live.space(self.spacing)

        self._sliders.stand_on(grid, change, target)
        self._sliced()
        self._values.update()
        return True

    def measure(self, placement: Placement, pixels: NDArray[Any]) -> None:
        """Take over the steps that a plane declares.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            It reaches farther than napari can count, or on more axes than it can bear.
        """
        theirs = [axis.label for axis in self._sliders.grid.beside]
        check_axes((*self._projection.axes.names, *theirs), placement)
        display, live = placement.display, self._ours.get(placement.layer)
        if self.spacing.learn(display, {*self._projection.axes.names, *placement.coordinates}):
            self._space()
        kind = placement.layer.kind
        if live is None:
            like = self._ours.like()
            now = (1.0, 1.0) if like is None else like.drawn.scale[-2:]
            steps, _ = self.spacing.of(("y", "x"), now, display)
        elif kind in TABLES:
            steps = list(live.drawn.scale[-2:])
        else:
            return
        try:
            check_reach(self._viewer, kind, pixels, steps)
        except UnsupportedArray:
            if not self._ours:
                self.spacing.clear()
            raise

    def forget(self) -> None:
        """Begin anew: nothing of ours is drawn any more."""
        self.spacing.clear()
        self._sliders.grid = Grid()

    def close(self) -> None:
        """Let go of the viewer's events."""
        self._own_layers.close()

    def _space(self) -> None:
        """Let all layers have the distances and the unit that a plane has declared."""
        dims = self._viewer.dims

        def change() -> None:
            # While some layers have their new steps and others the old ones, an axis may have
            # more steps than Qt's sliders count.
            with dims.events.range.blocker(), dims.events.current_step.blocker():
                for live in self._ours.every():
                    live.space(self.spacing)
            dims.events.range(value=dims.range)
            dims.events.current_step(value=dims.current_step)

        self._sliders.stand_on(self._sliders.grid, change, {})
        self._values.update()
        self._viewer.canvas.overlays.scale_bar.visible = True

    def _lengths(self) -> tuple[int, ...]:
        return self._sliders.grid.shape if self._ours else ()

    def _on_own_layers(self) -> None:
        self.outdated = True
