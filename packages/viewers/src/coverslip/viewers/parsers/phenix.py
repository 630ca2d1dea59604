"""Opera Phenix and Operetta plates, as Harmony writes them.

``…/Images/r01c02f03p04-ch1sk1fk1fl1.tiff``: row 1, column 2 (the well A02), field 3, z plane 4,
channel 1, timepoint 1 (``sk``, of the slow kinetics), frame 1 of a fast series (``fk``) and
fluorescence lifetime 1 (``fl``). Some exports end after the channel.

Sources: ``Index.idx.xml`` of Harmony 4.1, quoted in mobie-viewer-fiji issue 987, which has for such
a file Row, Col, FieldID, PlaneID, TimepointID, ChannelID and FlimID; the page "PerkinElmer Operetta
/ Opera Phenix" of fractal-uzh-converters; and the short form from EZStitcher's parser.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.parsers.base import FilenameParser, well_name

__all__ = ["OperaPhenixParser"]

_FILE = re.compile(
    r"r(?P<row>0*[1-9][0-9]*)c(?P<column>0*[1-9][0-9]*)"
    r"f(?P<field>[0-9]+)p(?P<plane>[0-9]+)-ch(?P<channel>[0-9]+)"
    r"(?:sk(?P<timepoint>[0-9]+)fk(?P<frame>[0-9]+)fl(?P<lifetime>[0-9]+))?"
    r"\.tiff?",
    re.IGNORECASE,
)


class OperaPhenixParser(FilenameParser):
    """Read well, site, timepoint, channel and z_index from a Harmony file's name.

    ``fast_frame`` and ``lifetime`` are read too, and left out of plates that have one of each.
    """

    name: ClassVar[str] = "opera_phenix"
    spare: ClassVar[tuple[str, ...]] = ("fast_frame", "lifetime")

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the components, or None for any other file."""
        match = _FILE.fullmatch(path.name)
        if match is None:
            return None
        components: dict[str, Value] = {
            "well": well_name(int(match["row"]), int(match["column"])),
            "site": int(match["field"]),
        }
        if match["timepoint"]:
            components["timepoint"] = int(match["timepoint"])
        components |= {"channel": int(match["channel"]), "z_index": int(match["plane"])}
        if match["timepoint"]:
            components |= {
                "fast_frame": int(match["frame"]),
                "lifetime": int(match["lifetime"]),
            }
        return components
