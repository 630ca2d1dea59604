"""What users hand over, to planes: views only, nothing is copied or converted here.

The copy into a slot (``numpy.copyto``) is what makes pixels contiguous and little-endian.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, SupportsIndex

import msgspec
import numpy as np

# Here, since numpy imports it when it is first asked for: a process that forks while another thread
# shows its first plane would leave the child a lock of that import, which nobody gives back.
from numpy.ma import MaskedArray
from numpy.typing import NDArray

from coverslip.payload.errors import UnsupportedArray
from coverslip.payload.foreign import to_host
from coverslip.payload.schema import (
    MAX_COMPONENTS,
    MAX_ORIGIN,
    MAX_PLANES,
    Display,
    Source,
    Value,
    check_display,
)

__all__ = [
    "WIRE_DTYPES",
    "as_components",
    "as_origin",
    "as_planes",
    "as_source",
    "as_value",
    "wire_dtype",
]

WIRE_DTYPES: dict[str, np.dtype[Any]] = {
    np.dtype(code).newbyteorder("<").str: np.dtype(code).newbyteorder("<")
    for code in ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")
}
"""The dtypes that travel, by the three characters that name them in a message."""

_PICTURE = ("y", "x", "c")
_EXAMPLE = 'show(array, axes=("z_index", "y", "x"), well="A01")'
_RGB_EXAMPLE = 'show(array, axes=("z_index", "y", "x", "c"), rgb=True)'
_MAX_NAME = 256
_MAX_TEXT = 1024
_MAX_EXTENT = 2**31 - 1

_TEXT = (
    "text has no pixels; of a file's name show what tifffile.imread(name) returns, or use the "
    "command `coverslip view FILE`"
)
_ADVICE = {
    "c": "send abs(array), array.real or array.imag",
    "O": "make it one array of numbers first: rows of equal length, no None, no mixed types",
    "U": _TEXT,
    "S": _TEXT,
    "M": 'send array.astype("int64") or a difference in seconds',
    "m": 'send array / numpy.timedelta64(1, "s")',
    "V": "send one of its fields, array[name]",
    "T": _TEXT,
    "f": 'send array.astype("float64")',
}


def wire_dtype(dtype: np.dtype[Any]) -> str:
    """Return the name under which pixels of `dtype` travel: little-endian, ``"<u2"`` style.

    Raises
    ------
    UnsupportedArray
        No viewer can show that dtype; the message says what to send instead.
    """
    name = dtype.newbyteorder("<").str
    if name not in WIRE_DTYPES:
        advice = _ADVICE.get(dtype.kind, "convert it to a real number type")
        if dtype.kind == "V" and dtype.names is None:  # what numpy itself has not, as bfloat16
            advice = _ADVICE["f"].replace("float64", "float32")
        raise UnsupportedArray(
            f"dtype {dtype} cannot be shown (bool, (u)int8-64 and float16/32/64 can): {advice}"
        )
    return name


def as_value(name: str, value: object) -> Value:
    """Return a component's value as plain text, integer or float.

    Parameters
    ----------
    name : str
        The component, for the error.
    value : str, int, float or a numpy scalar of these
        Within 64 bits, finite, at most 1024 characters.

    Raises
    ------
    UnsupportedArray
        For bool, None, NaN, infinity, text that is not Unicode, and everything that is no scalar.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        if len(value) > _MAX_TEXT:
            raise UnsupportedArray(
                f"component {name}: text of {len(value)} characters, at most {_MAX_TEXT}"
            )
        return _unicode(f"component {name}", value)
    if isinstance(value, bool) or value is None:
        raise UnsupportedArray(
            f"component {name}={value}: give text or a number, or leave the component out"
        )
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise UnsupportedArray(f"component {name}={value} is beyond 64 bits: give it as text")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UnsupportedArray(f"component {name}={value} has no place on an axis: omit it")
        return float(value)
    raise UnsupportedArray(
        f"component {name} is a {type(value).__name__}: give text, an integer or a float"
    )


def as_components(components: Mapping[str, object]) -> dict[str, Value]:
    """Return the components with plain values, their names checked.

    Raises
    ------
    UnsupportedArray
        A name is empty, too long or the picture's own ("y", "x", "c"), a value is no scalar, or
        there are more than 32.
    """
    if len(components) > MAX_COMPONENTS:
        raise UnsupportedArray(f"{len(components)} components; at most {MAX_COMPONENTS} are kept")
    return {_component(name): as_value(name, value) for name, value in components.items()}


def as_source(
    *,
    name: str | None = None,
    step_name: str | None = None,
    step_index: SupportsIndex | None = None,
    modes: Mapping[str, str] | None = None,
    display: Display | None = None,
    replace: str = "",
    keep: int = 0,
) -> Source:
    """Return who made some planes and how they ask to be shown, within what a message may say.

    Raises
    ------
    UnsupportedArray
        A name is empty or longer than 256 characters, a text is not Unicode, the index is no
        integer of 32 bits, or a setting of `display` is out of its range.
    """
    index = None if step_index is None else _index(step_index)
    try:
        given = {
            # Text of a type of its own, as numpy's or an enumeration's, is no text to msgspec.
            "name": _plain(name),
            "step_name": _plain(step_name),
            "step_index": index,
            "modes": dict(modes or {}),
            # As plain data, so that what somebody constructed is checked as if it had arrived.
            "display": msgspec.to_builtins(display or Display()),
            "replace": replace,
            "keep": keep,
        }
        source = msgspec.convert(given, Source)
        check_display(source.display)
        msgspec.msgpack.encode(source)
    except UnicodeEncodeError as error:
        raise UnsupportedArray(
            f"a plane's name, step or display is {error.object[:64]!r}, which is not Unicode"
        ) from None
    except (TypeError, ValueError) as error:  # msgspec's ValidationError is a ValueError
        raise UnsupportedArray(f"a plane's name, step or display: {error}") from None
    return source


def _index(step_index: SupportsIndex) -> int:
    try:
        index = operator.index(step_index)
    except TypeError:
        raise UnsupportedArray(
            f"step_index is a {type(step_index).__name__}: give a whole number, such as 2; the "
            "step's name is step_name"
        ) from None
    if not -(2**31) <= index < 2**31:
        raise UnsupportedArray(f"step_index={index} does not fit 32 bits: count the steps from 0")
    return index


def as_origin(origin: str | os.PathLike[str]) -> str:
    """Return where a plane came from as text that travels, whatever bytes a file's name has.

    For people to read: what is no Unicode is escaped, and of a long text the end is kept. Raises
    UnsupportedArray for what is neither text nor a path.
    """
    if not isinstance(origin, str | bytes | os.PathLike):
        raise UnsupportedArray(f"origin={origin!r}: give text or a path, such as the file's")
    text = os.fsdecode(origin)
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    return text[-MAX_ORIGIN:]


def as_planes(
    array: object,
    *,
    axes: Sequence[str] | None = None,
    rgb: bool = False,
    components: Mapping[str, object] | None = None,
    coordinates: Mapping[str, Sequence[object]] | None = None,
) -> list[tuple[dict[str, Value], NDArray[Any]]]:
    """Split what a user hands over into planes.

    Parameters
    ----------
    array : array_like
        bool, integers or floats, with any strides and byte order; at least two-dimensional. numpy's
        or another library's, on the host or off a device, see `coverslip.payload.foreign`.
    axes : sequence of str, optional
        The name of each axis. "y" and "x" are the picture, in whatever place; "c" holds the 3 or 4
        samples of RGB(A); each other axis becomes the component of that name. Needed for more
        than two dimensions, unless `rgb`.
    rgb : bool
        The last axis (or the axis "c") holds RGB or RGBA.
    components : mapping, optional
        The components that all the planes share.
    coordinates : mapping, optional
        The values along an axis, where they are not 0, 1, 2...

    Returns
    -------
    list of (dict, ndarray)
        Components and a view of shape (y, x) or (y, x, c), without a copy of the pixels.

    Raises
    ------
    UnsupportedArray
        The array, an axis or a component cannot be shown; the message says what to do.
    """
    pixels = _as_array(array)
    wire_dtype(pixels.dtype)
    names = _axis_names(pixels, axes, rgb)
    for name, extent in zip(names, pixels.shape, strict=True):
        if extent == 0:
            raise UnsupportedArray(
                f"the array is empty: axis {name!r} of {pixels.shape} has no elements"
            )
        if extent > _MAX_EXTENT:
            raise UnsupportedArray(f"axis {name!r} of {pixels.shape} is longer than {_MAX_EXTENT}")
    shared = as_components(components or {})
    outer = [name for name in names if name not in _PICTURE]
    order = [names.index(name) for name in (*outer, "y", "x", *(("c",) if "c" in names else ()))]
    pixels = pixels.transpose(order)
    if "c" in names and pixels.shape[-1] not in (3, 4):
        raise UnsupportedArray(
            f'the axis "c" holds {pixels.shape[-1]} samples, and RGB has 3, RGBA 4; to get a '
            'layer for each channel name that axis "channel"'
        )
    if len(outer) + len(shared) > MAX_COMPONENTS:
        raise UnsupportedArray(f"more than {MAX_COMPONENTS} components")
    values = _axis_values(outer, pixels.shape, shared, coordinates or {})
    count = math.prod(len(along) for along in values)
    if count > MAX_PLANES:
        raise UnsupportedArray(f"{count} planes in one array; send at most {MAX_PLANES} at once")
    if not outer:
        return [(shared, pixels)]
    return list(_split(pixels, outer, values, shared))


def _split(
    pixels: NDArray[Any],
    outer: Sequence[str],
    values: Sequence[Sequence[Value]],
    shared: Mapping[str, Value],
) -> Iterator[tuple[dict[str, Value], NDArray[Any]]]:
    for index in product(*(range(len(along)) for along in values)):
        place = {name: values[axis][index[axis]] for axis, name in enumerate(outer)}
        yield {**shared, **place}, pixels[index]


def _as_array(array: object) -> NDArray[Any]:
    if isinstance(array, MaskedArray):
        raise UnsupportedArray("a masked array: send array.filled(value), as a viewer has no mask")
    pixels = to_host(array)
    if pixels.dtype.kind == "O" and pixels.ndim == 0:
        raise UnsupportedArray(
            f"a {type(array).__name__} is no array: send a numpy array of numbers"
        )
    return pixels


def _axis_names(pixels: NDArray[Any], axes: Sequence[str] | None, rgb: bool) -> tuple[str, ...]:
    shape, ndim = pixels.shape, pixels.ndim
    if ndim == 0:
        raise UnsupportedArray("a single number (an array without dimensions) is no picture")
    if ndim < 2:
        raise UnsupportedArray(f"an array of shape {shape}: a plane has two dimensions, y and x")
    if axes is None:
        picture = 3 if rgb else 2
        if rgb and ndim != picture:
            advice = (
                "it has no axis of colour: leave rgb out, or give it a last axis of 3 or 4 samples"
                if ndim < picture
                else f"name its axes, the samples last, as in {_RGB_EXAMPLE}"
            )
            raise UnsupportedArray(f"an array of shape {shape} with rgb=True: {advice}")
        if ndim != picture:
            colour = ", or rgb=True if its last axis is colour" if _may_be_rgb(shape) else ""
            raise UnsupportedArray(
                f"an array of shape {shape}: say what its other axes are by naming the axes, as in "
                f"{_EXAMPLE}{colour}"
            )
        return _PICTURE[:picture]
    if isinstance(axes, str) and not set(axes) <= set(_PICTURE):
        raise UnsupportedArray(f"axes={axes!r}: give a name for each axis, as in {_EXAMPLE}")
    if not isinstance(axes, Iterable):
        raise UnsupportedArray(f"axes={axes!r}: give a name for each axis, as in {_EXAMPLE}")
    names = tuple(name if name in _PICTURE else _component(name) for name in axes)
    if len(names) != ndim:
        raise UnsupportedArray(
            f"axes {names} name {len(names)} axes of an array of shape {shape}; as in {_EXAMPLE}"
        )
    if len(set(names)) != ndim or "y" not in names or "x" not in names:
        raise UnsupportedArray(f'axes {names}: "y" and "x" are needed, and each name once')
    if rgb and "c" not in names:
        raise UnsupportedArray(f'axes {names} with rgb=True: name the axis of the samples "c"')
    return names


def _may_be_rgb(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in (3, 4)


def _axis_values(
    outer: Sequence[str],
    shape: tuple[int, ...],
    shared: Mapping[str, Value],
    coordinates: Mapping[str, Sequence[object]],
) -> list[list[Value]]:
    for name in coordinates:
        if name not in outer:
            raise UnsupportedArray(f"coordinates for {name!r}, which is none of the axes {outer}")
    found: list[list[Value]] = []
    for name, extent in zip(outer, shape, strict=False):
        if name in shared:
            raise UnsupportedArray(f"{name!r} is given twice: as an axis and as {shared[name]!r}")
        if name not in coordinates:
            found.append(list(range(extent)))
            continue
        given = coordinates[name]
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise UnsupportedArray(
                f"{name}={given!r}: it is an axis of the array, {extent} long: give the value at "
                f"each position, {name}=[…], or leave it out to count from 0"
            )
        values = [as_value(name, value) for value in given]
        if len(values) != extent or len(set(values)) != extent:
            raise UnsupportedArray(
                f"coordinates for {name!r}: {extent} different values are needed, not {values[:8]}"
            )
        found.append(values)
    return found


def _component(name: object) -> str:
    """Return a component's name as plain text."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        raise UnsupportedArray(
            f"a component's name is text of 1 to {_MAX_NAME} characters, not {str(name)[:64]!r}"
        )
    if name in _PICTURE:
        raise UnsupportedArray(f"{name!r} is the picture's own axis and cannot be a component")
    return _unicode("a component's name", name)


def _plain(text: object) -> object:
    """Return text of any type of text as ``str``; what is none, as it is."""
    return str.__str__(text) if isinstance(text, str) else text


def _unicode(what: str, text: str) -> str:
    """Return plain text; what a file's undecodable name leaves behind cannot be sent."""
    try:
        return str(text.encode(), "utf-8")
    except UnicodeEncodeError:
        raise UnsupportedArray(f"{what} is {text[:64]!r}, which is not Unicode") from None
