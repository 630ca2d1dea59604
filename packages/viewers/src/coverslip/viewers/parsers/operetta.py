"""Operetta plates as Columbus and the first releases of Harmony export them.

``002003-1-001004002.tif``: row 2, column 3 (the well B03), field 1, then timepoint 1, z plane 4 and
channel 2, of three digits each.

Sources: ``<URL>005003-1-001001001.tif</URL>`` in Columbus's ImageIndex, as CellProfiler's scripts
for it read; the order timepoint, z, channel from public scripts for Columbus 2.4 exports ("XXX row
YYY column -Z- field UUU timepoint VVV z WWW channel"). Later releases of Harmony name files as the
Opera Phenix does (`coverslip.viewers.parsers.phenix`).
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.parsers.base import FilenameParser, well_name

__all__ = ["OperettaParser"]

_FILE = re.compile(
    r"(?P<row>(?!000)[0-9]{3})(?P<column>(?!000)[0-9]{3})-(?P<field>[0-9]+)-"
    r"(?P<timepoint>[0-9]{3})(?P<plane>[0-9]{3})(?P<channel>[0-9]{3})\.tiff?",
    re.IGNORECASE,
)


class OperettaParser(FilenameParser):
    """Read well, site, timepoint, channel and z_index from a Columbus file's name."""

    name: ClassVar[str] = "operetta"

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the components, or None for any other file."""
        match = _FILE.fullmatch(path.name)
        if match is None:
            return None
        return {
            "well": well_name(int(match["row"]), int(match["column"])),
            "site": int(match["field"]),
            "timepoint": int(match["timepoint"]),
            "channel": int(match["channel"]),
            "z_index": int(match["plane"]),
        }
