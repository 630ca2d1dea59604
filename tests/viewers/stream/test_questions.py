"""What a view asks of its viewer."""

from __future__ import annotations

import pickle
import zlib
from pathlib import Path

import numpy as np

from coverslip.transport import (
    Clear,
    Done,
    request,
)
from coverslip.viewers import View
from tests.viewers.headless import PNG, HeadlessVisualizer
from tests.viewers.stream.conftest import plane
from tests.waiting import DEADLINE


class TestQuestions:
    def test_layers_with_checksums(self, visualizer: HeadlessVisualizer) -> None:
        view = View(visualizer)
        volume = np.stack([plane(z) for z in range(5)])
        view.show(
            volume,
            axes=("z_index", "y", "x"),
            well="A01",
            channel="DAPI",
            step_name="raw",
            step_index=0,
        )
        view.flush(DEADLINE)
        (layer,) = view.layers(checksums=True)
        assert layer.name == "Step_00_raw_Channel_DAPI"
        assert [(one.components["z_index"], one.crc32) for one in layer.planes] == [
            (z, zlib.crc32(volume[z].tobytes())) for z in range(5)
        ]
        view.close()

    def test_screenshot_and_clear(self, visualizer: HeadlessVisualizer, tmp_path: Path) -> None:
        view = View(visualizer)
        view.show(plane(1))
        view.flush(DEADLINE)
        view.screenshot(tmp_path / "shot.png")
        assert (tmp_path / "shot.png").read_bytes() == PNG
        view.clear()
        assert view.layers() == ()
        request(visualizer.endpoint, Clear(), Done, timeout=5)
        view.close()

    def test_a_view_travels_to_another_process_by_its_port(
        self, visualizer: HeadlessVisualizer, headless_kind: None
    ) -> None:
        view = View(visualizer, modes={"well": "slice"})
        again = pickle.loads(pickle.dumps(view))
        again.show(plane(1), well="A01")
        assert again.flush(DEADLINE).shown == 1
        (layer,) = again.layers()
        assert layer.name == "Well_A01"
        again.close()
        view.close()
