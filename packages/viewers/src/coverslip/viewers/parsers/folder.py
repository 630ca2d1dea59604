"""The files that a user names, with what their names say: folders walked, thumbnails left out.

Opens no file.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coverslip.payload import Value
from coverslip.payload.axes import natural_key
from coverslip.viewers.errors import NoParserMatches, PatternError
from coverslip.viewers.parsers.base import FilenameParser, Parsed
from coverslip.viewers.parsers.pattern import PatternParser
from coverslip.viewers.parsers.registry import get_parser, parser_names

__all__ = ["Listing", "find_files", "list_planes", "parse_files", "parse_path"]

SUFFIXES = frozenset({".tif", ".tiff"})
SHOWN_NAMES = 3


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
    """

    parser: str
    planes: tuple[Parsed, ...]
    unknown: tuple[Path, ...]
    left_out: int

    @property
    def found(self) -> int:
        """Number of files that were found."""
        return len(self.planes) + len(self.unknown) + self.left_out

    def same_place(self) -> tuple[tuple[Path, ...], ...]:
        """Return the files whose names say the same: in a viewer, one takes the other's place."""
        places: defaultdict[frozenset[tuple[str, Value]], list[Path]] = defaultdict(list)
        for plane in self.planes:
            places[frozenset(plane.components.items())].append(plane.path)
        return tuple(tuple(files) for files in places.values() if len(files) > 1)


def list_planes(paths: Iterable[Path], parser: str = "auto", pattern: str | None = None) -> Listing:
    """Find the TIFF files of files and folders, and read their names.

    Parameters
    ----------
    paths : iterable of Path
        Files, taken whatever their suffix, and folders, searched for TIFF files.
    parser : str
        A parser's name, or ``auto``: the one that knows the most of the names.
    pattern : str, optional
        For the parser ``pattern``; with ``auto`` it is used alone.

    Raises
    ------
    FileNotFoundError
        A path does not exist, or none of the folders holds a TIFF file.
    NoParserMatches
        No name could be read; says what was tried, and on what.
    UnknownViewer, PatternError
        As `get_parser`.
    """
    parser = _chosen(parser, pattern)
    candidates = parser_names() if parser == "auto" else [parser]
    parsers = [get_parser(name, pattern) for name in candidates]
    files = find_files(paths)
    listings = [parse_files(files, candidate) for candidate in parsers]
    best = max(listings, key=lambda listing: len(listing.planes) + listing.left_out)
    if not best.planes:
        if not best.unknown:
            raise NoParserMatches(
                f"there is nothing to show: only thumbnails were found ({best.left_out}); "
                "name the folder that holds the planes"
            )
        names = [repr(file.name) for file in best.unknown[:SHOWN_NAMES]]
        more = (
            f" and {len(best.unknown) - len(names)} more" if len(best.unknown) > len(names) else ""
        )
        tried = f"the pattern {pattern!r}" if pattern else ", ".join(candidates)
        raise NoParserMatches(
            f"no parser can read the names {', '.join(names)}{more} (tried: {tried}); "
            "give --pattern, for example '{well}_s{site:d}_w{channel:d}.tif' or '{file}.tif'"
        )
    return best


def parse_path(path: Path, parser: str = "auto", pattern: str | None = None) -> dict[str, Value]:
    """Return the components that one file's name gives.

    Raises
    ------
    NoParserMatches
        The name could not be read.
    UnknownViewer, PatternError
        As `get_parser`.
    """
    parser = _chosen(parser, pattern)
    names = parser_names() if parser == "auto" else [parser]
    for name in names:
        components = get_parser(name, pattern).parse(path)
        if components is not None:
            return components
    raise NoParserMatches(
        f"no parser can read the name {path.name!r} (tried: {', '.join(names)}); "
        f"give the components, or a parser"
    )


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that paths name or hold, each once, each path's in natural order.

    Raises
    ------
    FileNotFoundError
        A path does not exist, or none of the folders holds a TIFF file.
    """
    found: dict[Path, Path] = {}
    named = list(paths)
    for path in named:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        inside = sorted(_walk(path), key=_natural) if path.is_dir() else [path]
        for file in inside:
            found.setdefault(file.resolve(), file)
    if not found:
        folders = ", ".join(str(path) for path in named)
        raise FileNotFoundError(f"no TIFF file (.tif, .tiff) in {folders}")
    return list(found.values())


def parse_files(files: Iterable[Path], parser: FilenameParser) -> Listing:
    """Read the names of files with one parser."""
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
    return Listing(parser.name, tuple(planes), tuple(unknown), left_out)


def _chosen(parser: str, pattern: str | None) -> str:
    """Return the parser's name: a pattern is for the parser of that name alone."""
    if pattern is None or parser == PatternParser.name:
        return parser
    if parser != "auto":
        raise PatternError(
            f"the parser {parser!r} takes no pattern: leave out the one or the other"
        )
    return PatternParser.name


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the TIFF files below a folder, hidden ones and macOS's ``._`` shadows left out."""

    def refuse(error: OSError) -> None:
        # Left out in silence, a folder's planes would be missed by nobody.
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)


def _natural(path: Path) -> tuple[tuple[object, ...], ...]:
    return tuple(natural_key(part) for part in path.parts)
