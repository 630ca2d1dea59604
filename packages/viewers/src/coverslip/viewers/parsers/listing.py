"""What one parser makes of many names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coverslip.payload import Value
from coverslip.viewers.parsers.base import FilenameParser, Parsed

__all__ = ["Listing", "parse_files", "parse_whole", "without"]


@dataclass(frozen=True)
class Listing:
    """What was found under the paths that a user named.

    Parameters
    ----------
    parser : str
        The name of the parser that read the names.
    planes : tuple of Parsed
        Files to show, in natural order (``ZStep_2`` before ``ZStep_10``).
    unknown : tuple of Path
        Files whose names the parser could not read.
    left_out : int
        Number of files that are known to be no planes, such as thumbnails.
    spared : tuple of str
        Components that the parser names and that no plane here needs.
    """

    parser: str
    planes: tuple[Parsed, ...]
    unknown: tuple[Path, ...]
    left_out: int
    spared: tuple[str, ...] = ()

    @property
    def found(self) -> int:
        """Number of files that were found."""
        return len(self.planes) + len(self.unknown) + self.left_out

    def same_place(self) -> tuple[tuple[Path, ...], ...]:
        """Return the files whose names say the same: in a viewer, one takes the other's place."""
        places: defaultdict[frozenset[tuple[str, Value]], list[Path]] = defaultdict(list)
        for plane in self.planes:
            places[_place(plane.components)].append(plane.path)
        return tuple(tuple(files) for files in places.values() if len(files) > 1)


def parse_files(files: Iterable[Path], parser: FilenameParser) -> Listing:
    """Read the names of files with one parser; leave out components that no plane needs."""
    planes, unknown, left_out = [], [], 0
    for file in files:
        # A relative path may begin inside a ZStep folder: what stands above counts too.
        whole = file.absolute()
        if parser.leaves_out(whole):
            left_out += 1
        elif (components := parser.parse(whole)) is not None:
            planes.append(Parsed(file, components))
        else:
            unknown.append(file)
    spared = _not_needed([plane.components for plane in planes], parser.spare)
    if spared:
        planes = [Parsed(plane.path, without(plane.components, spared)) for plane in planes]
    return Listing(parser.name, tuple(planes), tuple(unknown), left_out, spared)


def parse_whole(path: Path, parser: FilenameParser) -> dict[str, Value] | None:
    """Read one name, without the components that most plates do not need."""
    components = parser.parse(path)
    return None if components is None else without(components, parser.spare)


def without(components: dict[str, Value], names: Sequence[str]) -> dict[str, Value]:
    """Return `components` less those of `names`."""
    return {name: value for name, value in components.items() if name not in names}


def _not_needed(planes: Sequence[dict[str, Value]], spare: Sequence[str]) -> tuple[str, ...]:
    """Return which of the spare components can go without two planes landing on each other."""
    gone: tuple[str, ...] = ()
    places = len({_place(plane) for plane in planes})
    for name in spare:
        fewer = (*gone, name)
        if len({_place(without(plane, fewer)) for plane in planes}) == places:
            gone = fewer
    return gone


def _place(components: dict[str, Value]) -> frozenset[tuple[str, Value]]:
    return frozenset(components.items())
