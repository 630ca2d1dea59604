"""Arrays of real libraries, as pipelines hand them over: the same planes as numpy's."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import UnsupportedArray, as_planes, is_on_device, to_host
from coverslip.viewers import View
from tests.viewers.headless import HeadlessVisualizer, serving
from tests.waiting import DEADLINE

PIXELS = np.random.default_rng(2).integers(0, 60_000, (5, 7), np.uint16)


def of_jax(pixels: Any) -> Any:
    import jax.numpy

    return jax.numpy.asarray(pixels)


def of_dask(pixels: Any) -> Any:
    import dask.array

    return dask.array.from_array(pixels, chunks=2) + 0


def of_torch(pixels: Any) -> Any:
    torch = pytest.importorskip("torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.tensor(pixels.astype(np.float32), requires_grad=True).to(device)


def of_cupy(pixels: Any) -> Any:
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("cupy is installed and there is no GPU")
    return cupy.asarray(pixels)


def of_tensorflow(pixels: Any) -> Any:
    return pytest.importorskip("tensorflow").constant(pixels)


LIBRARIES = [of_jax, of_dask, of_torch, of_cupy, of_tensorflow]
IDS = ["jax", "dask", "torch", "cupy", "tensorflow"]


@pytest.fixture(autouse=True)
def no_pool_of_dasks() -> Iterator[None]:
    """Dask's threads stay for the process; a test is to leave none."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def view(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[View]:
    with serving(port=free_port()):
        visualizer = HeadlessVisualizer()
        assert visualizer.find_viewer()
        with View(visualizer) as made:
            yield made


@pytest.mark.parametrize("make", LIBRARIES, ids=IDS)
def test_a_plane_and_a_volume_arrive_with_their_values(
    view: View, make: Callable[[Any], Any]
) -> None:
    volume = np.stack([PIXELS, PIXELS[::-1]])
    view.show(make(PIXELS), well="A01")
    view.show(make(volume), axes=("z_index", "y", "x"), well="A02")
    assert view.flush(DEADLINE) == (3, 3, 0, 0)
    kind = to_host(make(PIXELS)).dtype.newbyteorder("<")
    expected = {zlib.crc32(pixels.astype(kind).tobytes()) for pixels in volume}
    held = [plane.crc32 for layer in view.layers(checksums=True) for plane in layer.planes]
    assert (len(held), set(held)) == (3, expected)


@pytest.mark.parametrize("make", LIBRARIES, ids=IDS)
def test_in_the_hosts_memory_nothing_is_copied(make: Callable[[Any], Any]) -> None:
    array = make(PIXELS)
    if is_on_device(array) or make is of_dask:
        pytest.skip("what a device has, and what is not computed yet, must be copied")
    ((_, first),), ((_, second),) = as_planes(array), as_planes(array)
    assert np.shares_memory(first, second)


def test_what_numpy_has_no_type_for_says_what_to_send() -> None:
    import jax.numpy

    with pytest.raises(UnsupportedArray, match=r'bfloat16.*astype\("float32"\)'):
        as_planes(jax.numpy.zeros((4, 4), jax.numpy.bfloat16))


def test_none_of_them_is_imported_for_it() -> None:
    code = "import sys, coverslip.viewers; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not {"jax", "dask", "torch", "cupy", "tensorflow"} & set(done.stdout.split())
