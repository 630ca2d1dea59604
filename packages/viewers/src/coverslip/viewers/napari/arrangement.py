"""Which layers are shown together, and in what order they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from coverslip.payload import Layer
from coverslip.viewers.napari.live import LiveLayer

__all__ = ["place_of", "proposed_visibility"]

_BOTTOM_FIRST = ("image", "labels", "shapes", "rois", "tracks", "points")


def place_of(layer: Layer, ours: Iterable[LiveLayer], layers: Sequence[Any]) -> int:
    """Return where in napari's list a new layer stands: annotations above images.

    Parameters
    ----------
    layer : Layer
        The new one.
    ours : iterable of LiveLayer
        Those of ours that there are.
    layers : napari.components.LayerList
        Those and the user's own, bottom first.
    """
    rank = _rank(layer)
    others = [(live, layers.index(live.drawn)) for live in ours]
    # The channels of one step stand together, whatever order they come in.
    kin = [
        place
        for live, place in others
        if _rank(live.layer) == rank and _picture(live.layer) == _picture(layer)
    ]
    above = [place for live, place in others if _rank(live.layer) > rank]
    return 1 + max(kin) if kin else min(above, default=len(layers))


def proposed_visibility(layer: Layer, rivals: list[LiveLayer]) -> tuple[bool, list[LiveLayer]]:
    """Return whether a new layer is shown, and which others hide for it.

    Layers of channels add their light up, so only those that make one picture are shown
    together: the channels of one step and field. The latest step takes over from an earlier one,
    and of two layers of one channel (a stack and its projection) the first stays.
    """
    if "channel" not in layer.components:
        return True, []
    group = [live for live in rivals if _picture(live.layer) == _picture(layer)]
    shown = [live for live in rivals if live.drawn.visible]
    if group:
        twin = any(live.channel == layer.components["channel"] for live in group)
        return not twin and any(live in shown for live in group), []
    if any(_step_index(live.layer) > _step_index(layer) for live in shown):
        return False, []
    return True, [live for live in shown if live.eye_untouched]


def _rank(layer: Layer) -> int:
    return _BOTTOM_FIRST.index(layer.key.kind)


def _picture(layer: Layer) -> tuple[Any, ...]:
    rest = tuple(item for item in layer.key.components if item[0] != "channel")
    return (layer.key.name, layer.key.step, rest)


def _step_index(layer: Layer) -> int:
    index = layer.key.step[1]
    return -1 if index is None else index
