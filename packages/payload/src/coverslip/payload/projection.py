"""All layers of one viewer and what was seen on their axes, without a GUI.

`Projection` keeps what was placed (`coverslip.payload.placement`) and belongs to the thread that
draws; a viewer only draws the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload.annotations import positions
from coverslip.payload.axes import Axes
from coverslip.payload.placement import LayerKey, Placement, difference
from coverslip.payload.schema import Value
from coverslip.payload.store import Coordinates, PlaneStore

__all__ = ["Change", "Layer", "Projection"]


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
            if not self._uses(name, value):
                axis = self.axes[name]
                if len(axis) > 1:
                    axis.remove(value)

    def unused(self) -> tuple[tuple[str, Value], ...]:
        """Return the values on the axes that no plane has, with their axes: a replaced one's had.

        They stay until `forget`, since what replaces it may have them too. Of an axis that no plane
        has at all, and of one that tables give row by row, none is returned.

        Returns
        -------
        tuple of (str, value)
            In the order of the axes.
        """
        found: list[tuple[str, Value]] = []
        for axis in self.axes:
            idle = [(axis.name, value) for value in axis if not self._uses(axis.name, value)]
            found += idle if len(idle) < len(axis) else []
        return tuple(found)

    def forget(self, values: Iterable[tuple[str, Value]]) -> None:
        """Take values away from their axes.

        Parameters
        ----------
        values : iterable of (str, value)
            Of those that are `unused`, each with its axis.
        """
        for name, value in values:
            self.axes[name].remove(value)

    def _uses(self, name: str, value: Value) -> bool:
        return any(one.store.uses(name, value) or name in one.key.along for one in self)

    def remove(self, layer: Layer) -> None:
        """Forget a layer and its planes; the axes stay until the last layer is gone."""
        self._layers.pop(layer.key, None)
        if not self._layers:
            self.axes.clear()

    def clear(self) -> None:
        """Forget all layers and axes, and what has collided on them."""
        self.collisions = 0
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
        name = f"{placement.name} ({difference(placement.layer, namesakes[0].key)})"
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


def _differ(old: _Provenance, new: _Provenance) -> bool:
    # An unknown step or origin says nothing: a user who shows an array again means to replace it.
    return any(a and b and a != b for a, b in zip(old, new, strict=True))
