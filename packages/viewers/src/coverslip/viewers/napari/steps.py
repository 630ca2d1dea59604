"""Which step of a pipeline is shown: one of them, or all side by side. GUI thread only.

Where a step has one channel twice, with an axis and without (a z stack and its projection), each is
shown for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from coverslip.viewers.napari.bar import LiveBar
from coverslip.viewers.napari.live import LiveLayer

if TYPE_CHECKING:
    import napari

__all__ = ["Steps"]

_ALL = "all, side by side"


class _Part(NamedTuple):
    """What is shown together: the layers of a step, or those of them on the same axes."""

    name: str | None
    number: int | None
    axes: str = ""
    """In words, which axes it has and others have not, or the other way round."""

    def __str__(self) -> str:
        words = ("" if self.number is None else f"{self.number}", self.name, self.axes)
        return " ".join(filter(None, words))


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
        self._layers: dict[_Part, list[LiveLayer]] = {}
        self._choice: _Part | str | None = None
        bar.step_chosen.connect(self.choose)

    def know(self, layers: Iterable[LiveLayer]) -> None:
        """Take notice of all layers there are; a choice holds for those that come later.

        Those of no step belong to none, and annotations stay over whichever is shown.
        """
        images = [live for live in layers if live.layer.key.kind == "image"]
        self._layers = dict(sorted(_parts(images).items(), key=lambda item: _order(item[0])))
        if self._choice not in self._choices():
            if self._choice == _ALL:
                self._viewer.canvas.grid.enabled = False
            before, self._choice = self._choice, None
            if isinstance(before, _Part):  # that has come apart, or together again
                same = (part for part in self._layers if part[:2] == before[:2])
                self._choice = next(same, None) if self._choices() else None
        self._show()

    def choose(self, number: int) -> None:
        """Show one step, by its place among them; the place after the last is all of them."""
        choices = self._choices()
        if choices:
            self._choice = choices[number % len(choices)]
            self._show()
            self._hand_over_controls()
            self._viewer.reset_view()

    def next(self) -> None:
        """Show the next step."""
        choices = self._choices()
        self.choose(choices.index(self._choice) + 1 if self._choice in choices else 0)

    def _hand_over_controls(self) -> None:
        """Have napari's controls be those of the same channel where it is shown now."""
        selection = self._viewer.layers.selection
        images = [live for layers in self._layers.values() for live in layers]
        active = next((live for live in images if live.drawn is selection.active), None)
        if active is None or active.drawn.visible:
            return
        shown = [live for live in images if live.drawn.visible]
        same = [live for live in shown if live.channel == active.channel]
        if shown:
            selection.active = (same or shown)[0].drawn

    def _choices(self) -> list[_Part | str]:
        return [*self._layers, _ALL] if len(self._layers) > 1 else []

    def _show(self) -> None:
        choices = self._choices()
        chosen = choices.index(self._choice) if self._choice is not None else -1
        self._bar.offer_steps([*map(str, choices)], chosen)
        if self._choice is None:
            return
        for part, layers in self._layers.items():
            for live in layers:
                live.show(self._choice in (_ALL, part))
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


def _parts(images: Iterable[LiveLayer]) -> dict[_Part, list[LiveLayer]]:
    steps: dict[tuple[str | None, int | None], list[LiveLayer]] = {}
    for live in images:
        steps.setdefault(live.layer.key.step, []).append(live)
    found: dict[_Part, list[LiveLayer]] = {}
    for step, layers in steps.items():
        apart = _come_apart(layers)
        # Fewer axes first, as a projection's: it is looked at before its stack.
        for live in sorted(layers, key=lambda live: len(live.layer.key.axes)):
            if apart or step != (None, None):
                words = _words(live.layer.key.axes, layers) if apart else ""
                found.setdefault(_Part(*step, words), []).append(live)
    return found


def _come_apart(layers: Iterable[LiveLayer]) -> bool:
    """Whether some are of one channel and field, on different axes."""
    axes: dict[tuple[object, ...], set[tuple[str, ...]]] = {}
    for live in layers:
        key = live.layer.key
        axes.setdefault((key.name, key.components), set()).add(key.axes)
    return any(len(found) > 1 for found in axes.values())


def _words(axes: tuple[str, ...], layers: Iterable[LiveLayer]) -> str:
    every = dict.fromkeys(name for live in layers for name in live.layer.key.axes)
    common = [name for name in every if all(name in live.layer.key.axes for live in layers)]
    words = [
        f"with {name}" if name in axes else f"without {name}"
        for name in every
        if name not in common
    ]
    return ", ".join(words)


def _order(part: _Part) -> tuple[bool, int, str]:
    return part.number is None, part.number or 0, part.name or ""
