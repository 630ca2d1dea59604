"""What the transport tests share: a runtime folder of each test's own, and servers of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from coverslip.transport import (
    Connection,
    Launched,
    Publisher,
    PublisherState,
    is_alive,
    launch,
    new_launch_id,
    new_log,
    stop,
    wait_ready,
)
from tests.transport.echo_viewer import EchoViewer
from tests.transport.odd_viewer import OddViewer
from tests.waiting import DEADLINE, eventually

FOLDER = Path(__file__).parent

Started = tuple[Launched, Connection]


@pytest.fixture(scope="session", autouse=True)
def pyzmqs_collector() -> None:
    """Start the one thread that pyzmq keeps for sends without a copy: it is no test's leak."""
    context = zmq.Context()
    with context.socket(zmq.PAIR) as sender:
        sender.bind("inproc://warm")
        frame = zmq.Frame(bytearray(1 << 17), copy=False, track=True)
        sender.close(0)
    del frame
    context.term()


@pytest.fixture(autouse=True)
def own_runtime_folder(runtime_folder: Path) -> Path:
    """Every test here has connection files of its own."""
    return runtime_folder


@pytest.fixture
def viewer(free_port: Callable[[], int]) -> Iterator[EchoViewer]:
    """An echo viewer, served by a thread of its own."""
    server = EchoViewer(port=free_port(), title="test")
    server.start()
    yield server
    server.close()


@pytest.fixture
def odd(free_port: Callable[[], int]) -> Iterator[OddViewer]:
    """A viewer with bugs, which may be told to take no data; served by a thread of its own."""
    server = OddViewer(port=free_port())
    server.start()
    yield server
    server.open = True
    server.close()


@pytest.fixture
def launch_viewer() -> Iterator[Callable[..., Started]]:
    """Launch a script of this folder as a viewer's process; each is ended with the test."""
    started: list[Started] = []

    def start(script: str = "echo_viewer.py", *words: str, detached: bool = True) -> Started:
        launch_id = new_launch_id()
        command = [sys.executable, str(FOLDER / script), launch_id, *words]
        env = {"PYTHONPATH": str(FOLDER.parent.parent)}
        launched = launch(command, detached=detached, log=new_log("echo", launch_id), env=env)
        try:
            connection = wait_ready(launched, launch_id, DEADLINE)
        except BaseException:
            launched._process.kill()
            launched.wait(DEADLINE)
            raise
        started.append((launched, connection))
        return launched, connection

    yield start
    for launched, connection in started:
        if is_alive(connection.identity):
            stop(connection, force=True)
        launched.wait(DEADLINE)


@pytest.fixture
def publisher(viewer: EchoViewer) -> Iterator[Publisher]:
    """A publisher that the `viewer` listens to."""
    made = Publisher(viewer.connection.endpoint)
    eventually(lambda: made.poll() is PublisherState.LISTENING, "a subscription")
    yield made
    made.close()
