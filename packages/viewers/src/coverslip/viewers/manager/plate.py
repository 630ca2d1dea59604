"""A folder of files as a plate: which file is of which well."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from coverslip.payload import Value
from coverslip.viewers.parsers import list_planes
from coverslip.viewers.wells import WELL

__all__ = ["Plate", "PlateFile", "read_plate"]


@dataclass(frozen=True)
class PlateFile:
    """One file and what its name says it is of."""

    path: Path
    components: dict[str, Value]


@dataclass(frozen=True)
class Plate:
    """What a folder holds.

    Parameters
    ----------
    folder : Path
        Where it was found.
    parser : str
        What read the names.
    files : tuple of PlateFile
        In natural order.
    names : tuple of str
        The components there are, in the order of their first mention.
    unknown, left_out : int
        Files whose names say nothing, and files that are known to be no planes.
    """

    folder: Path
    parser: str
    files: tuple[PlateFile, ...]
    names: tuple[str, ...]
    unknown: int
    left_out: int

    @property
    def wells(self) -> Counter[str]:
        """Files of each well."""
        return Counter(str(file.components[WELL]) for file in self.files if WELL in file.components)


def read_plate(folder: Path, pattern: str | None = None) -> Plate:
    """Read the names of a folder's files; opens none.

    Raises
    ------
    FileNotFoundError, coverslip.viewers.ViewerError
        There is nothing, or no parser can read its names; the message says what was tried.
    """
    listing = list_planes([folder], pattern=pattern)
    names: dict[str, None] = {}
    for parsed in listing.planes:
        names.update(dict.fromkeys(parsed.components))
    return Plate(
        folder=folder,
        parser=listing.parser,
        files=tuple(PlateFile(parsed.path, parsed.components) for parsed in listing.planes),
        names=tuple(names),
        unknown=len(listing.unknown),
        left_out=listing.left_out,
    )
