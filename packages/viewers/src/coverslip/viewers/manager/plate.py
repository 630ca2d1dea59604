"""A folder as a plate: which file is of which well, and what could not be made out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from coverslip.payload import natural_key
from coverslip.viewers.plates.contents import Entry, collect
from coverslip.viewers.wells import PLATE, WELL

__all__ = ["Plate", "read_plate"]


@dataclass(frozen=True)
class Plate:
    """What a folder holds.

    Parameters
    ----------
    folder : Path
        Where it was found.
    parser : str
        What read the names, or ``ome-zarr``.
    files : tuple of Entry
        In natural order of what they are of: well by well, what has no z before what has one.
    names : tuple of str
        The components there are, in the order of their first mention; no plate, if it is one.
    unknown, left_out : int
        Files whose names say nothing, and files that are known to be no planes.
    problems : dict of str to str
        Images of an OME-Zarr that cannot be opened, each with the reason.
    """

    folder: Path
    parser: str
    files: tuple[Entry, ...]
    names: tuple[str, ...]
    unknown: int = 0
    left_out: int = 0
    problems: dict[str, str] = field(default_factory=dict)

    @cached_property
    def wells(self) -> Counter[str]:
        """Files of each well."""
        return Counter(str(file.components[WELL]) for file in self.files if WELL in file.components)


def read_plate(folder: Path, pattern: str | None = None) -> Plate:
    """Read the names of a folder's files, or an OME-Zarr's metadata; no pixels.

    Parameters
    ----------
    folder : Path
        The folder.
    pattern : str, optional
        The names as a format string, where no parser knows them.

    Raises
    ------
    FileNotFoundError, coverslip.viewers.ViewerError
        There is nothing, or no parser can read its names; the message says what was tried.
    """
    contents = collect([folder], "auto", pattern)
    names: dict[str, None] = {}
    for file in contents.entries:
        names.update(dict.fromkeys(file.components))
    # Not by their names: ImageXpress's have the digit of a channel and at once a random number's.
    files = sorted(contents.entries, key=lambda file: _order(file, names))
    if len({file.components.get(PLATE) for file in files}) == 1:
        names.pop(PLATE, None)
    return Plate(
        folder=folder,
        parser=contents.listing.parser,
        files=tuple(files),
        names=tuple(names),
        unknown=len(contents.listing.unknown),
        left_out=contents.listing.left_out,
        problems=contents.problems,
    )


def _order(file: Entry, names: Iterable[str]) -> list[tuple[object, ...]]:
    known = file.components
    return [natural_key(known[name]) if name in known else () for name in names]
