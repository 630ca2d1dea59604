"""Relays and viewers in this process: each as it is in its own, up to the signals."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from coverslip.transport import Done, Endpoint, request
from coverslip.viewers import View
from coverslip.viewers.messages import Follow, Unfollow
from coverslip.viewers.relay.messages import Audience, ListAudience, Reader
from coverslip.viewers.relay.server import RelayServer
from coverslip.viewers.remote import RemoteVisualizer
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving

MEMORY = 64 << 20
PLANE: Any = np.arange(128 * 128, dtype="<u2").reshape(128, 128)

Relay: TypeAlias = "Callable[..., RelayServer]"
Viewer: TypeAlias = "Callable[..., HeadlessServer]"


@pytest.fixture
def running(runtime_folder: Path, tmp_path: Path) -> Iterator[ExitStack]:
    """What ends with the test, the last that came first."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_SCRATCH", str(tmp_path / "scratch"))
        yield stack


@pytest.fixture
def relay(running: ExitStack, free_port: Callable[[], int]) -> Relay:
    """Start a relay."""

    def start(**options: Any) -> RelayServer:
        server = RelayServer(**{"memory": MEMORY, "port": free_port(), **options})
        running.callback(server.close)
        server.start()
        return server

    return start


@pytest.fixture
def viewer(running: ExitStack, free_port: Callable[[], int]) -> Viewer:
    """Start a viewer that follows a relay."""

    def start(relay: RelayServer, *, newest: bool = False, **options: Any) -> HeadlessServer:
        server = running.enter_context(serving(port=free_port(), **options))
        follow(server, relay.connection.endpoint, newest=newest)
        return server

    return start


def unfollow(server: HeadlessServer, endpoint: Endpoint) -> None:
    """Have a viewer follow a relay no more."""
    message = Unfollow(line=endpoint.to_url())
    request(server.connection.endpoint, message, Done, timeout=20)


def follow(
    server: HeadlessServer | HeadlessVisualizer, endpoint: Endpoint, *, newest: bool = False
) -> None:
    """Have a viewer follow a relay."""
    message = Follow(line=endpoint.to_url(), newest=newest)
    request(server.connection.endpoint, message, Done, timeout=20)


@contextmanager
def producer(relay: RelayServer) -> Iterator[View]:
    """A pipeline that shows on a relay."""
    with View(RemoteVisualizer(relay.connection.endpoint)) as view:
        yield view


def numbered(number: int) -> NDArray[np.uint16]:
    """Return pixels that tell which they are."""
    return np.asarray(PLANE + number)


def crc32(pixels: NDArray[Any]) -> int:
    return zlib.crc32(pixels.tobytes())


def held(server: HeadlessServer) -> dict[Any, int]:
    """Return the checksum of each plane that a viewer holds, by its z index."""
    return {
        components["z_index"]: crc32(np.asarray(server.read(pixels)))
        for layer in server.snapshot()
        for components, pixels in layer.planes
    }


def audience(relay: RelayServer) -> tuple[Reader, ...]:
    return request(relay.connection.endpoint, ListAudience(), Audience, timeout=20).viewers
