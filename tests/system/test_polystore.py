"""The real polystore, in an environment of its own, saves to our viewers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.viewers.headless import HeadlessServer, driving

ROOT = Path(__file__).resolve().parents[2]
INSTALL_DEADLINE = 170
DEADLINE = 120

# What polystore 0.6.3 imports when it looks for its backends, and does not depend on.
UNDECLARED = "pandas"

PROGRAM = """
import pickle, subprocess, sys
from pathlib import Path

import numpy
import polystore
import coverslip.viewers.polystore
from coverslip.viewers import NapariStreamingBackend, get_backend
from polystore.backend_registry import cleanup_backend_connections, create_storage_registry
from polystore.exceptions import StorageResolutionError

manager = polystore.FileManager(create_storage_registry())
images = [numpy.full((4, 5), value, numpy.uint8) for value in (1, 2, 3)]
paths = [f"TimePoint_1/plate_A0{n}_s1_w1.tif" for n in (1, 2, 3)]

# As it is saved to memory, so it is saved to napari.
manager.ensure_directory("/TimePoint_1", "memory")
manager.save_batch(images, [f"/{path}" for path in paths], "memory")
manager.save_batch(images, paths, "napari_stream")
manager.save(images[0], "TimePoint_1/plate_B01_s1_w1.tif", "napari_stream", step_name="blur")
backend = get_backend("napari_stream")
assert isinstance(backend, NapariStreamingBackend)
assert backend.flush(20) == (4, 4, 0, 0), backend.statistics()

try:
    manager.save_batch(images, paths[:2], "napari_stream")
except StorageResolutionError as error:
    assert "3 images and 2 paths" in str(error.__cause__)
else:
    raise AssertionError
sink = manager.registry["napari_stream"]
assert sink.supports_file_path("a.tif") and not sink.supports_file_path("a.csv")

# A manager that was made before.
theirs = polystore.FileManager({"memory": manager.registry["memory"]})
coverslip.viewers.polystore.use_in(theirs)
theirs.save(images[1], "TimePoint_1/plate_B02_s1_w1.tif", "napari_stream")

# polystore's own words for where a batch goes and what it holds.
from polystore.streaming.viewer_transport import (
    IndexedViewerStreamSourceMetadata, ViewerDisplayConfigABC, ViewerStreamRequest,
    ViewerStreamSource, ViewerTransportEndpoint,
)
from zmqruntime.config import TransportMode

class Display(ViewerDisplayConfigABC):
    COMPONENT_ORDER = ("well", "donor")
    def component_modes(self):
        return {"well": "stack", "donor": "separate"}
    def display_payload_extra(self):
        return {}

given = [{"donor": n, "cycle": None} for n in (7, 8, 9)]
request = ViewerStreamRequest(
    viewer_transport=ViewerTransportEndpoint("localhost", PORT, TransportMode.TCP),
    display_config=Display(),
    source=ViewerStreamSource(None, IndexedViewerStreamSourceMetadata(given)),
    producer=None,
)
manager.save_batch(images, paths, "napari_stream", stream_request=request)
assert backend.flush(20).shown == 8, backend.statistics()

# A worker that knows of polystore alone finds ours with the manager.
Path("manager.pickle").write_bytes(pickle.dumps(manager))
code = '''
import numpy, pickle
with open("manager.pickle", "rb") as file:
    manager = pickle.load(file)
image = numpy.full((4, 5), 9, numpy.uint8)
manager.save(image, "TimePoint_1/plate_H12_s1_w1.tif", "napari_stream")
manager.registry["napari_stream"].cleanup_connections()
'''
subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
cleanup_backend_connections()
"""


class Napari(HeadlessServer):
    """Answers where napari does, without a window."""

    kind = "napari"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that has polystore and ours."""
    venv = tmp_path / "venv"
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = [str(ROOT / "packages" / name) for name in ("transport", "payload", "viewers")]
    install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    for command in (
        ["uv", "venv", "--quiet", "--python", sys.executable, str(venv)],
        [*install, "polystore==0.6.3", UNDECLARED, *packages],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_DEADLINE, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    return python


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[Napari]:
    with driving(Napari(port=free_port())) as running:
        yield running


@pytest.mark.timeout(INSTALL_DEADLINE * 2 + DEADLINE)
def test_a_file_manager_saves_to_our_viewer(python: Path, server: Napari, tmp_path: Path) -> None:
    port = server.connection.endpoint.port
    done = subprocess.run(
        [python, "-c", PROGRAM.replace("PORT", str(port))],
        cwd=tmp_path,
        # Its cache of what it found is a folder of the user's.
        env=os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held = [
        {**layer.components, **dict(zip(layer.key.axes, key, strict=True))}
        for layer in server.projection
        for key, _ in layer.store.snapshot()
    ]
    wells = sorted(str(one["well"]) for one in held)
    assert wells == ["A01", "A01", "A02", "A02", "A03", "A03", "B01", "B02", "H12"]
    assert sorted(one["donor"] for one in held if "donor" in one) == [7, 8, 9]
