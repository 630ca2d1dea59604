"""Which layers are shown together, and in what order they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from coverslip.payload import Layer, Value, natural_key
from coverslip.viewers.napari.live import LiveLayer
from coverslip.viewers.wells import WELL

__all__ = ["accompany", "place_of", "proposed_visibility", "show_well"]

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
    # The channels of one step stand together and in order, whatever order they come in.
    kin = [
        (_channel_order(live.layer), place)
        for live, place in others
        if _rank(live.layer) == rank and _picture(live.layer) == _picture(layer)
    ]
    above = [place for live, place in others if _rank(live.layer) > rank]
    if not kin:
        return min(above, default=len(layers))
    below = [place for order, place in kin if order <= _channel_order(layer)]
    return 1 + max(below) if below else min(place for _, place in kin)


def proposed_visibility(layer: Layer, rivals: list[LiveLayer]) -> tuple[bool, list[LiveLayer]]:
    """Return whether a new layer of images is shown, and which others hide for it.

    Layers of channels add their light up, so only those that make one picture are shown
    together: the channels of one step and field, of one size. The latest picture takes over, but
    for one of an earlier step, and of two layers of one channel in one picture (a stack and its
    projection) the first stays.
    """
    shown = [live for live in rivals if live.drawn.visible]
    if "channel" not in layer.components:
        # One covers the other, and only what lies in one field is to be compared.
        return True, [live for live in shown if live.eye_untouched and _apart(live.layer, layer)]
    lights = [live for live in rivals if live.channel is not None]
    group = [live for live in lights if _picture(live.layer) == _picture(layer)]
    if group:
        twin = any(live.channel == layer.components["channel"] for live in group)
        return not twin and any(live in shown for live in group), []
    lights = [live for live in lights if live in shown]
    if any(_step_index(live.layer) > _step_index(layer) for live in lights):
        return False, []
    others = [live for live in shown if live in lights or _apart(live.layer, layer)]
    return True, [live for live in others if live.eye_untouched]


def accompany(ours: Collection[LiveLayer]) -> None:
    """Show annotations with the images that they lie over, and hide them with those.

    They lie over the images of the same well, field, …, whichever channel or step. While no image
    is shown, and where the user has clicked an annotation's eye, all stays as it is.
    """
    shown = [live for live in ours if live.layer.key.kind == "image" and live.drawn.visible]
    if not shown:
        return
    for live in ours:
        if live.layer.key.kind != "image" and live.eye_untouched:
            live.show(not all(_apart(live.layer, image.layer) for image in shown))


def show_well(well: Value, images: Collection[LiveLayer]) -> None:
    """Show the layers of one well where each has its own: those of the channels that are shown.

    All of them, where it has none of those; where the user has clicked an eye, it stays as it is.
    """
    wells = [live for live in images if WELL in live.layer.components]
    shown = {_but_well(live.layer) for live in wells if live.drawn.visible}
    here = [live for live in wells if live.layer.components[WELL] == well]
    alike = [live for live in here if _but_well(live.layer) in shown] or here
    for live in wells if here else []:
        if live.eye_untouched:
            live.show(live in alike)


def _but_well(layer: Layer) -> tuple[Any, ...]:
    key = layer.key
    return key.name, key.step, tuple(item for item in key.components if item[0] != WELL)


def _channel_order(layer: Layer) -> tuple[object, ...]:
    """Return what layers of one picture are ordered by, stacks above projections.

    What has no channel covers what is below: it stands on top, the newest last.
    """
    channel = layer.components.get("channel")
    return (1,) if channel is None else (0, len(layer.key.axes), natural_key(channel))


def _rank(layer: Layer) -> int:
    return _BOTTOM_FIRST.index(layer.key.kind)


def _picture(layer: Layer) -> tuple[Any, ...]:
    key = layer.key
    rest = tuple(item for item in key.components if item[0] != "channel")
    # Whatever the axes: a stack and its projection, a stack and a time lapse beside it are one.
    return (key.name, key.step, rest, key.shape[:2])


def _apart(one: Layer, other: Layer) -> bool:
    """Whether two layers are of different wells, fields, …: channels are of the same one."""
    return any(
        one.components.get(name, value) != value
        for name, value in other.components.items()
        if name != "channel"
    )


def _step_index(layer: Layer) -> int:
    index = layer.key.step[1]
    return -1 if index is None else index
