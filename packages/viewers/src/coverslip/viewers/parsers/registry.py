"""Which parsers there are, by name.

Ours are listed here. A package of its own adds one as an entry point of the group
``coverslip.parsers``, or at run time with :func:`register`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from coverslip.viewers.errors import PatternError, UnknownParser
from coverslip.viewers.parsers.base import FilenameParser
from coverslip.viewers.parsers.imagexpress import ImageXpressParser
from coverslip.viewers.parsers.metaxpress import MetaXpressParser
from coverslip.viewers.parsers.ome import OmeTiffParser
from coverslip.viewers.parsers.operetta import OperettaParser
from coverslip.viewers.parsers.pattern import PatternParser
from coverslip.viewers.parsers.phenix import OperaPhenixParser
from coverslip.viewers.parsers.yokogawa import CellVoyagerParser

__all__ = ["candidates", "get_parser", "parser_names", "register"]

logger = logging.getLogger(__name__)

ENTRY_POINTS = "coverslip.parsers"
AUTO = "auto"

_OURS: tuple[type[FilenameParser], ...] = (
    ImageXpressParser,
    MetaXpressParser,
    OperaPhenixParser,
    OperettaParser,
    CellVoyagerParser,
    OmeTiffParser,
)
_parsers: dict[str, Callable[[], FilenameParser]] = {parser.name: parser for parser in _OURS}


def register(parser: type[FilenameParser]) -> None:
    """Add a parser under its name, in place of one that had it."""
    _parsers[parser.name] = parser


@cache
def _others() -> dict[str, EntryPoint]:
    """Return what other packages bring. Once: to look costs 4 ms, and pipelines ask per file."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def parser_names() -> list[str]:
    """Return the names of all parsers that need nothing but a path, in the order to try them."""
    return [*_parsers, *(name for name in _others() if name not in _parsers)]


def get_parser(name: str, pattern: str | None = None) -> FilenameParser:
    """Return the parser of that name.

    Parameters
    ----------
    name : str
        One of :func:`parser_names`, or ``pattern``.
    pattern : str, optional
        What ``pattern`` reads names with.

    Raises
    ------
    UnknownParser
        No parser goes by that name, or the package that brings it cannot be imported.
    PatternError
        The pattern is missing or cannot be used.
    """
    if name == PatternParser.name:
        if pattern is None:
            raise PatternError(
                "the parser 'pattern' needs a pattern (--pattern), "
                "such as '{well}_s{site:d}_w{channel:d}.tif'"
            )
        return PatternParser(pattern)
    if name in _parsers:
        return _parsers[name]()
    if name in _others():
        return _load(_others()[name])
    known = [*parser_names(), PatternParser.name]
    hint = "".join(f"; is {one!r} meant?" for one in get_close_matches(name, known, 1))
    raise UnknownParser(f"no parser is called {name!r}; there are {', '.join(known)}{hint}")


def _load(entry: EntryPoint) -> FilenameParser:
    try:
        parser: FilenameParser = entry.load()()
    except Exception as error:
        # Somebody else's code: whatever it raises while it is imported.
        logger.warning("the parser %s cannot be used", entry.name, exc_info=True)
        raise UnknownParser(
            f"the parser {entry.name!r} cannot be used: {entry.value} fails with "
            f"{type(error).__name__}: {error}"
        ) from error
    return parser


def candidates(parser: str = AUTO, pattern: str | None = None) -> list[FilenameParser]:
    """Return the parsers to try: all that can be used for ``auto``, or else the one named.

    Parameters
    ----------
    parser : str
        ``auto``, or a name as for `get_parser`.
    pattern : str, optional
        For the parser ``pattern``; with ``auto`` that one alone is tried.

    Raises
    ------
    UnknownParser, PatternError
        As `get_parser`; a pattern that is given to any other parser, too.
    """
    if pattern is not None and parser not in {AUTO, PatternParser.name}:
        raise PatternError(
            f"the parser {parser!r} takes no pattern: leave out the one or the other"
        )
    if pattern is not None:
        return [get_parser(PatternParser.name, pattern)]
    if parser != AUTO:
        return [get_parser(parser)]
    usable = []
    for name in parser_names():
        try:
            usable.append(get_parser(name))
        except UnknownParser:  # logged with its traceback where it was loaded
            continue
    return usable
