"""What the paths that a user named hold: TIFF files by their names, OME-Zarr by its metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from coverslip.payload import Value
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.parsers import Listing, Parsed, candidates, choose, find_files
from coverslip.viewers.parsers.plate import names_apart, with_plates
from coverslip.viewers.plates.omezarr import is_store, read_store
from coverslip.viewers.plates.stored import StoredImage
from coverslip.viewers.plates.tiff import read_images

__all__ = ["Contents", "Entry", "collect"]

STORE = "ome-zarr"


@dataclass(frozen=True, eq=False)
class Entry:
    """A file, or a plane of a store. Each is equal to itself alone, and may be a key.

    Parameters
    ----------
    path : Path
        For people to read.
    components : dict of str to str, int or float
        What it is of, as far as the name says, or the store's metadata.
    images : callable
        Opens it and yields what it holds; raises `UnreadableImage`.
    """

    path: Path
    components: dict[str, Value]
    images: Callable[[], Iterator[StoredImage]]


@dataclass(frozen=True)
class Contents:
    """What is to be shown, in order.

    Parameters
    ----------
    entries : tuple of Entry
        TIFF files first, in natural order, then the planes of stores.
    listing : Listing
        What the names of the TIFF files said, and which plate they are of; without any, an empty
        one of the parser ``ome-zarr``.
    problems : dict of str to str
        Images of stores that cannot be opened, each with the reason.
    """

    entries: tuple[Entry, ...]
    listing: Listing
    problems: dict[str, str] = field(default_factory=dict)


def collect(
    paths: Iterable[Path], parser: str, pattern: str | None, level: int | None = None
) -> Contents:
    """Find the TIFF files and OME-Zarr stores of files and folders.

    Parameters
    ----------
    paths : iterable of Path
        Files, folders, OME-Zarr folders.
    parser, pattern : str, str or None
        For TIFF files, see `coverslip.viewers.parsers.list_planes`.
    level : int, optional
        The resolution of OME-Zarr, 0 if None.

    Raises
    ------
    FileNotFoundError
        A path does not exist, or none of the folders holds an image.
    UnreadableImage
        A store cannot be opened, or a level was asked for and there is no store.
    NoParserMatches, UnknownParser, PatternError, NotInstalled
        As for TIFF files and stores.
    """
    named = list(paths)
    parsers = candidates(parser, pattern)
    stores = [path for path in named if is_store(path)]
    others = [path for path in named if path not in stores]
    if level is not None and not stores:
        raise UnreadableImage(
            f"--level is for OME-Zarr, and {', '.join(map(str, named))} holds none at its top"
        )
    entries: list[Entry] = []
    problems: dict[str, str] = {}
    listing = Listing(STORE, (), (), 0)
    if others:
        listing = with_plates(choose(_files(others), parsers), others)
        entries += map(_entry, listing.planes)
    names = names_apart(stores)
    for store in stores:
        # Images that come together need their names.
        name = names[store] if len(stores) > 1 else None
        images, troubled = read_store(store, level or 0, name)
        problems |= troubled
        entries += [
            Entry(Path(image.origin), image.components, partial(iter, (image,))) for image in images
        ]
    return Contents(tuple(entries), listing, problems)


def _entry(parsed: Parsed) -> Entry:
    images = partial(read_images, parsed.path, parsed.components)
    return Entry(parsed.path, parsed.components, images)


def _files(paths: list[Path]) -> list[Path]:
    try:
        return find_files(paths)
    except FileNotFoundError as error:
        inside = [
            child
            for path in paths
            if path.is_dir()
            for child in sorted(path.iterdir())
            if is_store(child)
        ]
        if not inside:
            raise
        raise FileNotFoundError(
            f"{error}; there is OME-Zarr, which is shown when it is named: {inside[0]}"
        ) from error
