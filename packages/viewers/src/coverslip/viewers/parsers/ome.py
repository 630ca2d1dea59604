"""OME-TIFF files, which say themselves what they hold.

``nuclei.ome.tif``: from the name comes no more than the file's own, as the component ``image``.
Channel names, z, t, well and field stand inside and are read with the planes
(`coverslip.viewers.plates.tiff`), where a well that the file gives takes the place of ``image``.

Source: the OME-TIFF specification, "File naming": the extension is ``.ome.tif`` or ``.ome.tiff``,
``.ome.tf2``, ``.ome.tf8`` or ``.ome.btf`` where the file is a BigTIFF.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.parsers.base import FilenameParser

__all__ = ["OmeTiffParser"]

_FILE = re.compile(r"(?P<image>.+)\.ome\.(?:tiff?|tf[28]|btf)", re.IGNORECASE)


class OmeTiffParser(FilenameParser):
    """Name an OME-TIFF file's image; the rest is inside."""

    name: ClassVar[str] = "ome"

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the image's name, or None for any other file."""
        match = _FILE.fullmatch(path.name)
        return None if match is None else {"image": match["image"]}
