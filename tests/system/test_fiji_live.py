"""Real planes into a real ImageJ that another process owns; napari's contracts by napari's code."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tifffile

from coverslip.viewers import FijiStreamingBackend, FijiStreamVisualizer, View
from coverslip.viewers.parsers import list_planes
from tests.system import test_napari_live as napari
from tests.viewers.fiji.conftest import imagej

pytestmark = pytest.mark.gui

__all__ = ["imagej"]

START = 120.0
DEADLINE = 60.0

# Faults and contracts, run with this module's `viewer`.
test_a_killed_jvm_holds_nobody_up = napari.test_a_killed_napari_holds_nobody_up_and_leaves_nothing
test_a_killed_producer = napari.test_a_killed_producer_leaves_the_viewer_as_it_was
test_junk = napari.test_junk_on_both_sockets_is_refused_and_counted
test_ten_thousand = napari.test_four_processes_send_ten_thousand_planes_and_none_is_lost


@pytest.fixture
def viewer(
    imagej: None, runtime_folder: Path, free_port: Callable[[], int]
) -> Iterator[FijiStreamVisualizer]:
    """An ImageJ process that dies with this one."""
    visualizer = FijiStreamVisualizer(
        viewer_title="under test", persistent=False, fiji_port=free_port()
    )
    visualizer.start_viewer(timeout=START)
    assert visualizer.is_running
    yield visualizer
    visualizer.stop_viewer()
    assert not visualizer.is_running


@pytest.mark.plates
@pytest.mark.parametrize(
    ("plate", "planes", "windows"),
    [("imagexpress-2wells-4channels", 96, 8), ("imagexpress-1well-timelapse", 12, 2)],
)
def test_every_plane_of_a_real_plate_is_the_files(
    viewer: FijiStreamVisualizer, plates: Path, plate: str, planes: int, windows: int
) -> None:
    sent: dict[tuple[tuple[str, Any], ...], int] = {}
    with View(viewer) as view:
        for parsed in list_planes([plates / plate]).planes:
            pixels = tifffile.imread(parsed.path)
            sent[tuple(sorted(parsed.components.items()))] = zlib.crc32(pixels.tobytes())
            components: dict[str, Any] = {**parsed.components}
            view.show(pixels, origin=str(parsed.path), **components)
        assert view.flush(DEADLINE) == (planes, planes, 0, 0)
        held = view.layers(checksums=True)
        assert len(held) == windows
        assert {
            tuple(sorted(plane.components.items())): plane.crc32
            for window in held
            for plane in window.planes
        } == sent
        assert all(window.contrast_limits for window in held)
        assert napari.looks_like_png(view.screenshot())


def test_a_pipeline_saves_batches_by_file_name(viewer: FijiStreamVisualizer, plates: Path) -> None:
    listing = list_planes([plates / "imagexpress-1well-timelapse"])
    backend = FijiStreamingBackend()
    try:
        backend.save_batch(
            [tifffile.imread(one.path) for one in listing.planes],
            [one.path for one in listing.planes],
            step_name="raw",
            step_index=0,
            port=viewer.port,
            microscope="accepted and left aside",
        )
        view = backend.view(port=viewer.port)
        assert view.flush(DEADLINE) == (12, 12, 0, 0)
        assert {window.name for window in view.layers()} == {
            f"Step_00_raw_Well_C07_Site_{site}" for site in (1, 2)
        }
    finally:
        backend.close()
