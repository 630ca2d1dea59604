"""A layer's planes in ImageJ's order: the hyperstack that grows in place.

ImageJ knows three axes, C, Z and T, and orders planes XYCZT. Each of them may stand for several
components (T for site and timepoint), whose values combine in natural order. A place whose plane
has not come yet is blank and says so in its label; all blanks of a stack are one Java array, so
that what is missing costs no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, Literal, NamedTuple, TypeAlias

from coverslip.payload import Axes, Coordinates, Layer, Placement, Value
from coverslip.viewers.errors import TooManyPlaces
from coverslip.viewers.fiji.grid import Grid, GridAxis, runs
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

    `put` notes a plane, `settle` brings the stack up to date: pixels that are there are never
    copied. Where an axis grows, be it in its middle, Java moves what stands in a row as one, so
    that Python does something for each place once, and not at each growth.

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
        self._code = pixels.code_of(layer.store.shape, layer.store.dtype, rgb=layer.key.rgb)
        self._blank = pixels.blank(self._code, width * height)
        self.dimensions = Dimensions(1, 1, 1)
        """Lengths of C, Z and T as `settle` left them."""
        self.grid = Grid()
        """What stands at each position of them."""
        self._axes = Axes()
        """The values that planes have come with."""
        self._stood = Axes()
        """Those that the stack has places for."""
        self._order: tuple[str, ...] = ()
        """The names of its axes, in ImageJ's order: T, Z, C, of which the last goes fastest."""
        self._fresh: list[tuple[str, Value]] = []
        """What those before have and it has not."""
        self._filled: set[Coordinates] = set()
        """The places that hold a plane."""
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
            name: len(self._axes[name]) + (value not in self._axes[name])
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
        self._fresh += [(name, coordinates[name]) for name in self._axes.see(coordinates)]
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
        grown = bool(self._fresh) or not self.stack.size()
        if grown:
            self._grow()
        arrived, self._arrived = self._arrived, []
        changed = self._empty() if self._emptied else []
        for coordinates in arrived:
            index = self.index(coordinates)
            if self._fill(index, coordinates):
                changed.append(index)
        return grown, changed

    def _grow(self) -> None:
        for name, value in self._fresh:
            self._stood.see({name: value})
        self._order = tuple(name for names in reversed(self.layout) for name in self._on(names))
        fresh: dict[str, list[int]] = {name: [] for name in self._order}
        for name, value in self._fresh:
            fresh[name].append(self._stood[name].index_of(value))
        lengths = [len(self._stood[name]) for name in self._order]
        grown = class_of("ij.ImageStack")(*self.size, prod(lengths))
        if self.stack.size():
            for start, length, before in runs(lengths, [*map(sorted, fresh.values())]):
                if before is None:
                    self._set(grown, range(start, start + length))
                else:
                    _move(self.stack, before, grown, start, length)
        else:
            self._set(grown, range(prod(lengths)))
        self.stack = grown
        self.grid = Grid(*map(self._grid_axis, self.layout))
        self.dimensions = Dimensions(*(axis.length for axis in self.grid))
        self._fresh = []

    def _set(self, stack: Any, indices: Iterable[int]) -> None:
        """Put planes, or the blank one, where there is nothing yet."""
        for index in indices:
            coordinates = self.place(index)
            plane = self._plane(coordinates)
            if plane is not None:
                self._filled.add(coordinates)
            stack.setPixels(self._blank if plane is None else plane.array, index + 1)
            stack.setSliceLabel(self.label(coordinates), index + 1)

    def _empty(self) -> list[int]:
        self._emptied = False
        gone = [coordinates for coordinates in self._filled if self._plane(coordinates) is None]
        self._filled.difference_update(gone)
        indices = sorted(map(self.index, gone))
        self._set(self.stack, indices)
        return indices

    def _fill(self, index: int, coordinates: Coordinates) -> bool:
        if self._plane(coordinates) is None:
            return False
        self._set(self.stack, [index])
        return True

    def _plane(self, coordinates: Coordinates) -> JavaPlane | None:
        plane: Any = self.layer.store.get(coordinates)
        return plane if isinstance(plane, JavaPlane) else None

    def _on(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in self._stood.names if name in names]

    # ---- what is where ----------------------------------------------------------------

    def _grid_axis(self, names: tuple[str, ...]) -> GridAxis:
        order = tuple(self._on(names))
        return GridAxis(order, tuple(self._stood[name].values for name in order))

    @property
    def labels(self) -> dict[str, tuple[Value, ...]]:
        """The values seen on each axis, slowest first."""
        names = (*self.layout.frames, *self.layout.slices, *self.layout.channels)
        return {name: self._stood[name].values for name in names if name in self._stood}

    def index(self, coordinates: Coordinates) -> int:
        """Return the place (from 0) of a plane; KeyError if it has none yet."""
        values = dict(zip(self.layer.key.axes, coordinates, strict=True))
        index = 0
        for name in self._order:
            axis = self._stood[name]
            index = index * len(axis) + axis.index_of(values[name])
        return index

    def place(self, index: int) -> Coordinates:
        """Return what stands at a place (from 0), in the layer's order of axes."""
        values = {}
        for name in reversed(self._order):
            axis = self._stood[name]
            index, at = divmod(index, len(axis))
            values[name] = axis[at]
        return self.layer.store.key(values)

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
        return [self.channel_of(self.place(index)) for index in range(self.dimensions.channels)]

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
        return bool(theirs == self.stack and theirs.size() == self.dimensions.size)


def _move(source: Any, at: int, target: Any, to: int, length: int) -> None:
    """Put places (from 0) of one `ij.ImageStack` into another, all at once."""
    copy = class_of("java.lang.System").arraycopy
    # What ImageJ returns here are its own arrays, of at least as many elements as slices.
    copy(source.getImageArray(), at, target.getImageArray(), to, length)
    copy(source.getSliceLabels(), at, target.getSliceLabels(), to, length)
