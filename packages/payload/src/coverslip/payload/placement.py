"""From a plane's components to a layer and a place in it: pure, for the thread that receives.

A viewer only draws the result: what a *layer* is there (a napari layer, a Fiji window) and which
modes make one is the viewer's to say (`own_layer`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from coverslip.payload.annotations import TABLES, table_columns
from coverslip.payload.axes import canonical_rank
from coverslip.payload.errors import InvalidMessage
from coverslip.payload.schema import Display, Kind, Source, Value

__all__ = ["LayerKey", "Mode", "Placement", "difference", "place"]

_NAME_ORDER = ("well", "channel", "site")  # the order in names is the reference's, not the axes'


class Mode(enum.Enum):
    """What a viewer does with the values of one component."""

    STACK = "stack"
    """One slider position for each value."""
    SLICE = "slice"
    """One slice for each value: a layer of its own in napari, a hyperstack's channel in Fiji."""
    SEPARATE = "separate"
    """One layer or window for each value, everywhere."""


class LayerKey(msgspec.Struct, frozen=True, cache_hash=True):
    """What planes of one layer have in common; equal keys mean the same layer."""

    name: str | None
    """The name that the user gave; it stands for a layer across steps."""
    step: tuple[str | None, int | None]
    """Name and index of the pipeline step; (None, None) where `name` is given."""
    components: tuple[tuple[str, Value], ...]
    """The components that make the layer, sorted by name."""
    axes: tuple[str, ...]
    """The axes that every plane of the layer has, in canonical order."""
    shape: tuple[int | None, ...]
    """Of every plane; None for an extent in which they may differ."""
    dtype: str
    rgb: bool
    kind: Kind = "image"
    along: tuple[str, ...] = ()
    """The axes that the rows of the layer's tables stand on, each by itself."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where one plane belongs."""

    layer: LayerKey
    name: str
    """What to call the layer, as far as this plane alone can tell."""
    step: str
    """The step that made the plane, for people; empty when unknown."""
    window: dict[str, Value]
    """Components in mode SEPARATE."""
    slice: dict[str, Value]
    """Components in mode SLICE."""
    stack: dict[str, Value]
    """Components in mode STACK."""
    coordinates: dict[str, Value]
    """The plane's value on each axis of its layer: all components that do not make the layer."""
    display: Display = Display()
    """How the plane asks to be drawn."""
    replace: str = ""
    """Which replacement of the layer's planes it belongs to; empty for none."""
    keep: int = 0
    """How many of the layer's planes are to be kept, the newest; 0 for all."""

    @property
    def components(self) -> dict[str, Value]:
        """All components of the plane."""
        return {**self.window, **self.slice, **self.stack}


def place(
    source: Source,
    components: Mapping[str, Value],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any] | str,
    rgb: bool,
    defaults: Mapping[str, Mode],
    own_layer: frozenset[Mode],
    kind: Kind = "image",
    along: tuple[str, ...] = (),
    pads: bool = False,
) -> Placement:
    """Find a plane's layer and its place there, from the plane alone.

    Parameters
    ----------
    source : Source
        Who made the plane; its `modes` win over `defaults`.
    components : mapping of str to value
        The plane's components.
    shape : tuple of int
        ``(y, x)``, or ``(y, x, 3 | 4)`` when `rgb`.
    dtype : dtype or str
        The pixels' data type.
    rgb : bool
        Whether the last axis is colour.
    defaults : mapping of str to Mode
        The viewer's mode for a component that `source` gives none for; STACK where absent.
    own_layer : frozenset of Mode
        The modes whose components make a layer in this viewer; all others become axes.
    kind : str
        What the plane is.
    along : tuple of str
        The axes that its rows stand on, if it is a table.
    pads : bool
        The viewer can show planes of several sizes in one layer, where `source` asks for that.

    Returns
    -------
    Placement

    Raises
    ------
    InvalidMessage
        A mode is unknown, or a component is named as a plane's own axis.
    """
    by_mode: dict[Mode, dict[str, Value]] = {mode: {} for mode in Mode}
    for name in (*components, *along):
        if name in ("y", "x"):
            raise InvalidMessage(f"component {name!r} is a plane's own axis: give it another name")
    for name, value in components.items():
        by_mode[_mode(name, source, defaults)][name] = value
    own: dict[str, Value] = {}
    coordinates: dict[str, Value] = {}
    for mode, members in by_mode.items():
        (own if mode in own_layer else coordinates).update(members)
    axes = tuple(sorted(coordinates, key=_axis_order))
    step = _step(source)
    called = _describe(own)
    if source.name:
        # An image of that name is what was asked for; annotations go with images of many wells.
        name = source.name if kind == "image" else "_".join(filter(None, (source.name, called)))
    else:
        what = "" if kind == "image" else kind.capitalize()
        name = "_".join(filter(None, (step, called, what))) or "Image"
    return Placement(
        layer=LayerKey(
            name=source.name,
            # A name that the user gave holds across steps: that is where two steps can meet.
            step=(None, None) if source.name else (source.step_name, source.step_index),
            components=tuple(sorted(own.items())),
            axes=axes,
            shape=_common_shape(shape, kind, len(along), pad=pads and source.display.pad),
            dtype=np.dtype(dtype).str,
            rgb=rgb,
            kind=kind,
            along=along,
        ),
        name=name,
        step=step,
        window=by_mode[Mode.SEPARATE],
        slice=by_mode[Mode.SLICE],
        stack=by_mode[Mode.STACK],
        coordinates={name: coordinates[name] for name in axes},
        display=source.display,
        replace=source.replace,
        keep=source.keep,
    )


def _common_shape(
    shape: tuple[int, ...], kind: Kind, along: int, *, pad: bool
) -> tuple[int | None, ...]:
    """Return the shape that all planes of a layer have, None where they may differ."""
    columns = table_columns(kind, along)
    if columns is not None:
        return (None, columns)
    return (None, None, *shape[2:]) if pad else tuple(shape)


def _mode(name: str, source: Source, defaults: Mapping[str, Mode]) -> Mode:
    chosen = source.modes.get(name)
    if chosen is None:
        return defaults.get(name, Mode.STACK)
    try:
        return Mode(chosen)
    except ValueError:
        known = ", ".join(mode.value for mode in Mode)
        raise InvalidMessage(
            f"component {name!r} has the mode {chosen!r}; there are: {known}"
        ) from None


def _axis_order(name: str) -> tuple[int, str]:
    return canonical_rank(name), name


def _step(source: Source) -> str:
    index = "" if source.step_index is None else f"Step_{source.step_index:02d}"
    return "_".join(filter(None, (index, source.step_name)))


def _describe(components: Mapping[str, Value]) -> str:
    first = [name for name in _NAME_ORDER if name in components]
    rest = sorted((name for name in components if name not in _NAME_ORDER), key=_axis_order)
    return "_".join(f"{name.capitalize()}_{components[name]}" for name in first + rest)


def difference(new: LayerKey, other: LayerKey) -> str:
    """Say in words what tells a layer from its namesake: components, axes, plane shape, dtype."""
    if new.kind != other.kind:
        return new.kind
    words = []
    if own := dict(sorted(set(new.components) - set(other.components))):
        words.append(_describe(own))
    words += [f"no {name}" for name in other.axes if name not in new.axes]
    words += [f"with {name}" for name in new.axes if name not in other.axes]
    words += [f"by {name}" for name in new.along if name not in other.along]
    if new.shape[:2] != other.shape[:2] and new.kind not in TABLES:
        padded = None in new.shape[:2]
        words.append("padded" if padded else f"{new.shape[1]} x {new.shape[0]}")
    if new.rgb != other.rgb:
        words.append("RGB" if new.rgb else "no RGB")
    if new.dtype != other.dtype:
        words.append(np.dtype(new.dtype).name)
    return ", ".join(words) or "other"
