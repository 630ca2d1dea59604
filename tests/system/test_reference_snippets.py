"""The snippets of the documents that asked for this system, run as they stand there.

They are quoted here, since the documents are not part of this repository. Ports are replaced by
free ones, and what a snippet merely names (``images``, ``filemanager``) is given.
"""

from __future__ import annotations

import importlib
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import coverslip.viewers
from coverslip.viewers import (
    FijiStreamingConfig,
    FijiStreamVisualizer,
    NapariStreamingConfig,
    NapariStreamVisualizer,
    get_backend,
)

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
START = 150.0
DEADLINE = 60.0

NAPARI_CONFIG = """
@dataclass(frozen=True)
class NapariStreamingConfig(StreamingConfig, NapariDisplayConfig):
    napari_port: int = 5555
    napari_host: str = 'localhost'

    # Inherited from NapariDisplayConfig:
    colormap: NapariColormap = NapariColormap.GRAY
    variable_size_handling: NapariVariableSizeHandling = SEPARATE_LAYERS
    site_mode: NapariDimensionMode = STACK
    channel_mode: NapariDimensionMode = SLICE
    z_index_mode: NapariDimensionMode = STACK
    well_mode: NapariDimensionMode = STACK
"""

FIJI_CONFIG = """
@dataclass(frozen=True)
class FijiStreamingConfig(StreamingConfig, FijiDisplayConfig):
    fiji_port: int = 5556
    fiji_host: str = 'localhost'

    # Inherited from FijiDisplayConfig:
    lut: FijiLUT = FijiLUT.GRAYS
    channel_mode: FijiDimensionMode = SLICE
    z_index_mode: FijiDimensionMode = STACK
    timepoint_mode: FijiDimensionMode = STACK
    site_mode: FijiDimensionMode = SEPARATE
"""

PIPELINE_CONFIG = """
# Pipeline configuration enables Napari streaming
pipeline_config = PipelineConfig(
    napari_streaming=NapariStreamingConfig(
        enabled=True,
        persistent=True,
        napari_port=5555
    )
)
"""

VISUALIZER = """
# Start persistent viewer
visualizer = NapariStreamVisualizer(
    filemanager,
    visualizer_config,  # Configuration for streaming behavior
    viewer_title="OpenHCS Pipeline Visualization",
    persistent=True,
    napari_port=5555,
    replace_layers=False
)
visualizer.start_viewer(async_mode=True)  # Non-blocking startup
"""

SAVE = """
# Streaming backend usage
filemanager.save_batch(
    data=images,
    paths=paths,
    backend='napari_stream'
)
"""

METADATA = """
# Component metadata from OpenHCS
metadata = {
    'well': 'A01',
    'site': 's1',
    'channel': 'DAPI',
    'z_index': 'z003',
    'timepoint': 't001'
}

# Automatic CZT mapping based on FijiDisplayConfig
config = FijiDisplayConfig(
    channel_mode=FijiDimensionMode.SLICE,  # C dimension
    z_index_mode=FijiDimensionMode.STACK,  # Z dimension
    timepoint_mode=FijiDimensionMode.STACK # T dimension
)
"""

SNIPPETS = [NAPARI_CONFIG, FIJI_CONFIG, PIPELINE_CONFIG, VISUALIZER, SAVE, METADATA]


@dataclass(frozen=True)
class PipelineConfig:
    """A pipeline's own configuration, as the documents' system has one."""

    napari_streaming: NapariStreamingConfig


class FileManager:
    """All that the documents' file manager knows of a backend: its name, and ``save_batch``."""

    def save_batch(self, data: list[Any], paths: list[str], backend: str) -> None:
        get_backend(backend).save_batch(data, paths)


def run(snippet: str, port: int | None = None, **names: Any) -> dict[str, Any]:
    """Run a snippet with our names in reach, and return what it made."""
    if port is not None:
        snippet = re.sub(r"\b555[56]\b", str(port), snippet)
    scope = {name: getattr(coverslip.viewers, name) for name in coverslip.viewers.__all__} | {
        "__name__": __name__,
        "dataclass": dataclass,
        "PipelineConfig": PipelineConfig,
        "SEPARATE_LAYERS": coverslip.viewers.NapariVariableSizeHandling.SEPARATE_LAYERS,
        **{mode.name: mode for mode in coverslip.viewers.Mode},
        **names,
    }
    # Not with this file's own __future__: as it would run in one of its own.
    exec(compile(snippet, "<reference>", "exec", dont_inherit=True), scope)
    return scope


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the documents are not beside this repository")
def test_they_are_quoted_as_they_stand() -> None:
    documents = "".join(path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.txt"))
    told = "".join(documents.split())
    assert [snippet for snippet in SNIPPETS if "".join(snippet.split()) not in told] == []


NAMES = """
NapariStreamingBackend FijiStreamingBackend StreamingBackend
NapariStreamVisualizer FijiStreamVisualizer
NapariStreamingConfig FijiStreamingConfig StreamingConfig NapariDisplayConfig FijiDisplayConfig
LazyNapariStreamingConfig LazyFijiStreamingConfig LazyNapariDisplayConfig LazyFijiDisplayConfig
NapariColormap FijiLUT NapariVariableSizeHandling NapariDimensionMode FijiDimensionMode
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_every_name_is_there(name: str) -> None:
    assert getattr(coverslip.viewers, name).__doc__
    assert name in coverslip.viewers.__all__


@pytest.mark.parametrize(
    ("module", "name"),
    [("napari.server", "NapariViewerServer"), ("fiji.server", "FijiViewerServer")],
)
def test_the_servers_are_zmq_servers(module: str, name: str) -> None:
    from coverslip.transport import ZMQServer

    server = getattr(importlib.import_module(f"coverslip.viewers.{module}"), name)
    assert issubclass(server, ZMQServer)


@pytest.mark.parametrize(
    ("snippet", "ours"),
    [(NAPARI_CONFIG, NapariStreamingConfig), (FIJI_CONFIG, FijiStreamingConfig)],
    ids=["napari", "fiji"],
)
def test_a_configuration_written_so_says_what_ours_says(snippet: str, ours: type[Any]) -> None:
    theirs = run(snippet)[ours.__name__]()
    assert (theirs.port, theirs.host) == (ours().port, ours().host)
    assert theirs.modes() == ours().modes()
    assert theirs.display() == ours().display()


def test_a_pipelines_configuration_holds_ours() -> None:
    config = run(PIPELINE_CONFIG)["pipeline_config"]
    assert config.napari_streaming == NapariStreamingConfig()
    visualizer = NapariStreamVisualizer(None, config)
    assert (visualizer.port, visualizer.persistent) == (5555, True)
    assert FijiStreamVisualizer(None, config).port is None


@pytest.fixture
def napari(
    display: str,
    runtime_folder: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[NapariStreamVisualizer]:
    monkeypatch.setenv("DISPLAY", display)
    port = free_port()
    config = run(PIPELINE_CONFIG, port)["pipeline_config"]
    made = run(VISUALIZER, port, filemanager=FileManager(), visualizer_config=config)
    visualizer: NapariStreamVisualizer = made["visualizer"]
    yield visualizer
    get_backend("napari_stream").close(0)
    visualizer.stop_viewer()


@pytest.mark.gui
def test_napari_started_and_sent_to_without_waiting(napari: NapariStreamVisualizer) -> None:
    assert not napari.is_running  # it is on its way, and the pipeline goes on
    random = np.random.default_rng(4)
    paths = [f"TimePoint_1/plate_A01_s{site}_w{w}.tif" for site in (1, 2) for w in (1, 2)]
    images = [random.integers(0, 4096, (48, 64), np.uint16) for _ in paths]
    run(SAVE, filemanager=FileManager(), images=images, paths=paths)
    backend = get_backend("napari_stream")
    assert isinstance(backend, coverslip.viewers.NapariStreamingBackend)
    assert napari.wait_for_ready(START)
    assert backend.flush(DEADLINE) == (4, 4, 0, 0)
    assert napari.connection.title == "OpenHCS Pipeline Visualization"
    # The documents' example of a layer's name, from its components.
    backend.save(
        images[0],
        "x.tif",
        step_name="gaussian_blur",
        step_index=2,
        components={"well": "A01", "channel": "DAPI", "site": "001"},
        modes={"well": "slice", "site": "slice"},
    )
    assert backend.flush(DEADLINE) == (5, 5, 0, 0)
    layers = {layer.name: layer for layer in backend.view().layers(checksums=True)}
    assert "Step_02_gaussian_blur_Well_A01_Channel_DAPI_Site_001" in layers
    shown = {plane.crc32 for layer in layers.values() for plane in layer.planes}
    assert shown == {zlib.crc32(image.tobytes()) for image in images}


@pytest.mark.gui
def test_fiji_maps_components_to_channels_slices_and_frames(
    display: str,
    runtime_folder: Path,
    free_port: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("COVERSLIP_FIJI", "net.imagej:ij:1.54p")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Duser.home={tmp_path}")
    made = run(METADATA)
    metadata, config = made["metadata"], made["config"]
    visualizer = FijiStreamVisualizer(persistent=False, fiji_port=free_port())
    visualizer.start_viewer(async_mode=True)
    backend = get_backend("fiji_stream")
    assert isinstance(backend, coverslip.viewers.FijiStreamingBackend)
    try:
        assert visualizer.wait_for_ready(START)
        components = [
            metadata | {"z_index": f"z{z:03}", "timepoint": f"t{t:03}"}
            for z in range(3)
            for t in range(2)
        ]
        images = [np.full((32, 48), n, np.uint16) for n in range(6)]
        paths = [f"{n}.tif" for n in range(6)]
        backend.save_batch(
            images, paths, step_name="raw", step_index=1, components=components, config=config
        )
        assert backend.flush(DEADLINE) == (6, 6, 0, 0)
        (window,) = backend.view().layers()
        assert {axis: len(values) for axis, values in window.labels.items()} == {
            "timepoint": 2,
            "z_index": 3,
            "channel": 1,
        }
    finally:
        backend.close(0)
        visualizer.stop_viewer()
