"""Plates that MetaXpress exported, with everything in the name instead of in folders.

``A01_s1_w1_z3.tif`` and ``Experiment_A01_s1_w1_t2_z3.tif``: well, site, channel, then timepoint
and z where there are any; ``Protocol_t0_C05_s0_w0_z0.tif``, counted from 0, as ImageXpress HCS.ai
writes them. Folders say what a name does not (``TimePoint_1``, ``timepoint0``, ``ZStep_2``).

Sources: the appendix "Microscope formats" of EZStitcher's documentation (``A01_s1_w1_z1.tif``), and
the page "Molecular Devices ImageXpress HCS.ai" of fractal-uzh-converters (``_t0_C05_s0_w0_z0``).
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.parsers.base import FilenameParser, folder_number

__all__ = ["MetaXpressParser"]

# Case tells the well S10 from the site s10. At least the channel has to be there: a name that ends
# in a well alone might be anybody's.
_FILE = re.compile(
    r"(?:.+?_)??"
    r"(?:t(?P<early>[0-9]+)_)?"
    r"(?P<well>[A-Z]{1,2}[0-9]{2})"
    r"(?:_s(?P<site>[0-9]+))?"
    r"_w(?P<channel>[0-9]+)"
    r"(?:_t(?P<timepoint>[0-9]+))?"
    r"(?:_z(?P<z>[0-9]+))?"
    r"(?P<thumb>_thumb)?"
    r"(?i:\.tiff?)"
)
_TIMEPOINT = re.compile(r"TimePoint_?([0-9]+)", re.IGNORECASE)
_Z = re.compile(r"ZStep_?([0-9]+)", re.IGNORECASE)


class MetaXpressParser(FilenameParser):
    """Read well, site, timepoint, channel and z_index from an exported file's name."""

    name: ClassVar[str] = "metaxpress"

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the components, or None for any other file and for a thumbnail."""
        match = _FILE.fullmatch(path.name)
        if match is None or match["thumb"]:
            return None
        timepoint = match["timepoint"] or match["early"] or folder_number(path, _TIMEPOINT)
        z_index = match["z"] or folder_number(path, _Z)
        components: dict[str, Value] = {"well": match["well"]}
        if match["site"]:
            components["site"] = int(match["site"])
        if timepoint is not None:
            components["timepoint"] = int(timepoint)
        components["channel"] = int(match["channel"])
        if z_index is not None:
            components["z_index"] = int(z_index)
        return components

    def leaves_out(self, path: PurePath) -> bool:
        """Tell whether it is a thumbnail."""
        match = _FILE.fullmatch(path.name)
        return match is not None and bool(match["thumb"])
