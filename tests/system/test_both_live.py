"""One stream to a real napari and a real ImageJ at once."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from coverslip.viewers import FijiStreamingConfig, NapariStreamingConfig, View, connect

pytestmark = pytest.mark.gui

START = 150.0
DEADLINE = 60.0


@pytest.fixture
def view(
    display: str,
    runtime_folder: Path,
    free_port: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[View]:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("COVERSLIP_FIJI", "net.imagej:ij:1.54p")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Duser.home={tmp_path}")
    configs = [
        NapariStreamingConfig(napari_port=free_port(), persistent=False, colormap="magenta"),
        FijiStreamingConfig(fiji_port=free_port(), persistent=False),
    ]
    made = connect("napari", "fiji", config=configs, timeout=START)
    yield made
    made.stop()


def test_both_hold_every_plane_each_in_its_own_layout(view: View, tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    planes = {
        (well, site, z): random.integers(0, 4096, (64, 48), np.uint16)
        for well in ("A01", "B02")
        for site in (1, 2)
        for z in range(3)
    }
    for (well, site, z), pixels in planes.items():
        view.show(pixels, well=well, site=site, channel="DAPI", z_index=z)
    delivery = view.flush(DEADLINE)
    assert delivery == (24, 24, 0, 0), view.statistics().reasons
    layers = view.layers(checksums=True, viewer="napari")
    windows = view.layers(checksums=True, viewer="fiji")
    # napari: one layer, wells and sites on sliders. ImageJ: a window for each well and site.
    assert len(layers) == 1
    assert len(windows) == 4
    assert len(view.layers()) == 5
    held = [
        {
            (plane.components["well"], plane.components["site"], plane.components["z_index"]): plane
            for layer in viewers
            for plane in layer.planes
        }
        for viewers in (layers, windows)
    ]
    for place, pixels in planes.items():
        assert [of[place].crc32 for of in held] == [zlib.crc32(pixels.tobytes())] * 2, place
    picture = imagecodecs.png_decode(view.screenshot(tmp_path / "both.png"))
    assert picture.shape[1] > imagecodecs.png_decode(view.screenshot(viewer="napari")).shape[1]
