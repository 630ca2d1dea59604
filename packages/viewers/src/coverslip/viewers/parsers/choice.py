"""Which parser reads a folder's names: the one that knows the most of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from coverslip.viewers.errors import AmbiguousNames, NoParserMatches
from coverslip.viewers.parsers.base import FilenameParser
from coverslip.viewers.parsers.listing import Listing, parse_files
from coverslip.viewers.parsers.pattern import PatternParser

__all__ = ["choose", "some_names"]

SHOWN_NAMES = 3


def choose(files: Sequence[Path], parsers: Sequence[FilenameParser]) -> Listing:
    """Return what the parser that reads the most of the names makes of them.

    Two that read as many and say the same of each are one; the first is taken.

    Parameters
    ----------
    files : sequence of Path
        At least one.
    parsers : sequence of FilenameParser
        Those to try, see `coverslip.viewers.parsers.registry.candidates`.

    Raises
    ------
    NoParserMatches
        No parser reads any name; the message says what was tried and shows three names.
    AmbiguousNames
        Two read as many and differ in what they say; so does the message.
    """
    listings = [parse_files(files, parser) for parser in parsers]
    best = max(listings, key=_known)
    if not best.planes:
        if not best.unknown:
            raise NoParserMatches(
                "there is nothing to show: only thumbnails or correction images were found "
                f"({best.left_out}); name the folder that holds the planes"
            )
        raise NoParserMatches(
            f"no parser can read the names {some_names(best.unknown)} (tried: {_tried(parsers)}); "
            "give --pattern, for example '{well}_s{site:d}_w{channel:d}.tif' or '{file}.tif'"
        )
    rivals = [
        other
        for other in listings
        if _known(other) == _known(best) and other.planes and other.planes != best.planes
    ]
    if rivals:
        names = [listing.parser for listing in (best, *rivals)]
        said = "; ".join(
            f"{listing.parser}: {listing.planes[0].components}" for listing in (best, *rivals)
        )
        raise AmbiguousNames(
            f"the parsers {' and '.join(names)} read as many of the names "
            f"{some_names([plane.path for plane in best.planes])} and differ in what they say "
            f"({said}); choose with --parser (tried: {_tried(parsers)})"
        )
    return best


def some_names(files: Sequence[Path]) -> str:
    """Return three of the names, and how many more there are."""
    names = ", ".join(repr(file.name) for file in files[:SHOWN_NAMES])
    return f"{names} and {len(files) - SHOWN_NAMES} more" if len(files) > SHOWN_NAMES else names


def _known(listing: Listing) -> int:
    return len(listing.planes) + listing.left_out


def _tried(parsers: Iterable[FilenameParser]) -> str:
    return ", ".join(
        f"the pattern {parser.pattern!r}" if isinstance(parser, PatternParser) else parser.name
        for parser in parsers
    )
