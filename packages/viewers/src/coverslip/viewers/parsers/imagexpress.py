"""ImageXpress plates, as MetaXpress writes them.

``…/TimePoint_2/ZStep_10/Experiment_C07_s2_w1D5F8F51A-3E85-4358-AE51-A465AF87386F.tif``: the well,
the site, and the channel, which the file's UUID follows at once. Timepoint and z come from folders;
a plane that lies in no ``ZStep`` folder, such as a projection, has no z. Thumbnails lie beside the
planes with ``_thumb`` before the UUID.

The layout was read off the plates of faim-ipa (Molecular Devices ImageXpress, 2023 and 2024).
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.parsers.base import FilenameParser, folder_number

__all__ = ["ImageXpressParser"]

# A UUID has 36 characters of known form, so it can be told from the channel's digits before it,
# although it may begin with a digit itself: in `_w11D01380B-…` the channel is 1. Case tells the
# well S10 from the site s10.
_FILE = re.compile(
    r".+_(?P<well>[A-Z]{1,2}[0-9]{2})"
    r"(?:_s(?P<site>[0-9]+))?"
    r"_w(?P<channel>[0-9]+)"
    r"(?P<thumb>_thumb)?"
    r"(?i:[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12})?"
    r"(?i:\.tiff?)"
)
_FOLDERS = {
    "timepoint": re.compile(r"TimePoint_([0-9]+)", re.IGNORECASE),
    "z_index": re.compile(r"ZStep_([0-9]+)", re.IGNORECASE),
}


class ImageXpressParser(FilenameParser):
    """Read well, site, timepoint, channel and z_index from a MetaXpress path."""

    name: ClassVar[str] = "imagexpress"

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the components, or None for any other file and for a thumbnail."""
        match = _FILE.fullmatch(path.name)
        if match is None or match["thumb"]:
            return None
        components: dict[str, Value] = {"well": match["well"]}
        if match["site"]:
            components["site"] = int(match["site"])
        folders = {name: folder_number(path, pattern) for name, pattern in _FOLDERS.items()}
        if folders["timepoint"] is not None:
            components["timepoint"] = folders["timepoint"]
        components["channel"] = int(match["channel"])
        if folders["z_index"] is not None:
            components["z_index"] = folders["z_index"]
        return components

    def leaves_out(self, path: PurePath) -> bool:
        """Tell whether it is a thumbnail."""
        match = _FILE.fullmatch(path.name)
        return match is not None and bool(match["thumb"])
