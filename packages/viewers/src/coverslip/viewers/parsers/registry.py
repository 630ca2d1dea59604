"""Which parsers there are, by name.

Ours are listed here. A package of its own adds one as an entry point of the group
``coverslip.parsers``, or at run time with :func:`register`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from coverslip.viewers.errors import PatternError, UnknownViewer
from coverslip.viewers.parsers.base import FilenameParser
from coverslip.viewers.parsers.imagexpress import ImageXpressParser
from coverslip.viewers.parsers.pattern import PatternParser

__all__ = ["get_parser", "parser_names", "register"]

ENTRY_POINTS = "coverslip.parsers"

_parsers: dict[str, Callable[[], FilenameParser]] = {ImageXpressParser.name: ImageXpressParser}


def register(parser: type[FilenameParser]) -> None:
    """Add a parser under its name, in place of one that had it."""
    _parsers[parser.name] = parser


def parser_names() -> list[str]:
    """Return the names of all parsers that need nothing but a path, in the order to try them."""
    return list(_parsers | dict.fromkeys(entry.name for entry in entry_points(group=ENTRY_POINTS)))


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
    UnknownViewer
        No parser goes by that name.
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
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        parser: FilenameParser = entry.load()()
        return parser
    known = ", ".join([*parser_names(), PatternParser.name])
    raise UnknownViewer(f"no parser is called {name!r}; there are {known}")
