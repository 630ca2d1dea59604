"""The viewer's sliders by name and value: where they stand, what they say, who moved them.

napari numbers positions; a microscopist thinks of wells. Everything that reads or sets a slider
goes through here, so that an index is never kept across a change of the axes. GUI thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from coverslip.payload import Value
from coverslip.viewers.napari.planes import Grid

if TYPE_CHECKING:
    import napari

__all__ = ["Sliders"]


class Sliders:
    """The sliders of one viewer, standing on one grid of axes. GUI thread only.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer; its sliders for other axes (a user's own layer may have more) are left alone.
    scrubbed : callable
        Called when somebody else moved a slider: the user, or the animation he started.
    """

    def __init__(self, viewer: napari.Viewer, scrubbed: Callable[[], None]) -> None:
        self.grid = Grid()
        self._viewer = viewer
        self._scrubbed = scrubbed
        self._ours = 0
        self._looked_at: dict[str, Value] | None = None
        self._steps, self._ranges = self._where()
        events = viewer.dims.events
        for event in (events.current_step, events.ndisplay, events.order):
            event.connect(self._on_change)

    @property
    def looked_at(self) -> Mapping[str, Value]:
        """The value that is shown on each axis; an axis that is drawn whole is left out."""
        if self._looked_at is None:
            steps = self._viewer.dims.current_step
            whole = self._viewer.dims.displayed
            self._looked_at = {
                name: values[min(max(steps[axis], 0), len(values) - 1)]
                for axis, name, values in self._axes()
                if axis not in whole
            }
        return self._looked_at

    def neighbours(self) -> Iterator[Mapping[str, Value]]:
        """Yield the places one step away, those along the slider that was moved last first."""
        place, dims = self.looked_at, self._viewer.dims
        axes = sorted(self._axes(), key=lambda one: one[0] != dims.last_used)
        for axis, name, values in axes:
            if name in place:
                at = min(max(dims.current_step[axis], 0), len(values) - 1)
                for index in (at + 1, at - 1):
                    if 0 <= index < len(values):
                        yield {**place, name: values[index]}

    @property
    def settled(self) -> bool:
        """Whether the sliders stand where somebody put them, and are not just being moved by us."""
        return not self._ours

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Within it, whatever changes the sliders is not a scrub of the user's."""
        self._ours += 1
        try:
            yield
        finally:
            self._ours -= 1
            self._looked_at = None
            self._steps, self._ranges = self._where()

    def go_to(self, place: Mapping[str, Value]) -> bool:
        """Move to a place, all sliders at once; axes that it leaves out stay.

        One that has its value no more stays too.

        Returns
        -------
        bool
            Whether any slider moved, so that every layer was drawn again.
        """
        dims = self._viewer.dims
        steps = list(dims.current_step)
        for axis, name, values in self._axes():
            if name in place and place[name] in values:
                steps[axis] = values.index(place[name])
        if tuple(steps) == tuple(dims.current_step):
            return False
        with self.moving():
            dims.current_step = tuple(steps)
        return True

    def stand_on(self, grid: Grid, change: Callable[[], None], target: Mapping[str, Value]) -> None:
        """Change to other axes: go to `target`, and stay at the same values where it says nothing.

        Parameters
        ----------
        grid : Grid
            The new axes, with every axis of the present ones.
        change : callable
            Changes the layers, and with them napari's sliders, to `grid`.
        target : mapping of str to value
            Where to go; may be empty.
        """
        dims = self._viewer.dims
        place = self._positions() | dict(target)
        names, order, last_used = self._names(), dims.order, dims.last_used
        with self.moving():
            change()
            self.grid = grid
            new_names = self._names()
            if new_names != names:
                dims.order = _reordered(order, names, new_names)
                if names[last_used] in new_names:
                    dims.last_used = new_names.index(names[last_used])
            self.go_to(place)

    def _positions(self) -> dict[str, Value]:
        """Return the value at every axis's slider, drawn whole or not."""
        steps = self._viewer.dims.current_step
        return {
            name: values[min(max(steps[axis], 0), len(values) - 1)]
            for axis, name, values in self._axes()
        }

    def close(self) -> None:
        """Let go of the viewer's events."""
        events = self._viewer.dims.events
        for event in (events.current_step, events.ndisplay, events.order):
            event.disconnect(self._on_change)

    def _axes(self) -> Iterator[tuple[int, str, tuple[Value, ...]]]:
        """Yield napari's number of each axis of the grid, its name and its values."""
        first = self._viewer.dims.ndim - len(self.grid.labels) - 2
        ours = zip(self.grid.names, self.grid.values, strict=True)
        for offset, (name, values) in enumerate(ours):
            if first + offset >= 0:
                yield first + offset, name, values

    def _names(self) -> tuple[str | int, ...]:
        """Return a name for each of napari's axes; a number where the axis is not ours."""
        spare = self._viewer.dims.ndim - len(self.grid.labels) - 2
        return (*range(spare), *self.grid.labels, "y", "x")

    def _where(self) -> tuple[tuple[int, ...], tuple[Any, ...]]:
        dims = self._viewer.dims
        # Of ours only: whoever moves through layers of his own goes on following.
        steps = tuple(dims.current_step[axis] for axis, _, _ in self._axes())
        return steps, tuple(dims.range)

    def _on_change(self) -> None:
        self._looked_at = None
        steps, ranges = self._where()
        # Turning to 3-D or transposing moves nothing; a layer that comes or goes changes ranges.
        if not self._ours and ranges == self._ranges and steps != self._steps:
            self._scrubbed()
        self._steps, self._ranges = steps, ranges


def _reordered(
    order: tuple[int, ...], names: tuple[str | int, ...], new_names: tuple[str | int, ...]
) -> tuple[int, ...]:
    """Carry the user's order of axes over to new axes; the new ones become sliders."""
    old = [names[axis] for axis in order if axis < len(names) and names[axis] in new_names]
    fresh = [name for name in new_names if name not in old]
    return tuple(new_names.index(name) for name in (*fresh, *old))
