"""Distances between pixels, as files give them, in one unit."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from coverslip.payload import Display

__all__ = ["calibrated", "display_of"]

_MICROMETERS = {
    "pm": 1e-6,
    "picometer": 1e-6,
    "angstrom": 1e-4,
    "Å": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "\N{GREEK SMALL LETTER MU}m": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
}
"""The units of OME-TIFF and OME-Zarr that occur in microscopy. Others have no length here."""


def display_of(steps: Mapping[str, tuple[float, str | None]]) -> Display:
    """Return the scale of a picture's axes, in micrometers where all of them have a length.

    Parameters
    ----------
    steps : mapping of str to (float, str or None)
        The distance of two neighbours on each axis, and its unit. What is no positive number is
        left out; so is the unit, where one is missing or unknown.
    """
    sound = {
        axis: (step, unit)
        for axis, (step, unit) in steps.items()
        if math.isfinite(step) and step > 0
    }
    if sound and all(unit in _MICROMETERS for _, unit in sound.values()):
        scale = {axis: step * _MICROMETERS[unit or ""] for axis, (step, unit) in sound.items()}
        return Display(scale=scale, unit="um")
    return Display(scale={axis: step for axis, (step, _) in sound.items()})


def calibrated(asked: Display, own: Display) -> Display:
    """Return what is asked for, with a picture's own distances where nothing is said of them.

    Parameters
    ----------
    asked : Display
        What the user has configured; wins, axis by axis.
    own : Display
        The picture's, from `display_of`. In a unit that the user asks for its distances are
        converted; where that is no length they are left out, for a scale has one unit.
    """
    if asked.unit is None or own.unit is None:
        scale = own.scale
    elif asked.unit in _MICROMETERS:
        factor = _MICROMETERS[own.unit] / _MICROMETERS[asked.unit]
        scale = {axis: step * factor for axis, step in own.scale.items()}
    else:
        scale = {}
    return msgspec.structs.replace(
        asked, scale={**scale, **asked.scale}, unit=own.unit if asked.unit is None else asked.unit
    )
