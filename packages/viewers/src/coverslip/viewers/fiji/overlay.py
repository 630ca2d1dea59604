"""The outlines over one window's planes: ImageJ's overlay, which stays when the hyperstack grows.

The overlay is the user's too: what they drew is moved along and otherwise left alone, and what they
took away does not come back. AWT event thread only.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from coverslip.payload import Value
from coverslip.viewers.fiji.grid import EVERYWHERE, Grid, Spot
from coverslip.viewers.fiji.java import class_of

__all__ = ["Outline", "WindowOverlay"]

_OURS = "coverslip"
"""The property of a ROI that says that it is ours, and of which group."""


class Outline(NamedTuple):
    """One ROI, and the components that say where it is seen."""

    roi: Any
    """An `ij.gui.Roi`, which is cloned for each place."""
    coordinates: Mapping[str, Value]
    """A component that is not named here is seen at each of its values."""
    own: Spot = EVERYWHERE
    """Where it says itself that it is, on the axes that its components leave open."""


class _Group:
    """Outlines that came together, and what was made of them."""

    def __init__(self, number: int, outlines: Sequence[Outline], *, to_manager: bool) -> None:
        self.mark = str(number)
        self.outlines = outlines
        self.to_manager = to_manager
        self.drawn: list[dict[Spot, Any]] = [{} for _ in outlines]
        """The clones of each outline by their place, as the grid has it now."""
        self.done = False
        """All of them have the places that they will ever have."""


class WindowOverlay:
    """What is drawn over one window. AWT event thread only."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group] = {}
        self._numbers = itertools.count(1)
        self._grid = Grid()
        self._hyper = False
        self._dirty = False

    def put(
        self, key: Hashable, outlines: Sequence[Outline], imp: Any, *, to_manager: bool = False
    ) -> None:
        """Put outlines in the place of those that came under the same key before.

        Parameters
        ----------
        key : Hashable
            What the outlines are of, such as a step and its components.
        outlines : sequence of Outline
            None take the old ones away.
        imp : object
            The window's image.
        to_manager : bool
            Into the ROI Manager instead of the overlay.
        """
        old = self._groups.pop(key, None)
        if old is not None:
            _take_away(old, imp)
        if outlines:
            self._groups[key] = _Group(next(self._numbers), outlines, to_manager=to_manager)
        self._dirty = True

    def apply(self, imp: Any, grid: Grid) -> bool:
        """Bring all of it to where it belongs in the hyperstack as it is now.

        Returns
        -------
        bool
            Whether the image looks different.
        """
        before, was_hyper = self._grid, self._hyper
        self._grid = grid
        self._hyper = bool(imp.isHyperStack()) or grid.channels.length > 1
        moved = self._hyper != was_hyper or not grid.extends(before)
        if moved:
            self._move(imp, before)
        changed = self._dirty
        if changed or grid != before:
            changed = self._draw(imp) or changed
        self._dirty = False
        return changed or moved

    def _draw(self, imp: Any) -> bool:
        """Draw what has a place now and was not drawn there."""
        fresh = []
        for group in self._groups.values():
            if group.done:
                continue
            done = True
            for outline, drawn in zip(group.outlines, group.drawn, strict=True):
                places = self._grid.spots(outline.coordinates)
                done = done and bool(places) and self._grid.pins(outline.coordinates)
                for place in places:
                    spot = Spot(*(one or own for one, own in zip(place, outline.own, strict=True)))
                    if spot in drawn:
                        continue
                    roi = drawn[spot] = outline.roi.clone()
                    roi.setProperty(_OURS, group.mark)
                    self._put_at(roi, spot)
                    if group.to_manager:
                        drawn[spot] = _given_to_manager(roi)
                    else:
                        fresh.append(roi)
            group.done = done
        if not fresh:
            return False
        overlay = imp.getOverlay() or class_of("ij.gui.Overlay")()
        for roi in fresh:
            overlay.add(roi)
        imp.setOverlay(overlay)
        return True

    def _move(self, imp: Any, before: Grid) -> None:
        """Follow the places of all that lies over the image, the user's outlines too."""
        overlay = imp.getOverlay()
        for roi in () if overlay is None else overlay.toArray():
            if roi.getProperty(_OURS) is None:
                self._put_at(roi, self._grid.moved(_spot_of(roi, before), before))
        for group in self._groups.values():
            for number, drawn in enumerate(group.drawn):
                moved = {self._grid.moved(spot, before): roi for spot, roi in drawn.items()}
                for spot, roi in moved.items():
                    self._put_at(roi, spot)
                group.drawn[number] = moved

    def _put_at(self, roi: Any, spot: Spot) -> None:
        if self._hyper:
            roi.setPosition(*spot)
        else:
            # A stack along one axis, Z or T, is no hyperstack to ImageJ: its places are numbers.
            one = self._grid.slices.length * self._grid.frames.length == 1
            roi.setPosition(0 if one or spot == EVERYWHERE else self._grid.number(spot))


def _given_to_manager(roi: Any) -> Any:
    """Add an outline to the ROI Manager; return the clone that it keeps."""
    manager = class_of("ij.plugin.frame.RoiManager").getRoiManager()
    manager.addRoi(roi)
    return manager.getRoi(manager.getCount() - 1)


def _take_away(group: _Group, imp: Any) -> None:
    if group.to_manager:
        manager = class_of("ij.plugin.frame.RoiManager").getInstance()
        for roi in [roi for drawn in group.drawn for roi in drawn.values()]:
            index = -1 if manager is None else int(manager.getRoiIndex(roi))
            if index >= 0:
                manager.delete(index)
        return
    overlay = imp.getOverlay()
    if overlay is None:
        return
    kept = [roi for roi in overlay.toArray() if roi.getProperty(_OURS) != group.mark]
    overlay.clear()
    for roi in kept:
        overlay.add(roi)


def _spot_of(roi: Any, grid: Grid) -> Spot:
    """Return where a user's outline was, in the hyperstack as it was."""
    if roi.hasHyperStackPosition():
        return Spot(int(roi.getCPosition()), int(roi.getZPosition()), int(roi.getTPosition()))
    number = int(roi.getPosition())
    if number <= 0:
        return EVERYWHERE
    # On an axis that had one position only, it was not put at that one.
    lengths = (axis.length for axis in grid)
    places = zip(grid.spot(number), lengths, strict=True)
    return Spot(*(place if length > 1 else 0 for place, length in places))
