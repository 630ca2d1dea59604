"""Yokogawa CellVoyager plates: CV7000 and CV8000.

``AssayPlate_Greiner_#655090_D08_T0001F002L01A01Z03C01.tif``: the plate's name, the well, timepoint
1, field 2, time line 1, action 1, z plane 3, channel 1. ``MeasurementData.mlf`` beside the planes
lists them once more, ``MeasurementDetail.mrf`` describes the channels. Neither is opened.

Sources: names of the JUMP data set, source 10 (``…_K06_T0001F001L01A03Z01C04.tif``), and the page
"Yokogawa CellVoyager" of fractal-uzh-converters. Corrections (``DC_…``, ``SC_…``) lie beside the
planes and are none.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.parsers.base import FilenameParser

__all__ = ["CellVoyagerParser"]

_FILE = re.compile(
    r"(?:.+_)?(?P<well>[A-Z]{1,2}[0-9]{2})"
    r"_T(?P<timepoint>[0-9]+)F(?P<field>[0-9]+)L(?P<timeline>[0-9]+)"
    r"A(?P<action>[0-9]+)Z(?P<plane>[0-9]+)C(?P<channel>[0-9]+)(?i:\.tiff?)"
)
_CORRECTION = re.compile(r"(?:DC|SC)_.*(?i:\.tiff?)")


class CellVoyagerParser(FilenameParser):
    """Read well, site, timepoint, channel and z_index from a CV7000's or CV8000's file name.

    An action takes the channels that it lists, so it mostly says again what the channel says, and a
    second time line is rare: ``timeline`` and ``action`` are read, and left out where planes are
    told apart without.
    """

    name: ClassVar[str] = "cv8000"
    spare: ClassVar[tuple[str, ...]] = ("action", "timeline")

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the components, or None for any other file."""
        match = _FILE.fullmatch(path.name)
        if match is None:
            return None
        return {
            "well": match["well"],
            "site": int(match["field"]),
            "timepoint": int(match["timepoint"]),
            "channel": int(match["channel"]),
            "z_index": int(match["plane"]),
            "timeline": int(match["timeline"]),
            "action": int(match["action"]),
        }

    def leaves_out(self, path: PurePath) -> bool:
        """Tell whether it is an image that corrects others, as of shading or of the camera."""
        return _CORRECTION.fullmatch(path.name) is not None and _FILE.fullmatch(path.name) is None
