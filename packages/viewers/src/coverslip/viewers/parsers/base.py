"""What a filename parser is: a path in, components out, without opening the file.

Microscopes say in names and folders what a plane is of. Each convention is one small class; which
there are, `registry` knows, and `folder` applies one to the files that a user names.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.wells import row_name

__all__ = ["FilenameParser", "Parsed", "folder_number", "well_name"]


@dataclass(frozen=True)
class Parsed:
    """A file and what its name says of it.

    Parameters
    ----------
    path : Path
        The file, as the user reached it.
    components : dict of str to str, int or float
        In the order in which the parser names them; a component that the name does not give is
        absent.
    """

    path: Path
    components: dict[str, Value]


class FilenameParser(ABC):
    """One convention of naming files. Stateless: any thread may call it."""

    name: ClassVar[str]
    """What the registry and the command line call it."""

    spare: ClassVar[tuple[str, ...]] = ()
    """Components that most plates do not need: left out where planes are told apart without."""

    @abstractmethod
    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the components that a path gives, or None where it is not of this convention.

        Parameters
        ----------
        path : PurePath
            Folders are part of the convention: pass as much of the path as there is.
        """

    def leaves_out(self, path: PurePath) -> bool:
        """Tell whether a file belongs to the convention and is no plane, as thumbnails are."""
        return False


def well_name(row: int, column: int) -> str:
    """Return the name of a well, rows and columns counted from 1: ``A01``, and ``AA01`` past Z.

    Raises
    ------
    ValueError
        There is no such row or column.
    """
    if row < 1 or column < 1:
        raise ValueError(f"row {row}, column {column}: both are counted from 1")
    return f"{row_name(row - 1)}{column:02d}"


def folder_number(path: PurePath, pattern: re.Pattern[str]) -> int | None:
    """Return the number in the innermost folder whose whole name matches, or None."""
    for folder in path.parents:
        match = pattern.fullmatch(folder.name)
        if match is not None:
            return int(match[1])
    return None
