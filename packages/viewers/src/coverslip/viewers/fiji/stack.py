"""A layer's planes in ImageJ's order: the hyperstack that grows in place.

ImageJ knows three axes, C, Z and T, and orders planes XYCZT. Each of them may stand for several
components (T for site and timepoint), whose values combine in natural order. A place whose plane
has not come yet is blank and says so in its label; all blanks of a stack are one Java array, so
that what is missing costs no memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any, Literal, NamedTuple, TypeAlias

from coverslip.payload import Axes, Coordinates, Layer, Placement, Value
from coverslip.viewers.errors import TooManyPlaces
from coverslip.viewers.fiji.grid import Grid, GridAxis
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.pixels import JavaPixels, JavaPlane

__all__ = ["MISSING", "MOST_PLACES", "Dimension", "Dimensions", "Hyperstack", "Layout"]

MISSING = "no plane"

Dimension: TypeAlias = Literal["c", "z", "t"]

MOST_PLACES = 100_000
"""Planes and blanks of one hyperstack: ImageJ takes seconds to be told of so many."""

_FEW_PLACES = 4096
_PLACES_A_PLANE = 1024
"""So many blanks a plane come of planes in random order; more come of components that are no axes,
such as a temperature: seven of them, each with twelve values, make 36 million places."""

_STACKED: Mapping[str, Dimension] = {"z_index": "z"}
_PLACES = frozenset({"plate", "well", "site", "z_index", "timepoint"})
"""Components whose pictures make no sense on top of each other."""


class Dimensions(NamedTuple):
    """Lengths of a hyperstack's axes, as ImageJ counts them."""

    channels: int
    slices: int
    frames: int

    @property
    def size(self) -> int:
        """Number of planes, blanks included."""
        return self.channels * self.slices * self.frames


class Layout(NamedTuple):
    """Which components stand on which of ImageJ's axes."""

    channels: tuple[str, ...]
    slices: tuple[str, ...]
    frames: tuple[str, ...]

    @classmethod
    def of(cls, placement: Placement, dimensions: Mapping[str, Dimension] | None = None) -> Layout:
        """Return the layout of a plane's window.

        Parameters
        ----------
        placement : Placement
            Its axes and their modes: SLICE is C; of STACK, z_index is Z and the rest T.
        dimensions : mapping of str to {"c", "z", "t"}, optional
            The axes that the plane's source chose itself.
        """
        chosen = dimensions or {}
        names: dict[Dimension, list[str]] = {"c": [], "z": [], "t": []}
        for name in placement.layer.axes:
            default: Dimension = "c" if name in placement.slice else _STACKED.get(name, "t")
            names[chosen.get(name, default)].append(name)
        return cls(tuple(names["c"]), tuple(names["z"]), tuple(names["t"]))

    @property
    def overlaid(self) -> bool:
        """Whether what is on C may be seen at once: one component that is no place or time."""
        return len(self.channels) == 1 and self.channels[0] not in _PLACES


class Hyperstack:
    """An `ij.ImageStack` over the planes of one layer. AWT event thread only.

    `put` notes a plane, `settle` brings the stack up to date: what is there already is never
    copied, appended planes are appended, and an axis that grows in its middle moves references.

    Parameters
    ----------
    layer : Layer
        Where the planes are kept; each stands for a Java array.
    layout : Layout
        Where its axes stand.
    pixels : JavaPixels
        Makes the blank plane.
    """

    def __init__(self, layer: Layer, layout: Layout, pixels: JavaPixels) -> None:
        self.layer = layer
        self.layout = layout
        height, width = layer.store.shape[:2]
        self.size = width, height
        self.stack: Any = class_of("ij.ImageStack")(width, height)
        self.places: list[Coordinates] = []
        """What stands at each place of the stack, in the layer's order of axes."""
        self._code = pixels.code_of(layer.store.shape, layer.store.dtype, rgb=layer.key.rgb)
        self._blank = pixels.blank(self._code, width * height)
        self.dimensions = Dimensions(1, 1, 1)
        """Lengths of C, Z and T as `settle` left them."""
        self.grid = Grid()
        """What stands at each position of them."""
        self._index: dict[Coordinates, int] = {}
        self._axes = Axes()
        self._grown = True
        self._emptied = False
        self._arrived: list[Coordinates] = []
        self._came = 0
        """Planes that ever came, those too that their stream has let go of since."""

    # ---- planes in --------------------------------------------------------------------

    def check(self, coordinates: Mapping[str, Value]) -> None:
        """Refuse a plane for whose place ImageJ would have to be given too many others.

        Raises
        ------
        TooManyPlaces
            Says which component to do what with.
        """
        lengths = {
            name: len(self._axes[name].values) + (value not in self._axes[name].values)
            if name in self._axes
            else 1
            for name, value in coordinates.items()
        }
        places = prod(lengths.values())
        longest = max(lengths, key=lambda name: lengths[name], default="")
        # The same words for each such plane: they are counted by them.
        if places > MOST_PLACES:
            raise TooManyPlaces(
                f"a window has {MOST_PLACES:,} places at most: begin anew with View.clear(), or "
                f'give a component, such as {longest}, the mode "separate"'
            )
        if places > max(_FEW_PLACES, _PLACES_A_PLANE * (self._came + 1)):
            raise TooManyPlaces(
                "far more blanks than planes: leave out what is no axis, or give one, such as "
                f'{longest}, the mode "separate"'
            )

    def put(self, coordinates: Mapping[str, Value]) -> None:
        """Note that the layer has a plane at these coordinates."""
        self._grown = bool(self._axes.see(coordinates)) or self._grown
        self._came += 1
        self._arrived.append(self.layer.store.key(coordinates))

    def forget(self) -> None:
        """Note that the layer has let go of its planes: their places are blank again."""
        self._emptied = True

    def settle(self) -> tuple[bool, list[int]]:
        """Bring the stack up to date.

        Returns
        -------
        bool
            The stack has other dimensions than before.
        list of int
            The places (from 0) whose pixels changed.
        """
        grown, self._grown = self._grown, False
        if grown:
            self._grow()
        arrived, self._arrived = self._arrived, []
        changed = self._empty() if self._emptied else []
        for coordinates in arrived:
            index = self._index[coordinates]
            if self._fill(index, coordinates):
                changed.append(index)
        return grown, changed

    def _grow(self) -> None:
        places = self._all_places()
        held = len(self.places)
        if places[:held] == self.places:
            fresh = self.stack
        else:
            fresh, held = class_of("ij.ImageStack")(*self.size), 0
        for coordinates in places[held:]:
            plane = self._plane(coordinates)
            fresh.addSlice(self.label(coordinates), self._blank if plane is None else plane.array)
        self.stack, self.places = fresh, places
        self.grid = Grid(*map(self._grid_axis, self.layout))
        self.dimensions = Dimensions(*(len(axis.values) for axis in self.grid))
        self._index = {coordinates: index for index, coordinates in enumerate(places)}

    def _empty(self) -> list[int]:
        self._emptied = False
        gone = [number for number, place in enumerate(self.places) if self._plane(place) is None]
        for index in gone:
            self.stack.setPixels(self._blank, index + 1)
            self.stack.setSliceLabel(self.label(self.places[index]), index + 1)
        return gone

    def _fill(self, index: int, coordinates: Coordinates) -> bool:
        plane = self._plane(coordinates)
        if plane is None:
            return False
        self.stack.setPixels(plane.array, index + 1)
        self.stack.setSliceLabel(self.label(coordinates), index + 1)
        return True

    def _plane(self, coordinates: Coordinates) -> JavaPlane | None:
        plane: Any = self.layer.store.get(coordinates)
        return plane if isinstance(plane, JavaPlane) else None

    def _all_places(self) -> list[Coordinates]:
        """Return the coordinates of every place, in ImageJ's order: C fastest, then Z, then T."""
        order = [*self._on(self.layout.frames), *self._on(self.layout.slices)]
        order += self._on(self.layout.channels)
        values = product(*(self._axes[name].values for name in order))
        back = [order.index(name) for name in self.layer.key.axes]
        return [tuple(one[position] for position in back) for one in values]

    def _on(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in self._axes.names if name in names]

    # ---- what is where ----------------------------------------------------------------

    def _grid_axis(self, names: tuple[str, ...]) -> GridAxis:
        order = tuple(self._on(names))
        return GridAxis(order, tuple(product(*(self._axes[name].values for name in order))))

    @property
    def labels(self) -> dict[str, tuple[Value, ...]]:
        """The values seen on each axis, slowest first."""
        names = (*self.layout.frames, *self.layout.slices, *self.layout.channels)
        return {name: self._axes[name].values for name in names if name in self._axes}

    def index(self, coordinates: Coordinates) -> int:
        """Return the place (from 0) of a plane; KeyError if it has none yet."""
        return self._index[coordinates]

    def position(self, index: int) -> tuple[int, int, int]:
        """Return ImageJ's channel, slice and frame (from 1) of a place (from 0)."""
        return self.grid.spot(index + 1)

    def channel_of(self, coordinates: Coordinates) -> tuple[Value, ...]:
        """Return a plane's values on the C axis."""
        axes = self.layer.key.axes
        return tuple(coordinates[axes.index(name)] for name in self._on(self.layout.channels))

    def stain_of(self, coordinates: Coordinates) -> Value | None:
        """Return the value on the C axis that says which colour a plane has, if one does."""
        axes = self.layer.key.axes
        if "channel" in self.layout.channels:
            return coordinates[axes.index("channel")]
        return self.channel_of(coordinates)[0] if self.layout.overlaid else None

    def channels(self) -> list[tuple[Value, ...]]:
        """Return what each channel stands for, in order."""
        return [self.channel_of(place) for place in self.places[: self.dimensions.channels]]

    def label(self, coordinates: Coordinates) -> str:
        """Return a slice's label: its components, and whether its plane has come."""
        words = [
            f"{name}={value}" for name, value in zip(self.layer.key.axes, coordinates, strict=True)
        ]
        plane = self._plane(coordinates)
        if plane is None:
            words.append(f"({MISSING})")
        elif plane.lost:
            words.append("(rounded)")
        return " ".join(words) or self.layer.name

    def holds(self, imp: Any) -> bool:
        """Whether an image still shows this stack, and not what a user has made of it."""
        theirs = imp.getStack()
        return bool(theirs == self.stack and theirs.size() == len(self.places))
