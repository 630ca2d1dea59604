"""Arrays that are not numpy's own, as far as numpy alone can show it.

Real libraries are tried in ``tests/system/test_foreign_arrays.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import UnsupportedArray, as_planes, is_on_device, to_host

PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


class OnlyDLPack:
    """What the array API asks of a library, and no more."""

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels

    def __dlpack__(self, **options: Any) -> Any:
        return self._pixels.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._pixels.__dlpack_device__()


class FarAway:
    """As CuPy's arrays are: the host gets the values by ``get`` alone. Counts the transfers."""

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self.transfers = 0

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0  # CUDA

    def __array__(self, *options: Any) -> Any:
        raise TypeError("implicit conversion to a host array is not allowed")

    def get(self, out: Any) -> None:
        self.transfers += 1
        out[...] = self._pixels


def test_dlpack_alone_will_do_and_nothing_is_copied() -> None:
    seen = to_host(OnlyDLPack(PIXELS))
    np.testing.assert_array_equal(seen, PIXELS)
    assert np.shares_memory(seen, PIXELS)


def test_what_lies_on_a_device_is_fetched_once_into_given_memory() -> None:
    array = FarAway(PIXELS)
    memory = np.zeros(PIXELS.shape, PIXELS.dtype)
    assert is_on_device(array)
    assert not is_on_device(PIXELS)
    assert to_host(array, lambda shape, dtype: memory) is memory
    np.testing.assert_array_equal(memory, PIXELS)
    volume = FarAway(np.stack([PIXELS, PIXELS]))
    planes = as_planes(volume, axes=("z_index", "y", "x"))
    assert [place["z_index"] for place, _ in planes] == [0, 1]
    assert (array.transfers, volume.transfers) == (1, 1)


def test_a_library_that_cannot_say_where_an_array_lies_stops_nobody() -> None:
    class Lost(OnlyDLPack):
        def __dlpack_device__(self) -> Any:
            raise BufferError("that device went away")

    lost = Lost(np.arange(6.0))
    assert not is_on_device(lost)
    assert np.array_equal(to_host(lost), np.arange(6.0))


def test_what_a_library_cannot_give_is_refused_in_its_words() -> None:
    class Broken(FarAway):
        def get(self, out: Any) -> None:
            raise RuntimeError("the device was lost")

    with pytest.raises(UnsupportedArray, match=r"Broken.*the device was lost"):
        as_planes(Broken(PIXELS))


@pytest.mark.parametrize("number", [5, 2.5, np.uint8(3), np.array(7)], ids=repr)
def test_a_single_number_is_no_picture(number: Any) -> None:
    with pytest.raises(UnsupportedArray, match="single number"):
        as_planes(number)


def test_mapped_read_only_and_strided_memory_is_seen_as_it_lies(tmp_path: Path) -> None:
    np.save(tmp_path / "plane.npy", PIXELS)
    mapped = np.load(tmp_path / "plane.npy", mmap_mode="r")
    ((_, seen),) = as_planes(mapped)
    assert np.shares_memory(seen, mapped)
    assert not seen.flags.writeable
    ((_, strided),) = as_planes(mapped[::2, ::-1])
    np.testing.assert_array_equal(strided, PIXELS[::2, ::-1])
    assert np.shares_memory(strided, mapped)
    del seen, strided, mapped
