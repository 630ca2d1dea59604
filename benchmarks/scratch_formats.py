"""What a scratch store could be made of: time, CPU and size of each, one plane at a time."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from coverslip.viewers.memory import Scratch, scratch_folder

__all__ = ["PLATES", "formats_table", "plate_planes"]

PLATES = Path(__file__).resolve().parents[2] / "shared" / "data"
EDGE = 2048
COUNT = 24


class Store(ABC):
    """Where planes can be put and had back by number."""

    @abstractmethod
    def write(self, number: int, pixels: NDArray[Any]) -> None: ...

    @abstractmethod
    def read(self, number: int) -> NDArray[Any]: ...

    @abstractmethod
    def size(self) -> int: ...

    def close(self) -> None:  # noqa: B027 - some have nothing open
        """Let go of what it has open."""


class Ours(Store):
    """Blosc2 chunks in a file without a name."""

    def __init__(self, folder: Path) -> None:
        self._scratch = Scratch(folder)
        self._regions: dict[int, Any] = {}

    def write(self, number: int, pixels: NDArray[Any]) -> None:
        self._regions[number] = self._scratch.write(pixels)

    def read(self, number: int) -> NDArray[Any]:
        return self._scratch.read(self._regions[number], (EDGE, EDGE), np.dtype("<u2"))

    def size(self) -> int:
        return self._scratch.nbytes

    def close(self) -> None:
        self._scratch.close()


class Frame(Store):
    """Blosc2's own file of chunks."""

    def __init__(self, folder: Path) -> None:
        import blosc2  # need not be installed

        self._path = folder / "planes.b2frame"
        self._chunks = blosc2.SChunk(
            chunksize=EDGE * EDGE * 2,
            contiguous=True,
            urlpath=str(self._path),
            cparams={
                "codec": blosc2.Codec.LZ4,
                "clevel": 1,
                "filters": [blosc2.Filter.BITSHUFFLE],
                "typesize": 2,
                "nthreads": 1,
            },
            dparams={"nthreads": 1},
        )

    def write(self, number: int, pixels: NDArray[Any]) -> None:
        self._chunks.append_data(pixels)

    def read(self, number: int) -> NDArray[Any]:
        pixels = np.empty((EDGE, EDGE), np.uint16)
        self._chunks.decompress_chunk(number, dst=pixels)
        return pixels

    def size(self) -> int:
        return self._path.stat().st_size


class Zarr(Store):
    """An array of zarr v3, a chunk a plane, by the same codec (LZ4 over shuffled bits) or zstd."""

    def __init__(self, folder: Path, codec: Literal["lz4", "zstd"]) -> None:
        import zarr
        from zarr.codecs import BloscCodec

        self._path = folder / "planes.zarr"
        self._array = zarr.create_array(
            str(self._path),
            shape=(COUNT, EDGE, EDGE),
            chunks=(1, EDGE, EDGE),
            dtype="u2",
            compressors=BloscCodec(cname=codec, clevel=1, shuffle="bitshuffle"),
        )

    def write(self, number: int, pixels: NDArray[Any]) -> None:
        self._array[number] = pixels

    def read(self, number: int) -> NDArray[Any]:
        return np.asarray(self._array[number])

    def size(self) -> int:
        return sum(path.stat().st_size for path in self._path.rglob("*") if path.is_file())


class Cost(NamedTuple):
    """Of one plane, medians in seconds."""

    write: float
    write_cpu: float
    read: float
    worst_read: float
    ratio: float


def cost(store: Store, planes: list[NDArray[Any]]) -> Cost:
    """Write all, read all; every plane must come back as it was."""
    writes, cpu, reads = [], [], []
    for number, plane in enumerate(planes):
        began, busy = time.perf_counter(), time.process_time()
        store.write(number, plane)
        writes.append(time.perf_counter() - began)
        cpu.append(time.process_time() - busy)
    for number, plane in enumerate(planes):
        began = time.perf_counter()
        back = store.read(number)
        reads.append(time.perf_counter() - began)
        if not np.array_equal(back, plane):
            raise AssertionError(f"plane {number} came back changed")
    pixels = sum(plane.nbytes for plane in planes)
    return Cost(
        statistics.median(writes),
        statistics.median(cpu),
        statistics.median(reads),
        max(reads),
        pixels / store.size(),
    )


def formats_table(console: Console) -> None:
    """Print what each format costs for real planes, 12-bit noise and 16-bit noise."""
    rng = np.random.default_rng(0)
    data = {
        "12-bit noise": [rng.integers(0, 4096, (EDGE, EDGE), np.uint16) for _ in range(COUNT)],
        "16-bit noise": [rng.integers(0, 65536, (EDGE, EDGE), np.uint16) for _ in range(COUNT)],
    }
    if PLATES.is_dir():
        data = {"a real plate": plate_planes(EDGE, COUNT), **data}
    stores: dict[str, Callable[[Path], Store]] = {
        "Blosc2 chunks, nameless file (ours)": Ours,
        "Blosc2 frame (python-blosc2)": Frame,
        "zarr v3, blosc lz4": lambda folder: Zarr(folder, "lz4"),
        "zarr v3, blosc zstd": lambda folder: Zarr(folder, "zstd"),
    }
    size = EDGE * EDGE * 2
    scratch_folder().mkdir(parents=True, exist_ok=True)
    for what, planes in data.items():
        table = Table(title=f"{COUNT} planes of {EDGE} x {EDGE} uint16: {what}")
        table.add_column("")
        for heading in ("write MB/s", "CPU ms", "read MB/s", "read ms", "worst ms", "ratio"):
            table.add_column(heading, justify="right")
        for name, make in stores.items():
            folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
            try:
                store = make(folder)
            except ImportError as error:
                table.add_row(f"{name}: {error}")
                continue
            else:
                found = cost(store, planes)
                store.close()
            finally:
                shutil.rmtree(folder)
            table.add_row(
                name,
                f"{size / found.write / 1e6:.0f}",
                f"{found.write_cpu * 1e3:.1f}",
                f"{size / found.read / 1e6:.0f}",
                f"{found.read * 1e3:.1f}",
                f"{found.worst_read * 1e3:.1f}",
                f"{found.ratio:.2f}",
            )
        console.print(table)


def plate_planes(edge: int, count: int) -> list[NDArray[Any]]:
    """Return planes of the real plates, each tiled to the size, no two alike."""
    import tifffile

    files = sorted(path for path in PLATES.rglob("*.tif") if "_thumb" not in path.name)
    made = []
    for number in range(count):
        small = tifffile.imread(files[number * len(files) // count])
        repeats = tuple(-(-edge // extent) for extent in small.shape)
        tiled = np.tile(np.roll(small, 37 * number, axis=0), repeats)[:edge, :edge]
        made.append(np.ascontiguousarray(tiled))
    return made
