"""A layer's planes as the n-dimensional array that napari slices, without a stack being built.

napari takes any object with `shape`, `dtype`, `ndim` and `__getitem__`. It aligns the axes of all
layers by position, so every layer of a viewer has the same leading axes (a `Grid`), and
one whose planes lack an axis gives the same answer at each of its positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coverslip.payload import Axes, PlaneStore, Value
from coverslip.viewers.memory import HeldPlane

__all__ = ["Beside", "Grid", "LabelArray", "PlaneArray"]

_Picks: TypeAlias = "SupportsIndex | slice"


class Beside(NamedTuple):
    """An axis of the user's own layers, at any place of which ours are shown.

    It stands between our axes and the picture's in each layer of ours: one position, as wide as
    all that the user's slider reaches.
    """

    label: str
    start: float
    """Where the user's slider begins, in world units; the middle of the one position."""
    width: float


class Grid(NamedTuple):
    """The leading axes of a viewer's layers at one moment; immutable, unlike `Axes`.

    An index means a value only together with the axes that it was taken from. A layer keeps the
    grid that the sliders stand on until all layers and sliders change to the next one at once.
    """

    names: tuple[str, ...] = ()
    values: tuple[tuple[Value, ...], ...] = ()
    beside: tuple[Beside, ...] = ()
    """Axes of the user's own layers, to the right of ours."""

    @classmethod
    def of(cls, axes: Axes, beside: tuple[Beside, ...] = ()) -> Grid:
        """Return the axes as they are now."""
        return cls(axes.names, tuple(axis.values for axis in axes), beside)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each axis is called, those of the user's own layers included."""
        return (*self.names, *(axis.label for axis in self.beside))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of positions on each of these."""
        return (*map(len, self.values), *(1 for _ in self.beside))


class PlaneArray:
    """Reads a `PlaneStore` as an array of ``grid + plane`` dimensions. Never writes.

    Planes that have not come yet are blank (zeros), and where planes differ in size the smaller
    ones are padded with zeros, when they are read: what is held stays as it came. What indexing
    returns may be a view of a plane that is held, so it must not be written to. A plane that is on
    disk is read back, which takes some milliseconds: one that is asked for alone stays in memory
    then, since that is how what is in view is drawn.

    Parameters
    ----------
    store : PlaneStore
        The layer's planes; planes added later are seen.
    grid : Grid
        The leading axes, which must have every axis of `store`.
    """

    def __init__(self, store: PlaneStore, grid: Grid) -> None:
        self.store = store
        self.grid = grid
        self._plane_shape = store.shape
        """Of planes that differ in size, the largest when this was made: napari is told of it."""
        # napari has no colour for bool; the same bytes as uint8 are 0 and 1.
        self.dtype = np.dtype(np.uint8) if store.dtype == np.bool_ else store.dtype
        self._own = tuple(sorted(grid.names.index(name) for name in store.axes))
        """Where the store's axes stand in the grid."""
        in_grid = [grid.names[axis] for axis in self._own]
        self._order = tuple(in_grid.index(name) for name in store.axes)
        """The store's order of them, which need not be the grid's."""
        # Strides of 0: the blank plane of any size costs one pixel.
        self._blank = np.broadcast_to(np.zeros((), self.dtype), self._plane_shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the grid's axes, then of the plane's."""
        return self.grid.shape + self._plane_shape

    @property
    def ndim(self) -> int:
        """Number of axes, colour included."""
        return len(self.grid.labels) + len(self._plane_shape)

    @property
    def size(self) -> int:
        """Number of pixels, missing planes included."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the planes that are held, not of the array that they stand for."""
        return self.store.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"PlaneArray(shape={self.shape}, dtype={self.dtype}, planes={len(self.store)})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Build the whole array: for plugins that ask; napari's own drawing never does."""
        if copy is False:
            raise ValueError("the planes lie apart in memory: an array of them is always a copy")
        return np.array(self[()], dtype=dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Index with integers, slices and an ellipsis; anything else through a whole array."""
        picks = self._expand(key)
        if picks is None:
            whole: NDArray[Any] = np.asarray(self)[key]
            return whole
        leading, within = picks[: len(self.grid.labels)], picks[len(self.grid.labels) :]
        indices = [
            _positions(pick, length, name)
            for pick, length, name in zip(leading, self.grid.shape, self.grid.labels, strict=True)
        ]
        stack = self._stack(indices, within)
        # Integers drop their axis; what is left of the leading axes keeps its order.
        kept = tuple(slice(None) if isinstance(pick, slice) else 0 for pick in leading)
        return stack[kept]

    def _expand(self, key: Any) -> tuple[_Picks, ...] | None:
        """Return one integer or slice for each axis; None for a kind of key not among them."""
        parts = key if isinstance(key, tuple) else (key,)
        if not all(
            part is Ellipsis or isinstance(part, slice) or _is_index(part) for part in parts
        ):
            return None
        ellipses = sum(part is Ellipsis for part in parts)
        missing = self.ndim - (len(parts) - ellipses)
        if ellipses > 1 or missing < 0:
            raise IndexError(f"{key!r} is not an index into {self.ndim} axes")
        fill = (slice(None),) * missing
        if not ellipses:
            return (*parts, *fill)
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        return (*parts[:at], *fill, *parts[at + 1 :])

    def _stack(self, indices: list[range], within: tuple[_Picks, ...]) -> NDArray[Any]:
        """Return the planes at these positions, with all leading axes and `within` applied."""
        lengths = tuple(map(len, indices))
        own = [[self.grid.values[axis][index] for index in indices[axis]] for axis in self._own]
        shape = tuple(length if axis in self._own else 1 for axis, length in enumerate(lengths))
        if all(len(values) == 1 for values in own):
            plane = self._plane(tuple(values[0] for values in own))[within]
            stack = plane.reshape(shape + plane.shape)
        else:
            inner = self._blank[within].shape
            stack = np.zeros((*map(len, own), *inner), self.dtype)
            for place, coordinates in zip(np.ndindex(*map(len, own)), product(*own), strict=True):
                held: Any = self.store.get(self._key(coordinates))
                if held is not None:
                    stack[place] = self._fitted(held)[within]
            stack = stack.reshape(shape + inner)
        whole = lengths + stack.shape[len(lengths) :]
        return stack if stack.shape == whole else np.broadcast_to(stack, whole)

    def _plane(self, coordinates: tuple[Value, ...]) -> NDArray[Any]:
        held: Any = self.store.get(self._key(coordinates))
        plane = held.load() if isinstance(held, HeldPlane) else held
        return self._blank if plane is None else self._fitted(plane)

    def _fitted(self, plane: Any) -> NDArray[Any]:
        """Return a plane as large as all: with zeros at its right and bottom if it is smaller."""
        view: NDArray[Any] = np.asarray(plane).view(self.dtype)
        if view.shape == self._plane_shape:
            return view
        whole = np.zeros(self._plane_shape, self.dtype)
        height, width = self._plane_shape[:2]
        part = view[:height, :width]
        whole[: part.shape[0], : part.shape[1]] = part
        return whole

    def _key(self, coordinates: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple(coordinates[position] for position in self._order)


class LabelArray(PlaneArray):
    """Gives arrays that may be written to: napari's compiled colours of labels take no others."""

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Index as `PlaneArray`, with a copy of what may only be read."""
        found = super().__getitem__(key)
        return found if found.flags.writeable else found.copy()


def _is_index(part: object) -> bool:
    return isinstance(part, SupportsIndex) and not isinstance(part, (bool, np.ndarray))


def _positions(pick: _Picks, length: int, name: str) -> range:
    if isinstance(pick, slice):
        return range(*pick.indices(length))
    index = pick.__index__()
    if not -length <= index < length:
        raise IndexError(f"index {index} is beyond axis {name!r} of length {length}")
    return range(index % length, index % length + 1)
