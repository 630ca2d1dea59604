"""Planes of TIFF files, one page at a time, with the axes that the file itself names.

What a file is *of* its name says (`coverslip.viewers.parsers`); what lies *inside* it, z planes,
frames, channels, colours, is read here from its OME, ImageJ or shaped metadata.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coverslip.payload import Value
from coverslip.viewers.errors import UnreadableImage

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffPageSeries

__all__ = ["Image", "read_images"]

AXES = {"Z": "z_index", "T": "timepoint", "C": "channel", "S": "c", "Y": "y", "X": "x"}
"""tifffile's axis letters in this field's words; pages along any other are numbered as such."""

OTHER_AXIS = "page"
COLORS = (2, 6)
"""TIFF's photometric interpretations RGB and YCbCr: samples are colours, not channels."""


class Image(NamedTuple):
    """Pixels of one page, and what is known of them."""

    pixels: NDArray[Any]
    axes: tuple[str, ...]
    """``("y", "x")``, with ``"c"`` where there are colours."""
    components: dict[str, Value]


def read_images(path: Path, components: Mapping[str, Value]) -> Iterator[Image]:
    """Yield what a file holds, page by page.

    Parameters
    ----------
    path : Path
        A TIFF file. Other files that its OME metadata may mention are not opened.
    components : mapping
        What the name says. An axis of the file takes the place of a component of the same name:
        a stack knows its own z better than its name does.

    Raises
    ------
    UnreadableImage
        It is no TIFF file, cut short, or compressed in a way that cannot be read.
    """
    import tifffile

    found = False
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            for number, series in enumerate(file.series):
                several = {"series": number} if len(file.series) > 1 else {}
                for image in _pages(series, {**components, **several}):
                    found = True
                    yield image
    except Exception as error:
        # Bytes of any kind may stand in the file, and tifffile lets through whatever its decoders
        # and its own parsing raise of them.
        raise UnreadableImage(f"{path}: {_why(path, error)}") from error
    if not found:
        raise UnreadableImage(f"{path}: there is no image in it")


def _why(path: Path, error: Exception) -> str:
    """Say in a microscopist's words why a file gives no image."""
    import tifffile

    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if path.exists() and path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, tifffile.TiffFileError) and "not a TIFF" in words:
        return "this is no TIFF file"
    return f"damaged, not written to its end, or of an unknown kind ({words})"


def _pages(series: TiffPageSeries, components: dict[str, Value]) -> Iterator[Image]:
    page = series.keyframe
    names = _names(series.axes, page.photometric)
    depth = len(series.axes) - len(page.axes)
    extents = series.shape[:depth]
    if not series.axes.endswith(page.axes) or len(series.pages) != math.prod(extents):
        # One page describes many: ImageJ does so beyond 4 GB, and so do memory-mapped stacks.
        yield Image(series.asarray(), names, components)
        return
    places = product(*(range(extent) for extent in extents))
    for place, each in zip(places, series.pages, strict=True):
        if each is not None:  # None: in another file of the set
            along = dict(zip(names[:depth], place, strict=True))
            yield Image(each.asarray(), names[depth:], {**components, **along})


def _names(letters: str, photometric: int) -> tuple[str, ...]:
    """Name axes; several that have no name of their own are told apart by a number."""
    names: list[str] = []
    for letter in letters:
        name = AXES.get(letter, OTHER_AXIS)
        if name == "c" and photometric not in COLORS:
            name = "channel"
        while name in names:
            name += "_2"
        names.append(name)
    return tuple(names)
