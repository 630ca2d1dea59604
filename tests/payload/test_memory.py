"""Memory for what is kept: packed, aligned, writable, and given back with its last array."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from coverslip.payload import kept


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (1024, 1024), (1023, 1025), (2160, 2160, 3)])
@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<u2", "<f8"])
def test_an_array_is_writable_contiguous_and_aligned(shape: tuple[int, ...], dtype: str) -> None:
    array = kept(shape, dtype)
    assert (array.shape, array.dtype.str) == (shape, dtype)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.ctypes.data % 64 == 0
    assert not array.any()
    array[...] = 1
    assert array.all()


def test_small_arrays_share_a_slab_without_sharing_bytes() -> None:
    arrays = [kept((64, 64), "<u2") for _ in range(2000)]
    for number, array in enumerate(arrays):
        array[...] = number
    assert all((array == number).all() for number, array in enumerate(arrays))
    assert len({id(array.base) for array in arrays}) <= 3


def test_a_slab_goes_with_its_last_array() -> None:
    arrays = [kept((1024, 1024), "<u2") for _ in range(12)]
    slabs = {id(array.base): weakref.ref(array.base) for array in arrays if array.base is not None}
    full = weakref.ref(arrays[4].base)  # neither the first nor the last
    last = [array for array in arrays if array.base is full()][-1:]
    del arrays
    gc.collect()
    assert len(slabs) >= 3
    assert full() is not None
    del last
    gc.collect()
    assert full() is None


def test_each_thread_has_its_own_slab() -> None:
    found = []

    def fill(value: int) -> None:
        arrays = [kept((10, 10), "<u4") for _ in range(3000)]
        for array in arrays:
            array[...] = value
        found.append(all((array == value).all() for array in arrays))

    threads = [threading.Thread(target=fill, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [True] * 4


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_what_is_dropped_goes_back_to_the_system() -> None:
    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    for _ in range(20):
        arrays = [kept((2048, 2048), "<u2") for _ in range(8)]
        for array in arrays:
            array[...] = 1
    assert resident() - before > 60 * 2**20
    del arrays, array
    gc.collect()
    assert resident() - before < 30 * 2**20


def test_an_array_outlives_everything_else() -> None:
    array = kept((3, 4), np.float16)
    view = array[1:]
    array[...] = 2
    del array
    gc.collect()
    assert (view == 2).all()
