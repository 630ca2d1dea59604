"""From a plane's components to a layer and a place in it, for any viewer and without a GUI.

`place` is pure and belongs on the thread that receives; `Projection` keeps what was
seen and belongs to the thread that draws. A viewer only draws the result: what a *layer* is there
(a napari layer, a Fiji window) and which modes make one is the viewer's to say (`own_layer`).
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from coverslip.payload.annotations import TABLES, positions, table_columns
from coverslip.payload.axes import Axes, canonical_rank
from coverslip.payload.errors import InvalidMessage
from coverslip.payload.schema import Display, Kind, Source, Value
from coverslip.payload.store import Coordinates, PlaneStore

__all__ = ["Change", "Layer", "LayerKey", "Mode", "Placement", "Projection", "place"]

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
        The viewer's mode for a component that `source` says nothing of; STACK where absent.
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
    called = () if kind == "image" else (kind.capitalize(),)
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
        name=source.name or "_".join(filter(None, (step, _describe(own), *called))) or "Image",
        step=step,
        window=by_mode[Mode.SEPARATE],
        slice=by_mode[Mode.SLICE],
        stack=by_mode[Mode.STACK],
        coordinates={name: coordinates[name] for name in axes},
        display=source.display,
        replace=source.replace,
        keep=source.keep,
    )


class _Provenance(NamedTuple):
    step: str
    origin: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.step, self.origin))) or "a plane without step or origin"


class Layer:
    """One layer: its key, its name among all layers, and its planes. Owned by the projection."""

    __slots__ = ("_came_from", "_replacement", "components", "key", "name", "store")

    def __init__(self, placement: Placement, name: str) -> None:
        self.key = placement.layer
        self.name = name
        """Unique among the layers of its projection; a viewer may let the user change its own."""
        self.components: dict[str, Value] = dict(self.key.components)
        """The components that make the layer."""
        self.store = PlaneStore(self.key.axes, self.key.shape, np.dtype(self.key.dtype))
        self._came_from: dict[Coordinates, _Provenance] = {}
        self._replacement = placement.replace

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.store!r})"

    def _begin(self, replacement: str) -> bool:
        """Make room for a replacement's planes at the first of them; whether this is it."""
        if not replacement or replacement == self._replacement:
            return False
        self._replacement = replacement
        self.store.clear()
        self._came_from.clear()
        return True

    def _put(
        self, placement: Placement, pixels: NDArray[Any], origin: str
    ) -> tuple[bool, tuple[str, str] | None]:
        key = self.store.key(placement.coordinates)
        replaced = self.store.put(key, pixels) is not None
        new = _Provenance(placement.step, origin)
        old = self._came_from.get(key, new)
        self._came_from[key] = new
        return replaced, (str(old), str(new)) if _differ(old, new) else None


class Change(NamedTuple):
    """What one plane changed."""

    layer: Layer
    created: bool
    """The layer is new."""
    grown_axes: tuple[str, ...]
    """Axes of the viewer that are new or have a new value."""
    replaced: bool
    """A plane was there already."""
    collision: tuple[str, str] | None
    """What the old and the new plane came from, when that is not the same step and output."""
    emptied: bool = False
    """The layer's other planes went away: this one begins a replacement of them."""


class Projection:
    """All layers of one viewer, on one order of axes. For one thread: the one that draws.

    Nothing that is there is rebuilt when a plane comes: an axis grows by inserting, a layer by
    one entry.
    """

    __slots__ = ("_layers", "axes", "collisions")

    def __init__(self) -> None:
        self.axes = Axes()
        self.collisions = 0
        """Planes that landed on one from another step or output."""
        self._layers: dict[LayerKey, Layer] = {}

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers.values())

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, oldest first."""
        return tuple(self._layers.values())

    def get(self, key: LayerKey) -> Layer | None:
        """Return the layer of that key, or None where there is none."""
        return self._layers.get(key)

    @property
    def nbytes(self) -> int:
        """Bytes of all planes of all layers."""
        return sum(layer.store.nbytes for layer in self)

    def insert(self, placement: Placement, pixels: NDArray[Any], origin: str = "") -> Change:
        """Put a plane in its place, making layer and axis values as needed.

        Parameters
        ----------
        placement : Placement
            From `place`.
        pixels : ndarray
            The plane; the projection owns it from here on.
        origin : str
            The output that the plane is, such as its file path; empty when unknown.

        Returns
        -------
        Change

        Raises
        ------
        ValueError
            `pixels` is not of the shape and dtype that `placement` was made for.
        """
        layer = self._layers.get(placement.layer)
        created = layer is None
        if layer is None:
            layer = Layer(placement, self._name(placement))
        emptied = not created and layer._begin(placement.replace)
        replaced, collision = layer._put(placement, pixels, origin)
        if created:
            self._layers[placement.layer] = layer
        self.collisions += collision is not None
        grown = dict.fromkeys(self.axes.see(placement.coordinates))
        along = placement.layer.along
        for column, name in enumerate(along, start=-len(along) - 2):
            for value in positions(pixels, column):
                grown.update(dict.fromkeys(self.axes.see({name: value})))
        return Change(layer, created, tuple(grown), replaced, collision, emptied)

    def trim(
        self,
        layer: Layer,
        keep: int,
        spare: Callable[[Mapping[str, Value]], bool],
        apart: Sequence[str] = (),
    ) -> tuple[Coordinates, ...]:
        """Drop the oldest planes of a layer, by arrival, so that `keep` are left.

        Parameters
        ----------
        layer : Layer
            One of these.
        keep : int
            At least 1.
        spare : callable
            Says of a plane's coordinates that it stays all the same, as one that is looked at.
        apart : sequence of str
            Axes of the layer on which each value keeps so many for itself, as a hyperstack's C.

        Returns
        -------
        tuple
            The coordinates that were dropped.
        """
        store = layer.store
        surplus = tuple(islice(store, max(0, len(store) - keep)))
        if surplus and apart:
            surplus = _surplus(store, keep, [store.axes.index(name) for name in apart])
        dropped = tuple(
            one for one in surplus if not spare(dict(zip(store.axes, one, strict=True)))
        )
        for coordinates in dropped:
            self.drop(layer, coordinates)
        return dropped

    def drop(self, layer: Layer, coordinates: Coordinates) -> None:
        """Drop one plane, and the values on the axes that none has any more.

        The last value of an axis stays, and so does one on an axis that tables give row by row.
        """
        layer.store.remove(coordinates)
        layer._came_from.pop(coordinates, None)
        for name, value in zip(layer.store.axes, coordinates, strict=True):
            if not any(one.store.uses(name, value) or name in one.key.along for one in self):
                axis = self.axes[name]
                if len(axis) > 1:
                    axis.remove(value)

    def remove(self, layer: Layer) -> None:
        """Forget a layer and its planes; the axes stay until the last layer is gone."""
        self._layers.pop(layer.key, None)
        if not self._layers:
            self.axes.clear()

    def clear(self) -> None:
        """Forget all layers and axes."""
        self._layers.clear()
        self.axes.clear()

    def _name(self, placement: Placement) -> str:
        namesakes = [
            layer
            for layer in self
            if layer.key != placement.layer
            and (layer.name == placement.name or layer.name.startswith(placement.name + " ("))
        ]
        if not namesakes:
            return placement.name
        name = f"{placement.name} ({_difference(placement.layer, namesakes[0].key)})"
        taken = {layer.name for layer in namesakes}
        unique, count = name, 2
        while unique in taken:
            unique, count = f"{name} {count}", count + 1
        return unique


def _surplus(store: PlaneStore, keep: int, apart: Sequence[int]) -> tuple[Coordinates, ...]:
    """Return what is older than the newest planes of each group, the oldest first."""
    newer: Counter[Coordinates] = Counter()
    surplus = []
    for coordinates in reversed(tuple(store)):
        group = tuple(coordinates[position] for position in apart)
        newer[group] += 1
        if newer[group] > keep:
            surplus.append(coordinates)
    return tuple(reversed(surplus))


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


def _difference(new: LayerKey, other: LayerKey) -> str:
    """Say what tells a layer from its namesake: components, axes, plane shape, dtype, in words."""
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


def _differ(old: _Provenance, new: _Provenance) -> bool:
    # An unknown step or origin says nothing: a user who shows an array again means to replace it.
    return any(a and b and a != b for a, b in zip(old, new, strict=True))
