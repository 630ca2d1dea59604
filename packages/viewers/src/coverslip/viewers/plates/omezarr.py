"""OME-Zarr 0.4 and 0.5: plates, wells, images and what bioformats2raw writes, plane by plane.

The metadata are read by yaozarrs (models of both releases, no more), the chunks by zarr-python.
Nothing is kept: a plane is put together chunk by chunk when it is asked for, so that memory holds
one plane and one chunk, whatever the size of the plate. Chunks that span several planes are decoded
for each of them.

Source: the OME-Zarr specification, 0.4 and 0.5, sections "multiscales", "omero", "plate", "well"
and "bioformats2raw.layout".
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from coverslip.payload import Display, Value
from coverslip.viewers.errors import NotInstalled, UnreadableImage
from coverslip.viewers.parsers.plate import as_named
from coverslip.viewers.plates.stored import StoredImage
from coverslip.viewers.plates.units import display_of
from coverslip.viewers.wells import PLATE, WELL

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray
    from yaozarrs import v04, v05

    Multiscale = v04.Multiscale | v05.Multiscale

__all__ = ["Store", "is_store", "read_store"]

T = TypeVar("T")

MARKERS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
SPACE = ("z_index", "y", "x")
KINDS = {"time": "timepoint", "channel": "channel"}


class Store(NamedTuple):
    """What an OME-Zarr folder holds at one resolution."""

    images: tuple[StoredImage, ...]
    """Its planes, wells and fields in the metadata's order; none is read yet."""
    problems: dict[str, str]
    """Images that the metadata name and that cannot be opened, each with the reason."""


def is_store(path: Path) -> bool:
    """Tell whether a folder is a Zarr group or array."""
    return path.is_dir() and any((path / marker).is_file() for marker in MARKERS)


def read_store(path: Path, level: int = 0, name: str | None = None) -> Store:
    """Return the planes of a plate, a well, an image or a series of images.

    Parameters
    ----------
    path : Path
        The folder.
    level : int
        The resolution: 0 is the finest.
    name : str, optional
        What tells it from others: the component ``plate`` of a plate, which has its folder's name
        otherwise, and ``image`` of images.

    Raises
    ------
    NotInstalled
        The extra ``zarr`` is missing.
    UnreadableImage
        It is no OME-Zarr, or none of its images can be opened, as for want of that level.
    """
    try:
        import yaozarrs  # noqa: F401 - whether it is there; it is used where metadata are read
        import zarr
    except ImportError as error:
        raise NotInstalled(
            f"OME-Zarr needs the extra zarr ({error}): pip install 'coverslip-viewers[zarr]'"
        ) from error
    group = _guarded(path, lambda: zarr.open(str(path), mode="r"))
    if not isinstance(group, zarr.Group):
        raise UnreadableImage(f"{path}: a Zarr array without OME metadata; name the image above it")
    metadata = _metadata(group)
    known: dict[str, Value] = {} if name is None else {"image": name}
    whole = as_named(path)
    if "plate" in metadata:
        places = list(_plate(path, group, metadata, {PLATE: _called(name or whole.name)}))
    elif "well" in metadata:
        row, plate = whole.parent, whole.parent.parent
        of: dict[str, Value] = {PLATE: _called(plate.name), WELL: f"{row.name}{whole.name}"}
        places = list(_well(path, group, metadata, "", of))
    elif "multiscales" in metadata:
        places = [("", known)]
    elif "bioformats2raw.layout" in metadata:
        numbers = sorted(int(name) for name in group.group_keys() if name.isdecimal())
        places = [(str(number), known | {"series": number}) for number in numbers]
    else:
        raise UnreadableImage(
            f"{path}: a Zarr group without OME metadata (no plate, well or multiscales)"
        )
    images: list[StoredImage] = []
    problems: dict[str, str] = {}
    for below, own in places:
        try:
            images += _image(path, group, below, level, own)
        except UnreadableImage as error:
            problems[str(path / below)] = str(error)
    if not images:
        raise UnreadableImage(next(iter(problems.values()), f"{path}: it names no image"))
    return Store(tuple(images), problems)


def _called(store: str) -> str:
    return store.removesuffix(".zarr").removesuffix(".ome")


def _metadata(group: zarr.Group) -> dict[str, Any]:
    """Return the OME metadata of a group: 0.5 has them under a key of their own."""
    attributes = group.attrs.asdict()
    own = attributes.get("ome")
    return own if isinstance(own, dict) else attributes


def _plate(
    path: Path, group: zarr.Group, metadata: dict[str, Any], known: dict[str, Value]
) -> Iterator[tuple[str, dict[str, Value]]]:
    from yaozarrs import v04, v05

    definition: type[v04.PlateDef | v05.PlateDef] = (
        v05.PlateDef if _is_05(metadata) else v04.PlateDef
    )
    plate = _validated(path, lambda: definition.model_validate(metadata["plate"]))
    for well in plate.wells:
        below = _child(path, group, well.path)
        row, column = plate.rows[well.rowIndex].name, plate.columns[well.columnIndex].name
        several = len(plate.acquisitions or []) > 1
        name: dict[str, Value] = {WELL: f"{row}{column}"}
        yield from _well(
            path, below, _metadata(below), well.path, known | name, acquisitions=several
        )


def _well(
    path: Path,
    group: zarr.Group,
    metadata: dict[str, Any],
    below: str,
    known: dict[str, Value],
    *,
    acquisitions: bool = False,
) -> Iterator[tuple[str, dict[str, Value]]]:
    """Yield where a well's fields lie, and what is known of each."""
    from yaozarrs import v04, v05

    definition: type[v04.WellDef | v05.WellDef] = v05.WellDef if _is_05(metadata) else v04.WellDef
    where = path / below
    well = _validated(where, lambda: definition.model_validate(metadata.get("well")))
    fields: Sequence[v04.FieldOfView | v05.FieldOfView] = well.images
    for number, field in enumerate(fields):
        site = int(field.path) if field.path.isdecimal() else number
        own: dict[str, Value] = {"site": site}
        if acquisitions and field.acquisition is not None:
            own["acquisition"] = field.acquisition
        yield f"{below}/{field.path}".lstrip("/"), known | own


def _image(
    path: Path, group: zarr.Group, below: str, level: int, known: dict[str, Value]
) -> Iterator[StoredImage]:
    """Yield the planes of one image at one level."""
    from yaozarrs import v04, v05

    where = path / below
    image = _child(path, group, below) if below else group
    metadata = _metadata(image)
    definition: type[Multiscale] = v05.Multiscale if _is_05(metadata) else v04.Multiscale
    # Only what is needed is validated: the rendering hints of "omero" are often incomplete.
    pyramid: Multiscale = _validated(
        where, lambda: definition.model_validate(next(iter(metadata.get("multiscales", [])), None))
    )
    if not 0 <= level < len(pyramid.datasets):
        raise UnreadableImage(
            f"{where}: no resolution level {level}; there are {_levels(image, pyramid)}"
        )
    dataset = pyramid.datasets[level]
    array = _guarded(where / dataset.path, lambda: _array(image, dataset.path))
    axes = _axes(where, pyramid)
    if array.ndim != len(axes):
        raise UnreadableImage(
            f"{where / dataset.path}: an array of shape {array.shape}, and its metadata name the "
            f"axes {', '.join(axes)}"
        )
    labels = _channels(metadata)
    display = _display(pyramid, level, axes)
    origin = str((where / dataset.path).resolve())
    for place in product(*(range(extent) for extent in array.shape[:-2])):
        along: dict[str, Value] = dict(zip(axes[:-2], place, strict=True))
        if "channel" in along and len(labels) == array.shape[axes.index("channel")]:
            along["channel"] = labels[int(along["channel"])]
        yield StoredImage(
            components=known | along,
            axes=("y", "x"),
            shape=array.shape[-2:],
            dtype=array.dtype,
            read=_reader(where / dataset.path, array, place),
            origin=origin,
            display=display,
        )


def _reader(
    where: Path, array: zarr.Array[Any], place: tuple[int, ...]
) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        pixels = np.empty(array.shape[-2:], array.dtype)
        rows, columns = array.chunks[-2:]
        for y in range(0, pixels.shape[0], rows):
            for x in range(0, pixels.shape[1], columns):
                tile = (slice(y, y + rows), slice(x, x + columns))
                where_it_lies: tuple[int | slice, ...] = (*place, *tile)
                pixels[tile] = array[where_it_lies]
        return pixels

    return lambda: _guarded(where, read)


def _axes(where: Path, pyramid: Multiscale) -> tuple[str, ...]:
    """Name the axes; the specification puts space last, and y, x last of that."""
    space = [axis for axis in pyramid.axes if axis.type == "space"]
    if len(space) < 2 or list(pyramid.axes[-len(space) :]) != space:
        names = ", ".join(axis.name for axis in pyramid.axes)
        raise UnreadableImage(f"{where}: the axes {names} do not end in y and x, axes of space")
    others = [
        KINDS.get(axis.type or "", axis.name) for axis in pyramid.axes if axis.type != "space"
    ]
    return (*others, *SPACE[-len(space) :])


def _channels(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return the channels' names, if each has one of its own."""
    omero = metadata.get("omero")
    channels = omero.get("channels", []) if isinstance(omero, dict) else []
    labels = [channel.get("label") for channel in channels if isinstance(channel, dict)]
    names = tuple(label for label in labels if isinstance(label, str) and label)
    return names if len(set(names)) == len(labels) else ()


def _display(pyramid: Multiscale, level: int, axes: tuple[str, ...]) -> Display:
    steps = [1.0] * len(axes)
    transformations = [
        *pyramid.datasets[level].coordinateTransformations,
        *(pyramid.coordinateTransformations or []),
    ]
    for transformation in transformations:
        if transformation.type == "scale":
            steps = [
                step * factor for step, factor in zip(steps, transformation.scale, strict=True)
            ]
    return display_of(
        {
            name: (step, axis.unit)
            for name, step, axis in zip(axes, steps, pyramid.axes, strict=True)
            if axis.type == "space"
        }
    )


def _levels(image: zarr.Group, pyramid: Multiscale) -> str:
    sizes = []
    datasets: Sequence[v04.Dataset | v05.Dataset] = pyramid.datasets
    for number, dataset in enumerate(datasets):
        try:
            shape = _array(image, dataset.path).shape
        except (KeyError, TypeError, ValueError, OSError):
            sizes.append(f"{number} (missing)")
        else:
            sizes.append(f"{number} ({' x '.join(map(str, shape[-2:]))})")
    return ", ".join(sizes)


def _array(image: zarr.Group, path: str) -> zarr.Array[Any]:
    import zarr

    array = image[path]
    if not isinstance(array, zarr.Array):
        raise TypeError("a group, where its metadata name an array")
    if math.prod(array.shape) == 0:
        raise ValueError(f"the array is empty: {array.shape}")
    return array


def _child(path: Path, group: zarr.Group, below: str) -> zarr.Group:
    import zarr

    child = _guarded(path / below, lambda: group[below])
    if not isinstance(child, zarr.Group):
        raise UnreadableImage(f"{path / below}: an array, where its metadata name a group")
    return child


def _is_05(metadata: dict[str, Any]) -> bool:
    """Tell 0.5 from 0.4, which has the version, if at all, in each block of its own."""
    return str(metadata.get("version", "")).startswith("0.5")


def _validated(where: Path, read: Callable[[], T]) -> T:
    from pydantic import ValidationError

    try:
        with warnings.catch_warnings():
            # What the specification only recommends, such as units from its list.
            warnings.simplefilter("ignore")
            return read()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its metadata"
        raise UnreadableImage(
            f"{where}: not OME-Zarr 0.4 or 0.5 ({place}: {' '.join(first['msg'].split())})"
        ) from error


def _guarded(where: Path, read: Callable[[], T]) -> T:
    """Return what `read` returns; raise UnreadableImage for whatever it raises."""
    try:
        return read()
    except KeyError as error:
        raise UnreadableImage(f"{where}: not there, and its metadata name it") from error
    except Exception as error:
        # zarr lets through what its codecs raise of damaged chunks, each library its own.
        words = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(f"{where}: cannot be read ({words})") from error
