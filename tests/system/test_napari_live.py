"""Real planes into a real napari that another process owns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zmq

from coverslip.transport import Ping, Pong, Publisher, PublisherState, identify, is_alive, request
from coverslip.viewers import NapariStreamingBackend, NapariStreamVisualizer, View
from coverslip.viewers.parsers import list_planes

pytestmark = pytest.mark.gui

START = 90.0
DEADLINE = 60.0


def until(condition: Callable[[], Any], what: str, within: float = DEADLINE) -> None:
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        pause.wait(0.02)


@pytest.fixture
def viewer(
    display: str,
    runtime_folder: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[NapariStreamVisualizer]:
    """A napari process that dies with this one."""
    monkeypatch.setenv("DISPLAY", display)
    visualizer = NapariStreamVisualizer(
        viewer_title="under test", persistent=False, napari_port=free_port()
    )
    visualizer.start_viewer(timeout=START)
    assert visualizer.is_running
    yield visualizer
    visualizer.stop_viewer()
    assert not visualizer.is_running


def looks_like_png(png: bytes) -> bool:
    return png.startswith(b"\x89PNG") and len(png) > 20_000


@pytest.mark.parametrize(
    ("plate", "planes", "layers"),
    [("imagexpress-2wells-4channels", 96, 6), ("imagexpress-1well-timelapse", 12, 3)],
)
def test_every_plane_of_a_real_plate_is_the_files(
    viewer: NapariStreamVisualizer, plates: Path, plate: str, planes: int, layers: int
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
        assert len(held) == layers
        assert {
            tuple(sorted(plane.components.items())): plane.crc32
            for layer in held
            for plane in layer.planes
        } == sent
        assert all(layer.contrast_limits and np.diff(layer.contrast_limits) > 0 for layer in held)
        assert all(layer.axes[-2:] == ("y", "x") for layer in held)
        assert len({layer.axes for layer in held}) == 1, "napari aligns axes by position"
        assert looks_like_png(view.screenshot())


def test_a_pipeline_saves_batches_by_file_name(
    viewer: NapariStreamVisualizer, plates: Path
) -> None:
    listing = list_planes([plates / "imagexpress-1well-timelapse"])
    backend = NapariStreamingBackend()
    try:
        for index, step in enumerate(("raw", "inverted")):
            backend.save_batch(
                [
                    tifffile.imread(one.path) if index == 0 else ~tifffile.imread(one.path)
                    for one in listing.planes
                ],
                [one.path for one in listing.planes],
                step_name=step,
                step_index=index,
                port=viewer.port,
                microscope="accepted and left aside",
            )
        view = backend.view(port=viewer.port)
        assert view.flush(DEADLINE) == (24, 24, 0, 0)
        assert {layer.name for layer in view.layers()} == {
            f"Step_{index:02d}_{step}_Channel_{channel}"
            for index, step in enumerate(("raw", "inverted"))
            for channel in (1, 2, 3)
        }
        with pytest.raises(ValueError, match="2 images and 1 paths"):
            backend.save_batch([np.ones((2, 2))] * 2, ["one.tif"])
    finally:
        backend.close()


def test_planes_sent_while_the_viewer_starts_are_shown(
    display: str,
    runtime_folder: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    visualizer = NapariStreamVisualizer(persistent=False, napari_port=free_port())
    visualizer.start_viewer(async_mode=True, timeout=START)
    try:
        view = View(visualizer)
        for number in range(40):
            view.show(np.full((256, 256), number, np.uint16), z_index=number)
        assert view.statistics().dropped == 0
        assert view.flush(START) == (40, 40, 0, 0)
        (layer,) = view.layers()
        assert layer.labels["z_index"] == tuple(range(40))
        view.close()
    finally:
        visualizer.stop_viewer()


def test_a_killed_napari_holds_nobody_up_and_leaves_nothing(
    viewer: NapariStreamVisualizer,
) -> None:
    view = View(viewer)
    pixels = np.ones((512, 512), np.uint16)
    for number in range(100):
        view.show(pixels, z_index=number)
        if number == 50:
            os.kill(viewer.connection.pid, signal.SIGKILL)
    until(lambda: view.statistics().state == ("absent",), "the death was noticed")
    counts = view.flush(DEADLINE)
    assert counts.sent == 100
    assert counts.complete
    assert counts.dropped > 0
    assert view.statistics().bytes_in_flight == 0
    assert view.close() == counts


def test_a_killed_producer_leaves_the_viewer_as_it_was(viewer: NapariStreamVisualizer) -> None:
    producer = subprocess.Popen(
        [sys.executable, "-m", "tests.system.producer", viewer.kind, str(viewer.port), "endless"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert producer.stdout is not None
    assert producer.stdout.readline() == "streaming\n"
    maps = Path(f"/proc/{viewer.connection.pid}/maps")
    if maps.exists():
        assert "memfd:coverslip" in maps.read_text()
    producer.kill()
    producer.wait(DEADLINE)
    producer.stdout.close()
    if maps.exists():
        until(lambda: "memfd:coverslip" not in maps.read_text(), "the arena is let go of")
    with View(viewer) as view:
        view.show(np.eye(64, dtype=np.uint8), name="after")
        assert view.flush(DEADLINE).shown == 1
        assert "after" in {layer.name for layer in view.layers()}


def test_four_processes_send_ten_thousand_planes_and_none_is_lost(
    viewer: NapariStreamVisualizer,
) -> None:
    producers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.system.producer",
                viewer.kind,
                str(viewer.port),
                str(number),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    told = [producer.communicate(timeout=240)[0].strip() for producer in producers]
    assert told == ["2500 2500 0 0"] * 4
    with View(viewer) as view:
        (layer,) = view.layers(checksums=True)
        assert len(layer.planes) == 10_000
        for plane in layer.planes:
            value = int(plane.components["producer"]) * 2500 + int(plane.components["timepoint"])
            assert plane.crc32 == zlib.crc32(np.full((64, 64), value, "<u2").tobytes())


def test_junk_on_both_sockets_is_refused_and_counted(viewer: NapariStreamVisualizer) -> None:
    before = request(viewer.endpoint, Ping(), Pong, timeout=10).refused
    publisher = Publisher.acquire(viewer.endpoint)
    try:
        until(lambda: publisher.poll() is PublisherState.LISTENING, "subscribed")
        rng = np.random.default_rng(5)
        for number in range(200):
            frames = [rng.bytes(int(rng.integers(0, 300))) for _ in range(number % 3 + 1)]
            publisher.send(frames)
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.curve_serverkey = viewer.endpoint.server_key.encode()
            dealer.curve_secretkey = viewer.endpoint.client_secret.encode()
            dealer.curve_publickey = viewer.endpoint.client_public.encode()
            dealer.connect(viewer.endpoint.control_address)
            for _ in range(100):
                dealer.send_multipart([b"", rng.bytes(50)])
            for _ in range(100):
                assert dealer.poll(10_000), "each is answered"
                dealer.recv_multipart()
        until(
            lambda: request(viewer.endpoint, Ping(), Pong, timeout=10).refused - before == 300,
            "all 300 were counted",
        )
    finally:
        publisher.release()
    with View(viewer) as view:
        view.show(np.eye(64, dtype=np.uint8))
        assert view.flush(DEADLINE) == (1, 1, 0, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="ended by signals")
def test_a_persistent_viewer_outlives_the_process_that_started_it(
    display: str,
    runtime_folder: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    port = free_port()
    code = (
        "from coverslip.viewers import connect; import numpy\n"
        f"with connect('napari', port={port}, timeout={START}) as view:\n"
        "    view.show(numpy.eye(32), well='A01')\n"
        "    assert view.flush(60).shown == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=START + DEADLINE)
    visualizer = NapariStreamVisualizer(napari_port=port)
    assert visualizer.find_viewer()
    try:
        (layer,) = View(visualizer).layers()
        assert len(layer.planes) == 1
        owner = visualizer.connection.identity
    finally:
        visualizer.stop_viewer()
    assert identify(owner.pid) is None or not is_alive(owner)
