"""Plates of each kind in a real napari: every plane's place and pixels are the file's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from coverslip.payload import Value
from coverslip.viewers import NapariStreamVisualizer, View
from coverslip.viewers.parsers import Parsed, list_planes
from tests.system.program import coverslip
from tests.viewers.plates import ngff
from tests.waiting import eventually

pytestmark = pytest.mark.gui

DEADLINE = 150.0
START = 90.0
TIMELAPSE = "imagexpress-1well-timelapse"
PLATE = "imagexpress-2wells-4channels"

Planes = dict[tuple[tuple[str, Value], ...], int]


@pytest.fixture(scope="module")
def viewer(display: str, session_runtime_folder: Path) -> Iterator[NapariStreamVisualizer]:
    """One napari for all, cleared between the tests; it dies with this process."""
    before = os.environ.get("DISPLAY")
    os.environ["DISPLAY"] = display
    visualizer = NapariStreamVisualizer(viewer_title="plates", persistent=False)
    visualizer.start_viewer(timeout=START)
    yield visualizer
    visualizer.stop_viewer()
    if before is None:
        del os.environ["DISPLAY"]
    else:
        os.environ["DISPLAY"] = before


def shown(*arguments: object) -> dict[str, Any]:
    """Run ``coverslip view`` with ``--json``; return what it says."""
    done = coverslip("view", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def place(components: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(components.items()))


def on(plate: str, components: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return place({"plate": plate, **components})


def crc(pixels: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).tobytes())


def held(viewer: NapariStreamVisualizer) -> Planes:
    """Return the checksum of each plane that napari holds, by its place; then clear it."""
    with View(viewer) as view:
        layers = view.layers(checksums=True)
        planes = [plane for layer in layers for plane in layer.planes]
        assert view.screenshot().startswith(b"\x89PNG")
        view.clear()
    found = {place(plane.components): plane.crc32 or 0 for plane in planes}
    assert len(found) == len(planes), "two planes of one place"
    return found


@pytest.fixture(scope="module")
def originals(plates: Path) -> list[tuple[dict[str, Any], NDArray[Any]]]:
    """The planes of the real timelapse: 1 well, 2 sites, 2 timepoints, 3 channels."""
    return [
        (dict(parsed.components), tifffile.imread(parsed.path))
        for parsed in list_planes([plates / TIMELAPSE]).planes
    ]


@pytest.mark.plates
@pytest.mark.parametrize(("name", "planes"), [(PLATE, 96), (TIMELAPSE, 12)])
def test_the_real_plates(
    viewer: NapariStreamVisualizer, plates: Path, name: str, planes: int
) -> None:
    told = shown(plates / name, "--port", viewer.port)
    assert (told["parser"], told["shown"]) == ("imagexpress", planes)

    def read(parsed: Parsed) -> NDArray[Any]:
        return tifffile.imread(parsed.path)

    expected = {
        on(name, each.components): crc(read(each)) for each in list_planes([plates / name]).planes
    }
    assert held(viewer) == expected


WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "opera_phenix": lambda at: (
        f"Images/r03c07f{at['site']:02d}p01-ch{at['channel']}sk{at['timepoint']}fk1fl1.tiff"
    ),
    "cv8000": lambda at: (
        f"Plate_1_{at['well']}_T{at['timepoint']:04d}F{at['site']:03d}"
        f"L01A{at['channel']:02d}Z01C{at['channel']:02d}.tif"
    ),
    "operetta": lambda at: f"003007-{at['site']}-{at['timepoint']:03d}001{at['channel']:03d}.tif",
    "metaxpress": lambda at: (
        f"Scan_{at['well']}_s{at['site']}_w{at['channel']}_t{at['timepoint']}_z1.tif"
    ),
}


@pytest.mark.plates
@pytest.mark.parametrize("parser", WRITERS)
def test_the_same_pixels_from_other_instruments(
    viewer: NapariStreamVisualizer,
    originals: list[tuple[dict[str, Any], NDArray[Any]]],
    tmp_path: Path,
    parser: str,
) -> None:
    for at, pixels in originals:
        path = tmp_path / WRITERS[parser](at)
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, pixels, compression="zlib")
    told = shown(tmp_path, "--port", viewer.port)
    assert (told["parser"], told["shown"], told["same_place"]) == (parser, len(originals), [])
    expected = {on(tmp_path.name, at | {"z_index": 1}): crc(pixels) for at, pixels in originals}
    assert held(viewer) == expected


@pytest.mark.plates
@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("level", [0, 1])
def test_an_ome_zarr_plate(
    viewer: NapariStreamVisualizer,
    originals: list[tuple[dict[str, Any], NDArray[Any]]],
    tmp_path: Path,
    version: str,
    level: int,
) -> None:
    stacks = {site: np.zeros((2, 3, 256, 256), np.uint16) for site in (1, 2)}
    for at, pixels in originals:
        stacks[at["site"]][at["timepoint"] - 1, at["channel"] - 1] = pixels
    channels = ("DAPI", "GFP", "Cy5")
    # In a process of its own: zarr's threads stay for the life of one.
    np.savez(tmp_path / "stacks.npz", *stacks.values())
    write_elsewhere(tmp_path, version, channels)
    told = shown(tmp_path / "plate.zarr", "--level", level, "--port", viewer.port)
    assert (told["parser"], told["shown"]) == ("ome-zarr", 12)
    step = 2**level
    expected = {
        place(
            {
                "plate": "plate",
                "well": "C7",
                "site": at["site"] - 1,
                "timepoint": at["timepoint"] - 1,
                "channel": channels[at["channel"] - 1],
            }
        ): crc(pixels[::step, ::step])
        for at, pixels in originals
    }
    assert held(viewer) == expected


def journal_lines(state: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in state.glob("watch/*.jsonl"))


def write_elsewhere(folder: Path, version: str, channels: tuple[str, ...]) -> None:
    code = (
        "import sys, numpy\nfrom pathlib import Path\n"
        f"from {ngff.__name__} import write_plate\n"
        "folder = Path(sys.argv[1])\n"
        "with numpy.load(folder / 'stacks.npz') as stacks:\n"
        "    fields = {('C', '7'): list(stacks.values())}\n"
        "write_plate(folder / 'plate.zarr', fields, 'tcyx', sys.argv[2], channels=sys.argv[3:])\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(folder), version, *channels], check=True, timeout=DEADLINE
    )


@pytest.mark.plates
def test_a_plate_that_is_written_while_it_is_watched(
    viewer: NapariStreamVisualizer, plates: Path, tmp_path: Path
) -> None:
    """A process writes the real timelapse, file by file, with folders as they come."""
    plate = tmp_path / "plate"
    plate.mkdir()
    listing = list_planes([plates / TIMELAPSE])
    top = plates / TIMELAPSE
    names = [str(each.path.relative_to(top)) for each in listing.planes]
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "source, target = map(Path, sys.argv[1:3])\n"
        "for name in sys.argv[3:]:\n"
        "    (target / name).parent.mkdir(parents=True, exist_ok=True)\n"
        "    with (target / name).open('wb', buffering=0) as file:\n"
        "        whole = (source / name).read_bytes()\n"
        "        file.write(whole[:3000])\n"
        "        time.sleep(0.05)\n"
        "        file.write(whole[3000:])\n"
    )
    state = tmp_path / "state"
    watch = subprocess.Popen(
        [
            *(sys.executable, "-m", "coverslip.viewers", "watch", str(plate)),
            *("--port", str(viewer.port), "--json"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"COVERSLIP_STATE_DIR": str(state)},
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(top), str(plate), *names])
    try:
        assert writer.wait(DEADLINE) == 0
        eventually(
            lambda: journal_lines(state) == len(names), "each file is noted as shown", DEADLINE
        )
        watch.send_signal(signal.SIGINT)  # as Ctrl-C
        out, _ = watch.communicate(timeout=DEADLINE)
    finally:
        for process in (writer, watch):
            process.kill()
            process.wait()
    told = json.loads(out)
    assert (watch.returncode, told["ended"]) == (0, "interrupted")
    assert (told["files_shown"], told["dropped"], told["failed"]) == (12, 0, 0)
    expected = {
        on("plate", each.components): crc(tifffile.imread(each.path)) for each in listing.planes
    }
    assert held(viewer) == expected


def test_two_plates_of_the_same_wells_lie_beside_each_other(
    viewer: NapariStreamVisualizer, tmp_path: Path
) -> None:
    """One after the other into one window, as on two days: the slider `plate` tells them apart."""
    expected: Planes = {}
    for number, plate in enumerate(("monday", "tuesday")):
        (tmp_path / plate).mkdir()
        for site in (1, 2):
            pixels = np.full((32, 32), 10 * number + site, np.uint16)
            tifffile.imwrite(tmp_path / plate / f"scan_A01_s{site}_w1.tif", pixels)
            expected[on(plate, {"well": "A01", "site": site, "channel": 1})] = crc(pixels)
        assert shown(tmp_path / plate, "--port", viewer.port)["shown"] == 2
    with View(viewer) as view:
        (layer,) = view.layers()
    assert layer.axes[0] == "plate"
    assert held(viewer) == expected
