"""Streams to real servers: in this process, and in one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import (
    Source,
)
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving


def plane(number: int, edge: int = 64) -> np.ndarray[Any, np.dtype[np.uint16]]:
    return np.random.default_rng(number).integers(0, 4096, (edge, edge), np.uint16)


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessServer]:
    with serving(port=free_port()) as running:
        yield running


@pytest.fixture
def stream(server: HeadlessServer) -> Iterator[Stream]:
    made = Stream([RemoteVisualizer(server.connection.endpoint)])
    yield made
    made.close(0)


@pytest.fixture
def visualizer(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessVisualizer]:
    """A viewer in a process of its own."""
    made = HeadlessVisualizer(port=free_port(), persistent=False)
    made.start_viewer()
    yield made
    made.stop_viewer()


def send(stream: Stream, *planes: Any, source: Source | None = None, **components: Any) -> None:
    stream.send([Image(components, pixels) for pixels in planes], source or Source())
