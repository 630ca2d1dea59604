"""Arrays of other libraries, to numpy: without a copy in the host's memory, with one off a device.

Nothing is imported for it: an array says by its own methods what it can do. numpy's ``__array__``
(torch, JAX, TensorFlow, zarr, xarray), DLPack (https://dmlc.github.io/dlpack) for what has only
that, ``compute`` for dask's, and for an accelerator's memory the library's own copy to the host,
into memory that is given where it can (CuPy, torch).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coverslip.payload.errors import UnsupportedArray

__all__ = ["Allocate", "is_on_device", "to_host"]

Allocate: TypeAlias = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
"""Returns memory for an array of that shape and dtype, C-contiguous."""

_HOST: Final = frozenset({1, 3, 11, 13})
"""DLPack's device types that the host can read: CPU, CUDA's and ROCm's pinned, CUDA's managed."""


def is_on_device(array: object) -> bool:
    """Tell whether an array lies in memory that the host cannot read, such as a GPU's.

    False where its library cannot say: `to_host` finds out by trying.
    """
    device = getattr(type(array), "__dlpack_device__", None)
    if device is None:
        return False
    try:
        return int(device(array)[0]) not in _HOST
    except Exception:  # noqa: BLE001  # another library's code, and no reason to stop a pipeline
        return False


def to_host(array: Any, allocate: Allocate = np.empty) -> NDArray[Any]:
    """Return what numpy sees of an array, with its values in the host's memory.

    Parameters
    ----------
    array : array_like
        numpy's own, another library's, or nested sequences of numbers.
    allocate : callable, default numpy.empty
        Gives the memory for what comes off a device, where the library can write into it.

    Returns
    -------
    ndarray
        The array's own memory where the host can read it, be it strided or read-only.

    Raises
    ------
    UnsupportedArray
        It is no array, or its library does not give its values; the message has its reason.
    """
    if type(array) is np.ndarray:
        return array
    try:
        if hasattr(array, "__dask_graph__"):
            array = array.compute()
        if hasattr(array, "detach"):
            array = array.detach()  # torch gives no values of what it keeps a gradient for
        if is_on_device(array):
            return _fetched(array, allocate)
        if hasattr(array, "__dlpack__") and not hasattr(array, "__array__"):
            return np.from_dlpack(array)
        return np.asarray(array)
    except UnsupportedArray:
        raise
    except Exception as error:
        # Another library's code: whatever it raises is why there is nothing to show.
        what = f"an object of type {type(array).__name__} that numpy cannot see as an array"
        advice = "rows must be of equal length, or send each picture by itself"
        if not isinstance(array, (list, tuple)):
            advice = "its library did not give its values"
        raise UnsupportedArray(f"{what} ({str(error) or repr(error)}): {advice}") from error


def _fetched(array: Any, allocate: Allocate) -> NDArray[Any]:
    """Copy an array off its device, once."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        # Its dtypes are its own: an empty tensor says which of numpy's it is.
        kind = torch.empty(0, dtype=array.dtype).numpy().dtype
        out = allocate(tuple(array.shape), kind)
        torch.from_numpy(out).copy_(array)
        return out
    if hasattr(array, "get") and isinstance(array.dtype, np.dtype):
        out = allocate(tuple(array.shape), array.dtype)
        array.get(out=out)
        return out
    if hasattr(array, "__array__"):
        return np.asarray(array)
    return np.from_dlpack(array, device="cpu")
