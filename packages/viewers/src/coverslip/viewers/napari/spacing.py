"""How far apart neighbours are on each axis, and in what unit: one answer for all layers.

napari slices layers by their world coordinates, so a component's axis has one step in all layers
of a viewer. y and x may differ from layer to layer, as a binned image's do, and are the first that
were declared for a layer whose planes declare none. Lengths are in micrometres.

napari counts an axis in the smallest step of all layers, in numbers of 32 bits, and is of no more
use once there are more. So steps that lie too far apart are not taken over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from coverslip.payload import SHORT_NAMES, Display
from coverslip.viewers.bursts import Burst

__all__ = ["Spacing"]

logger = logging.getLogger(__name__)

_SPACE = frozenset({"y", "x", "z", "z_index"})
"""The axes that a unit of length is of."""

_PIXEL = "pixel"

_LENGTH = "micrometer"

_LEAST, _MOST = 1e-5, 1e6
"""Steps that can stand beside those of a user's own layer, which are 1."""

_APART = 32.0
"""How many times as large, or as small, as the first one a step on y or x may be."""


class Spacing:
    """The steps that planes have declared so far; the first declaration of an axis holds."""

    def __init__(self) -> None:
        self._steps: dict[str, float] = {}
        self.unit = _PIXEL
        self._unknown = Burst(logger, "plane(s) in a unit of no length: in pixels")
        self._odd = Burst(logger, "step(s) too far from all others to be drawn: as the others are")

    def learn(self, display: Display, axes: Iterable[str]) -> bool:
        """Take notice of what a plane declares; return whether the components' axes change.

        Parameters
        ----------
        display : Display
            What the plane declares.
        axes : iterable of str
            The components that are axes.
        """
        changed = False
        known = {*axes, "y", "x"}
        for name, step in _steps(display).items():
            full = SHORT_NAMES.get(name, name)
            axis = full if name not in known and full in known else name
            if axis not in known or axis in self._steps:
                continue
            if _LEAST <= step <= _MOST:
                self._steps[axis] = step
                changed = True
            else:
                self._odd.count(f"{step:g} on {name}, unit {display.unit!r}")
        if display.unit and self.unit == _PIXEL:
            if _micrometres(display.unit) is None:
                self._unknown.count(repr(display.unit))
            else:
                self.unit = _LENGTH
                changed = True
        return changed

    def of(
        self, names: Sequence[str], scale: Sequence[float], display: Display | None = None
    ) -> tuple[list[float], list[str]]:
        """Return scale and units for a layer.

        Parameters
        ----------
        names : sequence of str
            The layer's axes.
        scale : sequence of float
            What it has now, or another layer that it lies over.
        display : Display, optional
            What its own planes declare of y and x.
        """
        own = {} if display is None else _steps(display)
        steps = []
        for name, now in zip(names, scale, strict=True):
            step = self._steps.get(name, float(now))
            if name in ("y", "x") and name in own:
                if step / _APART <= own[name] <= step * _APART:
                    step = own[name]
                else:
                    self._odd.count(f"{own[name]:g} on {name}")
            steps.append(step)
        return steps, [self.unit if name in _SPACE else _PIXEL for name in names]

    def clear(self) -> None:
        """Forget all: nothing is shown any more."""
        self._steps.clear()
        self.unit = _PIXEL


def _steps(display: Display) -> dict[str, float]:
    """Return what a plane declares, lengths in micrometres."""
    factor = _micrometres(display.unit) if display.unit else None
    return {
        name: step * factor if factor and SHORT_NAMES.get(name, name) in _SPACE else step
        for name, step in display.scale.items()
    }


@lru_cache(maxsize=64)
def _micrometres(unit: str) -> float | None:
    """Return how many micrometres a unit is, or None where it is no length, or none at all."""
    import pint

    units: Any = pint.get_application_registry()  # type: ignore[no-untyped-call]  # pint's own gap
    # pint evaluates what is more than a name: ``9**9**9**9`` would never end.
    if not unit.isalpha():
        return None
    try:
        return float(units.Quantity(1.0, unit).to(_LENGTH).magnitude)
    except (pint.UndefinedUnitError, pint.DimensionalityError):
        return None
