"""numpy's pixels to ImageJ's and back: one bulk copy, and a conversion only where there must be.

========================  ==================================  =========================
sent                      held by ImageJ                      lost
========================  ==================================  =========================
uint8, uint16, float32    8-bit, 16-bit, 32-bit as they are   nothing
bool                      8-bit, 0 and 255                    nothing
int8, int16, float16      32-bit                              nothing
uint32, int32, int64, …   32-bit                              what float32 has no room for
float64                   32-bit                              digits beyond float32's
RGB of uint8              RGB                                 nothing
RGB with alpha            RGB                                 an alpha that is not opaque
RGB of another dtype      RGB                                 digits beyond 8 bit
========================  ==================================  =========================

A plane that loses something is counted and warned of, with what it lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.viewers.contrast import sample_of
from coverslip.viewers.fiji.java import class_of

__all__ = ["Converted", "JavaPlane", "JavaPixels", "convert"]

_RGB_DTYPE: Final = np.dtype("<u4")
_OPAQUE: Final = 0xFF000000
_SPARSE: Final = 2


class Converted(NamedTuple):
    """A plane as ImageJ can hold it."""

    pixels: NDArray[Any]
    """Little-endian uint8, uint16 or float32; uint32 as 0xAARRGGBB for RGB."""
    lost: str
    """What the conversion lost, in words; empty when nothing."""


def convert(view: NDArray[Any], *, rgb: bool) -> Converted:
    """Return a plane in one of ImageJ's four types.

    Parameters
    ----------
    view : ndarray
        ``(y, x)`` of any real dtype, or ``(y, x, 3 | 4)`` when `rgb`.
    rgb : bool
        The last axis is colour.
    """
    if rgb:
        return _convert_rgb(view)
    kind = view.dtype.newbyteorder("<")
    if kind.str in {"|u1", "<u2", "<f4"}:
        return Converted(view.astype(kind, copy=False), "")
    if kind.kind == "b":
        return Converted(view.astype(np.uint8) * np.uint8(255), "")
    with np.errstate(over="ignore"):
        single = view.astype("<f4")
    if kind.itemsize <= 2:
        return Converted(single, "")
    return Converted(single, _lost_in_single(view, single, kind))


def _lost_in_single(view: NDArray[Any], single: NDArray[np.float32], kind: np.dtype[Any]) -> str:
    """Return what float32 has no room for, in words; each pixel is compared exactly."""
    infinite = 0
    if kind.kind == "f":
        same = (view == single) | np.isnan(view)
        infinite = int(np.count_nonzero(np.isinf(single) & np.isfinite(view)))
    else:
        bounds = np.iinfo(kind)
        # Back to whole numbers, since float64 has no room for 64 bits either. float32 may have
        # been rounded up to one more than the largest, which would wrap.
        inside = (single >= bounds.min) & (single < 2.0 ** (bounds.bits - (kind.kind == "i")))
        same = inside & (np.where(inside, single, 0).astype(kind) == view)
    changed = int(view.size - np.count_nonzero(same))
    if not changed:
        return ""
    return (
        f"{kind.name} does not fit ImageJ's 32-bit float: {changed:,} of {view.size:,} pixels "
        f"were rounded" + (f", {infinite:,} of them to infinity" if infinite else "")
    )


def _convert_rgb(view: NDArray[Any]) -> Converted:
    lost = []
    colors = view
    if view.dtype.kind == "b":
        colors = view.astype(np.uint8) * np.uint8(255)
    elif view.dtype.kind == "f":
        # Colours of floats are 0 to 1 in napari, matplotlib and scikit-image alike.
        inside = np.clip(np.nan_to_num(view), 0, 1)
        colors = np.rint(inside * 255).astype(np.uint8)
        lost.append(f"RGB of {view.dtype.name} was rounded to 8 bit a colour")
        lost += _outside(view, inside, "0 to 1")
    elif view.dtype.itemsize > 1 or view.dtype.kind == "i":
        top = np.iinfo(view.dtype).max
        inside = np.maximum(view, 0)
        colors = np.rint(inside.astype(np.float64) * (255 / top)).astype(np.uint8)
        lost.append(f"RGB of {view.dtype.name} was scaled to 8 bit a colour")
        lost += _outside(view, inside, f"0 to {top}")
    if colors.shape[2] == 4 and not (colors[..., 3] == 255).all():
        lost.append("ImageJ's RGB has no transparency")
    packed = np.full(view.shape[:2], _OPAQUE, _RGB_DTYPE)
    for channel, shift in ((0, 16), (1, 8), (2, 0)):
        packed |= colors[..., channel].astype(_RGB_DTYPE) << np.uint32(shift)
    return Converted(packed, "; ".join(lost))


def _outside(view: NDArray[Any], inside: NDArray[Any], span: str) -> list[str]:
    count = int(np.count_nonzero(view != inside))
    return [f"{count:,} of {view.size:,} values lay outside of {span}"] if count else []


class JavaPlane:
    """A plane that lies in the Java heap: what stands for it in a projection.

    Attributes
    ----------
    shape, dtype, nbytes
        The plane's as it was sent, for the projection; in an answer to `layers` as it is held.
    array
        The Java array that ImageJ draws: byte[], short[], float[] or int[].
    sample
        What its contrast is estimated from.
    lost
        What the conversion lost.
    """

    __slots__ = ("__weakref__", "array", "dtype", "lost", "nbytes", "sample", "shape")

    def __init__(
        self,
        array: Any,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        nbytes: int,
        sample: NDArray[Any] | None = None,
        lost: str = "",
    ) -> None:
        self.array = array
        self.shape = shape
        self.dtype = dtype
        self.nbytes = nbytes
        self.sample = sample
        self.lost = lost


class JavaPixels:
    """Copies planes to Java arrays and back, at memcpy's rate. From any thread."""

    def __init__(self) -> None:
        import jpype

        little = class_of("java.nio.ByteOrder").LITTLE_ENDIAN
        types = {
            "|u1": (jpype.JByte, lambda buffer: buffer),
            "<u2": (jpype.JShort, lambda buffer: buffer.asShortBuffer()),
            "<f4": (jpype.JFloat, lambda buffer: buffer.asFloatBuffer()),
            "<u4": (jpype.JInt, lambda buffer: buffer.asIntBuffer()),
        }
        self._new: dict[str, Callable[[int], Any]] = {
            code: jpype.JArray(java) for code, (java, _) in types.items()
        }
        self._as: dict[str, Callable[[Any], Any]] = {
            code: view for code, (_, view) in types.items()
        }
        # The arena's bytes are little-endian on every host; Java turns them where it must.
        self._buffer: Callable[[NDArray[Any]], Any] = lambda raw: jpype.nio.convertToDirectBuffer(
            raw
        ).order(little)

    def put(self, view: NDArray[Any], *, rgb: bool) -> JavaPlane:
        """Copy a plane into a new Java array.

        The buffer lies over the array's own memory, so between `view` and the Java heap there is
        one copy (measured: per-plane JArray construction takes four times as long).

        Parameters
        ----------
        view : ndarray
            ``(y, x)``, or ``(y, x, 3 | 4)`` when `rgb`; read-only will do.
        rgb : bool
            The last axis is colour.
        """
        pixels, lost = convert(view, rgb=rgb)
        array = self.fill(np.ascontiguousarray(pixels))
        # Every second pixel of the usual grid: percentiles of all of it cost more than the copy.
        sample = None if rgb else np.array(sample_of(pixels)[::_SPARSE, ::_SPARSE])
        return JavaPlane(array, view.shape, view.dtype, pixels.nbytes, sample, lost)

    def fill(self, pixels: NDArray[Any]) -> Any:
        """Return a Java array of these contiguous pixels, of one of ImageJ's four types."""
        code = pixels.dtype.str
        array = self._new[code](pixels.size)
        self._as[code](self._buffer(pixels.reshape(-1).view(np.uint8))).get(array)
        return array

    @staticmethod
    def collect() -> None:
        """Let Java let go of the buffers over memory that is no longer used."""
        class_of("java.lang.System").gc()

    def blank(self, code: str, size: int) -> Any:
        """Return a Java array of zeros (opaque black for RGB)."""
        if code == _RGB_DTYPE.str:
            return self.fill(np.full(size, _OPAQUE, _RGB_DTYPE))
        return self._new[code](size)

    @staticmethod
    def read(array: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return a copy of a Java array's pixels: ``(y, x)``, ``(y, x, 3)`` for RGB."""
        pixels = np.array(memoryview(array))
        rows = shape[:2]
        if pixels.dtype.kind == "f":
            return pixels.reshape(rows)
        unsigned = pixels.view(f"u{pixels.dtype.itemsize}").reshape(rows)
        if unsigned.dtype.itemsize < 4:
            return unsigned
        return np.stack([(unsigned >> shift & 0xFF).astype(np.uint8) for shift in (16, 8, 0)], -1)

    @staticmethod
    def code_of(shape: tuple[int, ...], dtype: np.dtype[Any], *, rgb: bool) -> str:
        """Return which of ImageJ's types planes of a dtype are held as, as numpy's type string."""
        if rgb:
            return _RGB_DTYPE.str
        return convert(np.zeros((1, 1), dtype), rgb=False).pixels.dtype.str
