"""Planes of TIFF files, one page at a time, with the axes that the file itself names.

What a file is *of* its name says (`coverslip.viewers.parsers`); what lies *inside* it, z planes,
frames, channels, colours, is read here from its OME, ImageJ or shaped metadata.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from coverslip.payload import Display, Value
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.plates.ome import OmeImage, read_ome
from coverslip.viewers.plates.stored import StoredImage

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPageSeries

__all__ = ["check_whole", "read_images"]

T = TypeVar("T")

AXES = {"Z": "z_index", "T": "timepoint", "C": "channel", "S": "c", "Y": "y", "X": "x"}
"""tifffile's axis letters in this field's words; pages along any other are numbered as such."""

OTHER_AXIS = "page"
COLORS = (2, 6)
"""TIFF's photometric interpretations RGB and YCbCr: samples are colours, not channels."""

_NAMELESS = OmeImage({}, (), Display())


def read_images(path: Path, components: Mapping[str, Value]) -> Iterator[StoredImage]:
    """Yield what a file holds, page by page; the pixels are read when they are asked for.

    Parameters
    ----------
    path : Path
        A TIFF file. Other files that its OME metadata may mention are not opened.
    components : mapping
        What the name says. An axis of the file takes the place of a component of the same name:
        a stack knows its own z better than its name does. A well or a single channel that only
        OME metadata names is added; the component ``image`` stands for a well that is not known.

    Raises
    ------
    UnreadableImage
        It is no TIFF file, cut short, or compressed in a way that cannot be read.
    """
    found = False
    with _opened(path) as file:
        for image in _guarded_each(path, _images(path, file, components)):
            found = True
            yield image
    if not found:
        raise UnreadableImage(f"{path}: there is no image in it")


def check_whole(path: Path) -> None:
    """Raise UnreadableImage unless all pixels that a file's pages point to lie within the file.

    Reads tags, no pixels: for files that are still being written.
    """
    with _opened(path) as file:
        guarded(path, lambda: _check_pages(path, file))


def _check_pages(path: Path, file: TiffFile) -> None:
    size = file.filehandle.size
    # tifffile leaves out, with a line in the log, what a page refers to beyond the file's end.
    ends = [_next_page(file)]
    ends += [
        series.dataoffset + series.nbytes for series in file.series if series.dataoffset is not None
    ]
    for page in file.pages:
        ends += [
            offset + length
            for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    if max(ends) > size:
        raise UnreadableImage(
            f"{path}: not written to its end ({size} bytes, its pages go to {max(ends)})"
        )


def _next_page(file: TiffFile) -> int:
    """Return how far the file must go for what the last readable page says comes next, or 0."""
    handle, format_ = file.filehandle, file.tiff
    offset = file.pages[-1].offset
    handle.seek(offset)
    (tags,) = struct.unpack(format_.tagnoformat, handle.read(format_.tagnosize))
    handle.seek(offset + format_.tagnosize + tags * format_.tagsize)
    (following,) = struct.unpack(format_.offsetformat, handle.read(format_.offsetsize))
    return int(following) + format_.tagnosize if following else 0


def _opened(path: Path) -> TiffFile:
    import tifffile

    return guarded(path, lambda: tifffile.TiffFile(path, _multifile=False))


def guarded(path: Path, read: Callable[[], T]) -> T:
    """Return what `read` returns; raise UnreadableImage for whatever it raises."""
    try:
        return read()
    except UnreadableImage:
        raise
    except Exception as error:
        # Bytes of any kind may stand in the file, and tifffile lets through whatever its decoders
        # and its own parsing raise of them.
        raise UnreadableImage(f"{path}: {_why(path, error)}") from error


def _guarded_each(path: Path, images: Iterator[StoredImage]) -> Iterator[StoredImage]:
    """Yield each of `images`, which opens what it yields as it goes."""
    while (image := guarded(path, lambda: next(images, None))) is not None:
        yield image


def _why(path: Path, error: Exception) -> str:
    """Say in a microscopist's words why a file gives no image."""
    import tifffile

    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if path.exists() and path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, ArithmeticError | LookupError | struct.error):
        # What arithmetic on tags that are not there says, is of tifffile's own insides.
        return "damaged, or not written to its end"
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, tifffile.TiffFileError) and "not a TIFF" in words:
        return "this is no TIFF file"
    return f"damaged, not written to its end, or of an unknown kind ({words})"


def _images(path: Path, file: TiffFile, components: Mapping[str, Value]) -> Iterator[StoredImage]:
    told = read_ome(file.ome_metadata) if file.ome_metadata else []
    known = told if len(told) == len(file.series) else [_NAMELESS] * len(file.series)
    for number, (series, ome) in enumerate(zip(file.series, known, strict=True)):
        own = {**ome.place, **components}
        if "well" in ome.place:
            own.pop("image", None)
        elif len(file.series) > 1:
            own["series"] = number
        yield from _pages(path, series, own, ome)


def _pages(
    path: Path, series: TiffPageSeries, components: dict[str, Value], ome: OmeImage
) -> Iterator[StoredImage]:
    page = series.keyframe
    names = _names(series.axes, page.photometric)
    channels = _channels(names, series.shape, ome)
    if len(ome.channels) == 1 and "channel" not in names:
        components = {"channel": ome.channels[0], **components}
    depth = len(series.axes) - len(page.axes)
    extents = series.shape[:depth]
    # Compared as text by the viewer, whatever folder a program reads the file from.
    origin = str(path.resolve())

    def stored(
        axes: tuple[str, ...],
        shape: tuple[int, ...],
        own: dict[str, Value],
        read: Callable[[], NDArray[Any]],
    ) -> StoredImage:
        return StoredImage(
            components={name: value for name, value in own.items() if name not in axes},
            axes=axes,
            shape=shape,
            dtype=series.dtype,
            read=lambda: guarded(path, read),
            origin=origin,
            coordinates={"channel": channels} if channels and "channel" in axes else {},
            display=ome.display,
        )

    if not series.axes.endswith(page.axes) or len(series.pages) != math.prod(extents):
        # One page describes many: ImageJ does so beyond 4 GB, and so do memory-mapped stacks.
        yield stored(names, series.shape, components, series.asarray)
        return
    places = product(*(range(extent) for extent in extents))
    for place, each in zip(places, series.pages, strict=True):
        if each is not None:  # None: in another file of the set
            along: dict[str, Value] = dict(zip(names[:depth], place, strict=True))
            if channels and "channel" in along:
                along["channel"] = channels[int(along["channel"])]
            yield stored(names[depth:], series.shape[depth:], components | along, each.asarray)


def _channels(names: tuple[str, ...], shape: tuple[int, ...], ome: OmeImage) -> tuple[Value, ...]:
    """Return the channels' names, if there is one for each."""
    if "channel" in names and len(ome.channels) == shape[names.index("channel")]:
        return ome.channels
    return ()


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
