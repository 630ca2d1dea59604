"""How many layers a viewer shows, and what to do about too many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from coverslip.payload import LayerKey, Projection, Value
from coverslip.viewers.errors import TooManyLayers

__all__ = ["MAX_LAYERS", "admit", "too_many"]

MAX_LAYERS: Final = 100
"""Layers of which no more are made unless a viewer is told to: each one makes all of napari slower
(its issue 8421), and nobody looks at as many windows."""


def admit(projection: Projection, layer: LayerKey, most: int) -> None:
    """Raise `TooManyLayers` if a plane's layer would be one more than `most`."""
    if len(projection) >= most and projection.get(layer) is None:
        raise TooManyLayers(too_many(projection, most))


def too_many(projection: Projection, most: int) -> str:
    """Say what to do about a number of layers: the component that makes the most of them."""
    worst = _worst(layer.key for layer in projection)
    advice = "give fewer names and steps"
    if worst:
        advice = f'give {worst} the mode "stack" (--mode {worst}=stack)'
    layers = "1 layer is" if most == 1 else f"{most} layers are"
    return (
        f"{layers} the most that this viewer shows: {advice}, or start it with more (--max-layers)"
    )


def _worst(layers: Iterable[LayerKey]) -> str | None:
    values: dict[str, set[Value]] = {}
    for key in layers:
        for name, value in key.components:
            values.setdefault(name, set()).add(value)
    return max(values, key=lambda name: len(values[name]), default=None)
