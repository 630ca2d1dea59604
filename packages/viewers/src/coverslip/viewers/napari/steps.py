"""Which step of a pipeline is shown: one of them, or all side by side. GUI thread only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from coverslip.viewers.napari.bar import LiveBar
from coverslip.viewers.napari.live import LiveLayer

if TYPE_CHECKING:
    import napari

__all__ = ["Steps"]

_ALL = "all steps, side by side"

_Step = tuple[str | None, int | None]


class Steps:
    """Shows the layers of one step and hides the others', or gives each step a place in a grid.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    bar : LiveBar
        Where the user chooses.
    """

    def __init__(self, viewer: napari.Viewer, bar: LiveBar) -> None:
        self._viewer = viewer
        self._bar = bar
        self._layers: dict[_Step, list[LiveLayer]] = {}
        self._choice: _Step | str | None = None
        bar.step_chosen.connect(self.choose)

    def know(self, layers: Iterable[LiveLayer]) -> None:
        """Take notice of all layers there are; a choice holds for those that come later.

        Those of no step belong to none, and annotations stay over whichever is shown.
        """
        found: dict[_Step, list[LiveLayer]] = {}
        for live in layers:
            if live.layer.key.step != (None, None) and live.layer.key.kind == "image":
                found.setdefault(live.layer.key.step, []).append(live)
        self._layers = dict(sorted(found.items(), key=lambda item: _order(item[0])))
        if self._choice not in self._choices():
            if self._choice == _ALL:
                self._viewer.canvas.grid.enabled = False
            self._choice = None
        self._show()

    def choose(self, number: int) -> None:
        """Show one step, by its place among them; the place after the last is all of them."""
        choices = self._choices()
        if choices:
            self._choice = choices[number % len(choices)]
            self._show()
            self._viewer.reset_view()

    def next(self) -> None:
        """Show the next step."""
        choices = self._choices()
        self.choose(choices.index(self._choice) + 1 if self._choice in choices else 0)

    def _choices(self) -> list[_Step | str]:
        return [*self._layers, _ALL] if len(self._layers) > 1 else []

    def _show(self) -> None:
        choices = self._choices()
        chosen = choices.index(self._choice) if self._choice is not None else -1
        self._bar.offer_steps([_name(choice) for choice in choices], chosen)
        if self._choice is None:
            return
        for step, layers in self._layers.items():
            for live in layers:
                live.show(self._choice in (_ALL, step))
        grid = self._viewer.canvas.grid
        if self._choice == _ALL:
            grid.stride = self._stride()
        grid.enabled = self._choice == _ALL

    def _stride(self) -> int:
        """Return how many neighbours in napari's list make one picture of the grid.

        As many as each step has, where they have alike and nothing stands between; else each layer
        has a picture of its own.
        """
        counts = {len(layers) for layers in self._layers.values()}
        places = [
            sorted(self._viewer.layers.index(live.drawn) for live in layers)
            for layers in self._layers.values()
        ]
        (count, *others) = counts
        whole = all(block[-1] - block[0] == count - 1 and block[0] % count == 0 for block in places)
        return count if whole and not others else 1


def _order(step: _Step) -> tuple[bool, int, str]:
    name, index = step
    return index is None, index or 0, name or ""


def _name(choice: _Step | str) -> str:
    if isinstance(choice, str):
        return choice
    name, index = choice
    return " ".join(filter(None, ("" if index is None else f"{index}", name)))
