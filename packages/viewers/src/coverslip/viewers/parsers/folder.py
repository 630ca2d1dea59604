"""The files that a user names, with what their names say: folders walked, thumbnails left out.

Opens no file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from coverslip.payload import Value, natural_key
from coverslip.viewers.errors import NoParserMatches
from coverslip.viewers.parsers.choice import choose
from coverslip.viewers.parsers.listing import Listing, parse_whole
from coverslip.viewers.parsers.registry import AUTO, candidates

__all__ = [
    "find_files",
    "is_tiff_name",
    "list_planes",
    "natural_order",
    "parse_path",
    "tiff_files",
]

SUFFIXES = frozenset({".tif", ".tiff", ".tf2", ".tf8", ".btf"})


def list_planes(paths: Iterable[Path], parser: str = AUTO, pattern: str | None = None) -> Listing:
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
    NoParserMatches, AmbiguousNames
        No name could be read, or two parsers differ on them; says what was tried, and on what.
    UnknownParser, PatternError
        As `coverslip.viewers.parsers.get_parser`.
    """
    parsers = candidates(parser, pattern)
    return choose(find_files(paths), parsers)


def parse_path(path: Path, parser: str = AUTO, pattern: str | None = None) -> dict[str, Value]:
    """Return the components that one file's name gives.

    Raises
    ------
    NoParserMatches
        The name could not be read.
    UnknownParser, PatternError
        As `coverslip.viewers.parsers.get_parser`.
    """
    parsers = candidates(parser, pattern)
    for each in parsers:
        components = parse_whole(path, each)
        if components is not None:
            return components
    raise NoParserMatches(
        f"no parser can read the name {path.name!r} (tried: "
        f"{', '.join(each.name for each in parsers)}); give the components, or a parser"
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
        inside = tiff_files(path) if path.is_dir() else [path]
        for file in inside:
            found.setdefault(file.resolve(), file)
    if not found:
        folders = ", ".join(str(path) for path in named)
        raise FileNotFoundError(f"no TIFF file (.tif, .tiff) in {folders}")
    return list(found.values())


def is_tiff_name(name: str) -> bool:
    """Tell whether a file is looked at: a TIFF's suffix, not hidden, no ``._`` shadow of macOS."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def natural_order(path: Path) -> tuple[tuple[object, ...], ...]:
    """Return a key that sorts paths as people do."""
    return tuple(natural_key(part) for part in path.parts)


def tiff_files(folder: Path, *, changing: bool = False) -> list[Path]:
    """Return the TIFF files below a folder, in natural order; hidden folders are not entered.

    Raises
    ------
    OSError
        A folder cannot be read; of a tree that is `changing`, one that is gone is left out.
    """
    return sorted(_walk(folder, changing), key=natural_order)


def _walk(folder: Path, changing: bool) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        # Left out in silence, a folder's planes would be missed by nobody.
        if not (changing and isinstance(error, FileNotFoundError)):
            raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if is_tiff_name(name):
                yield Path(parent, name)
