"""How long a pixel, a slice and a frame are: `Display.scale` and `unit` as ImageJ has them.

ImageJ has one length for each of x, y and z, one interval for t, and one unit for the lengths. An
axis of ImageJ's that stands for several components has the step of the fastest of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from coverslip.payload import Display
from coverslip.viewers.fiji.stack import Layout

__all__ = ["Lengths", "Ruler"]

_SECONDS: Final = {"ms": "ms", "s": "sec", "sec": "sec", "second": "sec", "min": "min", "h": "hr"}
"""Units of time that a source may give, by ImageJ's names for them."""

_MICRONS: Final = frozenset(
    {
        "um",
        "\N{MICRO SIGN}m",
        "\N{GREEK SMALL LETTER MU}m",
        "micron",
        "microns",
        "micrometer",
        "micrometers",
    }
)


class Lengths(NamedTuple):
    """A calibration: the distance of two neighbours on each axis."""

    x: float = 1.0
    y: float = 1.0
    z: float = 1.0
    t: float = 0.0
    unit: str = "pixel"
    time_unit: str = "sec"

    @classmethod
    def of(cls, display: Display, layout: Layout) -> Lengths | None:
        """Return what a source says of a window's axes; None if it says nothing.

        Parameters
        ----------
        display : Display
            Its `scale` by axis: ``y``, ``x`` and components; its `unit`, of the lengths or, if it
            is one, of time.
        layout : Layout
            Which components stand on the window's axes.
        """
        scale = display.scale
        z, t = _step(scale, layout.slices), _step(scale, layout.frames)
        x, y = scale.get("x"), scale.get("y")
        if x is None and y is None and z is None and t is None:
            return None
        unit, time_unit = display.unit or "", "sec"
        if unit.casefold() in _SECONDS:
            unit, time_unit = "", _SECONDS[unit.casefold()]
        side = x or y or 1.0
        return cls(x or side, y or side, z or 1.0, t or 0.0, _length_unit(unit), time_unit)


def _step(scale: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((scale[name] for name in reversed(names) if name in scale), None)


def _length_unit(unit: str) -> str:
    # As ImageJ writes it, and labels its scale bars with it.
    return "\N{MICRO SIGN}m" if unit.casefold() in _MICRONS else unit or "pixel"


class Ruler:
    """Keeps one window's calibration: the source's until the user sets one. Event thread only."""

    def __init__(self) -> None:
        self._asked: Lengths | None = None
        self._applied: Lengths | None = None

    def see(self, display: Display, layout: Layout) -> None:
        """Note what a new plane says; one that says nothing changes nothing."""
        self._asked = Lengths.of(display, layout) or self._asked

    def adopt(self, other: Ruler) -> None:
        """Take what another window's planes say, until one of this window says otherwise."""
        self._asked = self._asked or other._asked

    def apply(self, imp: Any) -> bool:
        """Calibrate an image; return whether that changed it."""
        if self._asked is None or self._asked == self._applied:
            return False
        theirs = imp.getCalibration()
        if self._applied is not None and self._applied != _read(theirs):
            return False  # the user knows better
        ours = theirs.copy()
        ours.pixelWidth, ours.pixelHeight, ours.pixelDepth = self._asked[:3]
        ours.frameInterval = self._asked.t
        ours.setUnit(self._asked.unit)
        ours.setTimeUnit(self._asked.time_unit)
        imp.setCalibration(ours)
        # As ImageJ has it: it writes some units in its own way.
        self._asked = self._applied = _read(ours)
        return True


def _read(calibration: Any) -> Lengths:
    return Lengths(
        float(calibration.pixelWidth),
        float(calibration.pixelHeight),
        float(calibration.pixelDepth),
        float(calibration.frameInterval),
        str(calibration.getUnit()),
        str(calibration.getTimeUnit()),
    )
