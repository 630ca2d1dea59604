"""Values seen on each axis, in natural order, and one order of axes for a whole viewer.

Holds no pixels: `coverslip.payload.placement` decides which components become axes, and
`coverslip.payload.store` keeps the planes.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Final

from coverslip.payload.schema import Value

__all__ = [
    "CANONICAL_ORDER",
    "SHORT_NAMES",
    "Axes",
    "Axis",
    "Value",
    "canonical_rank",
    "natural_key",
]

CANONICAL_ORDER: Final = ("well", "site", "timepoint", "channel", "z_index")
"""Order of the well-known axes, slowest first; any other axis stands left of them."""

SHORT_NAMES: Final[Mapping[str, str]] = {"z": "z_index", "t": "timepoint"}
"""What axes are called for short, where nothing is called so in full."""

_DIGITS = re.compile(r"([0-9]+)")
_LATE_WELL = re.compile(r"A[A-V][0-9]{1,2}")
"""A well in a row past Z. Plates of 1536 wells have rows A to AF, those of 3456 A to AV; any other
two letters with a number are none, such as the channels ``Cy5`` and ``ch1``."""


def natural_key(value: Value) -> tuple[object, ...]:
    """Return a key that sorts `value` as people do: 2 < 10, A2 < A10, numbers before text.

    Wells stand as on their plate: the row after Z is AA, so Z48 < AA01. Rows AA to AV in capital
    letters and at most two digits are such a well.

    Parameters
    ----------
    value : str, int or float
        A finite number or a text.

    Returns
    -------
    tuple
        Comparable with the key of any other value; different values have different keys.
    """
    if not isinstance(value, str):
        return (0, value)
    text = value.casefold()
    # With a "z" before it, a row of two letters comes after Z and before any other text in "z…".
    parts = _DIGITS.split(f"z{text}" if _LATE_WELL.fullmatch(value) else text)
    # Length before digits orders numbers of any size without int(), which refuses 5000 digits.
    numbers = tuple((len(digits := part.lstrip("0")), digits) for part in parts[1::2])
    # Splitting alternates text and digits, so keys of any two texts compare like with like.
    chunks = tuple(
        item for pair in zip(parts[0::2], (*numbers, (0, "")), strict=True) for item in pair
    )
    return (1, chunks, value)


class Axis:
    """The values seen on one axis, each once, in natural order. For one thread at a time.

    Parameters
    ----------
    name : str
        The component that the axis stands for.
    """

    __slots__ = ("_keys", "_values", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._keys: list[tuple[object, ...]] = []
        self._values: list[Value] = []

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Value]:
        return iter(self._values)

    def __getitem__(self, index: int) -> Value:
        return self._values[index]

    def __contains__(self, value: Value) -> bool:
        return self._find(value)[1]

    def __repr__(self) -> str:
        return f"Axis({self.name!r}, {self._values!r})"

    @property
    def values(self) -> tuple[Value, ...]:
        """All values, in order; a copy."""
        return tuple(self._values)

    def insert(self, value: Value) -> int | None:
        """Add `value` where natural order puts it, by binary search.

        Returns
        -------
        int or None
            Its index if it is new (the indices from there on increase by one), None if it was seen.
        """
        index, seen = self._find(value)
        if seen:
            return None
        self._keys.insert(index, natural_key(value))
        self._values.insert(index, value)
        return index

    def remove(self, value: Value) -> None:
        """Remove a value, if it is there; the indices of those above it decrease by one."""
        index, seen = self._find(value)
        if seen:
            del self._keys[index], self._values[index]

    def index_of(self, value: Value) -> int:
        """Return the index of a value.

        Raises
        ------
        KeyError
            The value was never seen on this axis.
        """
        index, seen = self._find(value)
        if not seen:
            raise KeyError(f"axis {self.name!r} has no value {value!r}")
        return index

    def _find(self, value: Value) -> tuple[int, bool]:
        key = natural_key(value)
        index = bisect_left(self._keys, key)
        return index, index < len(self._keys) and self._keys[index] == key


class Axes:
    """The leading axes of every layer of one viewer, in one order. For one thread at a time.

    Well-known axes are in `CANONICAL_ORDER`, so that a late ``timepoint`` is inserted between
    those that are there; any other axis is to the left of these, in the order first seen. The
    plane's own axes (y, x) are not among them: they are always the last.
    """

    __slots__ = ("_axes",)

    def __init__(self) -> None:
        self._axes: dict[str, Axis] = {}

    def __len__(self) -> int:
        return len(self._axes)

    def __iter__(self) -> Iterator[Axis]:
        return iter(self._axes.values())

    def __contains__(self, name: str) -> bool:
        return name in self._axes

    def __getitem__(self, name: str) -> Axis:
        return self._axes[name]

    def __repr__(self) -> str:
        return f"Axes({', '.join(f'{axis.name}: {len(axis)}' for axis in self)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes, slowest first."""
        return tuple(self._axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values on each axis."""
        return tuple(map(len, self._axes.values()))

    def see(self, coordinates: Mapping[str, Value]) -> tuple[str, ...]:
        """Make room for a plane.

        Parameters
        ----------
        coordinates : mapping of str to value
            The plane's place, by axis.

        Returns
        -------
        tuple of str
            The axes that are new or have a new value; empty when nothing grew.
        """
        grown = []
        for name, value in coordinates.items():
            axis = self._axes.get(name)
            if axis is None:
                axis = self._add(name)
            if axis.insert(value) is not None:
                grown.append(name)
        return tuple(grown)

    def index(self, coordinates: Mapping[str, Value]) -> tuple[int | None, ...]:
        """Return the index on each axis; None for an axis that `coordinates` leaves out.

        Raises
        ------
        KeyError
            A value was never seen.
        """
        return tuple(
            axis.index_of(coordinates[axis.name]) if axis.name in coordinates else None
            for axis in self
        )

    def clear(self) -> None:
        """Forget all axes."""
        self._axes.clear()

    def _add(self, name: str) -> Axis:
        order = list(self._axes.values())
        axis = Axis(name)
        ranks = [canonical_rank(other.name) for other in order]
        order.insert(bisect_right(ranks, canonical_rank(name)), axis)
        self._axes = {other.name: other for other in order}
        return axis


def canonical_rank(name: str) -> int:
    """Return an axis's place in `CANONICAL_ORDER`; -1, left of all those, for any other axis."""
    return CANONICAL_ORDER.index(name) if name in CANONICAL_ORDER else -1
