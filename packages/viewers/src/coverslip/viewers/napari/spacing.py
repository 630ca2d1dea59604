"""How far apart neighbours are on each axis, and in what unit: one answer for all layers.

napari slices layers by their world coordinates, so a component's axis has one step in all layers
of a viewer; y and x may differ from layer to layer, as a binned image's do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from coverslip.payload import SHORT_NAMES, Display
from coverslip.viewers.bursts import Burst

__all__ = ["Spacing"]

logger = logging.getLogger(__name__)

_SPACE = frozenset({"y", "x", "z", "z_index"})
"""The axes that a unit of length is of."""

_PIXEL = "pixel"


class Spacing:
    """The steps that planes have declared so far; the first declaration of an axis holds."""

    def __init__(self) -> None:
        self._steps: dict[str, float] = {}
        self.unit = _PIXEL
        self._unknown = Burst(logger, "plane(s) in a unit that napari does not know: in pixels")

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
        known = set(axes)
        for name, step in display.scale.items():
            full = SHORT_NAMES.get(name, name)
            axis = full if name not in known and full in known else name
            if axis in known and axis not in self._steps:
                self._steps[axis] = step
                changed = True
        if display.unit and self.unit == _PIXEL:
            unit = _spelled(display.unit)
            if unit is None:
                self._unknown.count(repr(display.unit))
            else:
                self.unit = unit
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
        own = {} if display is None else display.scale
        steps = [
            own[name] if name in ("y", "x") and name in own else self._steps.get(name, float(now))
            for name, now in zip(names, scale, strict=True)
        ]
        return steps, [self.unit if name in _SPACE else _PIXEL for name in names]

    def clear(self) -> None:
        """Forget all: nothing is shown any more."""
        self._steps.clear()
        self.unit = _PIXEL


def _spelled(unit: str) -> str | None:
    """Return a unit as napari writes it, or None where it knows no such one."""
    import pint

    units: Any = pint.get_application_registry()  # type: ignore[no-untyped-call]  # pint's own gap
    # pint evaluates what is more than a name: ``9**9**9**9`` would never end.
    if not unit.isalpha():
        return None
    try:
        return str(units.parse_units(unit))
    except pint.UndefinedUnitError:
        return None
