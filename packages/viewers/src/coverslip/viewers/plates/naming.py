"""What the names of files say that come one after another: by one parser, chosen once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coverslip.payload import Value
from coverslip.viewers.parsers import FilenameParser, choose
from coverslip.viewers.parsers.folder import natural_order
from coverslip.viewers.parsers.listing import without
from coverslip.viewers.parsers.plate import on_plate

__all__ = ["Naming"]


class Naming:
    """Reads names by the parser that knew the most of the first ones. For one thread.

    Parameters
    ----------
    parsers : sequence of FilenameParser
        Those to choose from.
    plate : str
        What all files are of, unless their names say otherwise.
    """

    def __init__(self, parsers: Sequence[FilenameParser], plate: str) -> None:
        self.parser: FilenameParser | None = None
        self.unknown: set[Path] = set()
        """Files whose names could not be read."""
        self.left_out: set[Path] = set()
        """Files that are known to be no planes."""
        self.same_place: dict[Path, Path] = {}
        """Files whose names say the same as that of another, which came first."""
        self._parsers = list(parsers)
        self._plate = plate
        self._spared: tuple[str, ...] = ()
        self._places: dict[frozenset[tuple[str, Value]], Path] = {}

    def learn(self, files: Sequence[Path]) -> None:
        """Choose a parser, if there is none yet, by these names and those that none could read.

        Raises
        ------
        NoParserMatches, AmbiguousNames
            None reads any, and what was tried; or several read as many, and differ.
        """
        if self.parser is not None or not files:
            return
        listing = choose(sorted(self.unknown.union(files), key=natural_order), self._parsers)
        self.parser = next(each for each in self._parsers if each.name == listing.parser)
        self._spared = listing.spared

    def read(self, path: Path) -> dict[str, Value] | None:
        """Return what a name says, or None, and note why, where it is no plane's."""
        if self.parser is None:
            self.unknown.add(path)
            return None
        if self.parser.leaves_out(path):
            self.unknown.discard(path)
            self.left_out.add(path)
            return None
        whole = self.parser.parse(path)
        if whole is None:
            self.unknown.add(path)
            return None
        self.unknown.discard(path)
        components = on_plate(without(whole, self._spared), self._plate)
        holder = self._places.setdefault(frozenset(components.items()), path)
        if holder != path:
            self.same_place[path] = holder
        return components
