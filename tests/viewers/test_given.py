"""The stream that a process was given: lent to it, or named by its environment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from coverslip.transport import AddressError
from coverslip.viewers import ConfigError, NoStream, StreamingConfig, View, current_stream
from coverslip.viewers.backends import ViewerBackend
from coverslip.viewers.given import CONNECTION_VARIABLE, give, given_view, take_back
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Stream
from tests.viewers.headless import HeadlessServer, driving

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)
PATH = "TimePoint_1/x_A01_s1_w1.tif"
DEADLINE = 20.0

PROGRAM = """
import numpy
from coverslip.viewers import current_stream

for number in range(5):
    current_stream().show(numpy.full((3, 4), number, numpy.uint8), well="A01", z_index=number)
print(*current_stream().flush(20))
"""


class Second(HeadlessServer):
    kind = "second"


class Backend(ViewerBackend):
    kind = "headless"
    config = StreamingConfig


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.delenv(CONNECTION_VARIABLE, raising=False)
    monkeypatch.delenv("COVERSLIP_STREAM", raising=False)


@pytest.fixture
def server(runtime_folder, free_port) -> Iterator[HeadlessServer]:
    with driving(HeadlessServer(port=free_port())) as made:
        yield made


@pytest.fixture
def meant() -> Iterator[Callable[[], bool]]:
    """Whom a loan is meant for: everybody, until the test is over."""
    over = threading.Event()
    yield lambda: not over.is_set()
    over.set()


def line_of(server: HeadlessServer) -> str:
    return server.connection.endpoint.to_url()


def lent(*servers: HeadlessServer, **looks: Any) -> View:
    visualizers = [RemoteVisualizer(server.connection.endpoint) for server in servers]
    return View(visualizers, Stream(visualizers, group="-ours", lent=True), **looks)


def sources(server: HeadlessServer) -> set[str]:
    return {str(value) for layer in server.projection for value in layer.components.values()}


def test_none_was_given():
    with pytest.raises(NoStream, match=r"stream_to\(client, view\).*COVERSLIP_CONNECTION"):
        current_stream()


class TestEnvironment:
    def test_a_line_and_a_file_that_holds_it(self, server, monkeypatch, tmp_path):
        monkeypatch.setenv(CONNECTION_VARIABLE, line_of(server))
        view = current_stream()
        assert current_stream() is view
        view.show(PIXELS, well="A01")
        assert view.flush(DEADLINE) == (1, 1, 0, 0)
        file = tmp_path / "line"
        file.touch(0o600)
        file.write_text(f"{line_of(server)}\n")
        monkeypatch.setenv(CONNECTION_VARIABLE, str(file))
        other = current_stream()
        assert other is not view
        other.show(PIXELS, well="A02")
        assert other.flush(DEADLINE) == (1, 1, 0, 0)
        view.close(0)
        other.close(0)

    def test_no_line_is_said_without_showing_it(self, monkeypatch):
        monkeypatch.setenv(CONNECTION_VARIABLE, "coverslip://secret")
        with pytest.raises(AddressError) as caught:
            current_stream()
        assert "secret" not in str(caught.value)

    def test_damaged_terms_are_named(self, server, monkeypatch):
        monkeypatch.setenv(CONNECTION_VARIABLE, line_of(server))
        monkeypatch.setenv("COVERSLIP_STREAM", "{}")
        with pytest.raises(ConfigError, match="COVERSLIP_STREAM"):
            current_stream()

    def test_switched_off_it_is_a_view_of_nothing(self, server, monkeypatch):
        monkeypatch.setenv(CONNECTION_VARIABLE, line_of(server))
        monkeypatch.setenv("COVERSLIP_STREAMING_ENABLED", "false")
        view = current_stream()
        view.show(PIXELS, well="A01")
        assert view.flush(1) == (0, 0, 0, 0)
        view.close(0)

    def test_a_backend_saves_there(self, server, monkeypatch):
        monkeypatch.setenv(CONNECTION_VARIABLE, line_of(server))
        backend = Backend()
        backend.save_batch([PIXELS], [PATH])
        assert backend.flush(DEADLINE) == (1, 1, 0, 0)
        assert backend.statistics().shown == 1
        backend.close()
        assert current_stream().statistics().shown == 1
        current_stream().show(PIXELS, well="A01")  # the backend has not closed what is not its own
        current_stream().close(0)

    def test_a_viewer_of_another_kind_is_none_of_a_backends(self, server, monkeypatch):
        monkeypatch.setenv(CONNECTION_VARIABLE, line_of(server))
        assert given_view("napari") is None
        view = given_view("headless")
        assert view is current_stream()
        view.close(0)


class TestLoan:
    def test_a_process_that_is_started_meanwhile_streams_alike(self, server, meant):
        view = lent(server, modes={"well": "slice"})
        give(view, meant)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
        )
        take_back(view)
        assert done.stdout.split() == ["5", "5", "0", "0"]
        (layer,) = server.projection
        assert layer.components == {"well": "A01"}
        (stream,) = [name for name in server.ledgers if name != view.stream.id]
        assert stream.endswith("-ours")

    def test_what_the_environment_said_before_comes_back(self, server, meant, monkeypatch):
        monkeypatch.setenv(CONNECTION_VARIABLE, "before")
        first, second = lent(server), lent(server)
        give(first, meant)
        give(second, meant)
        assert os.environ[CONNECTION_VARIABLE] == line_of(server)
        assert current_stream() is second
        take_back(second)
        assert current_stream() is first
        take_back(first)
        assert os.environ[CONNECTION_VARIABLE] == "before"
        assert "COVERSLIP_STREAM" not in os.environ

    def test_the_thread_that_asks_gets_what_is_meant_for_it(self, server, meant):
        mine, theirs = lent(server), lent(server)
        give(mine, meant)
        give(theirs, lambda: False)
        assert current_stream() is mine
        take_back(mine)
        assert current_stream() is theirs
        take_back(theirs)

    def test_taken_back_it_counts_and_raises_nothing(self, server, meant):
        view = lent(server)
        give(view, meant)
        view.show(PIXELS, well="A01")
        take_back(view)
        assert current_stream() is view
        array = view.allocate((3, 4), np.uint8)
        array[:] = 1
        view.show(array, well="A02")
        assert view.flush(1) == (2, 1, 1, 0)
        assert view.statistics().reasons == {"the stream was closed": 1}

    def test_taken_back_others_of_the_process_do_not_meet_it(self, server):
        view = lent(server)
        give(view, lambda: False)
        assert current_stream() is view
        take_back(view)
        with pytest.raises(NoStream):
            current_stream()
        assert given_view("headless") is None

    def test_each_backend_saves_to_its_own_kind_of_several(self, server, meant, free_port):
        with driving(Second(port=free_port())) as second:
            view = lent(server, second)
            give(view, meant)
            backend = Backend()
            backend.save_batch([PIXELS], [PATH])
            assert backend.flush(DEADLINE) == (1, 1, 0, 0)
            assert sum(ledger.counts().shown for ledger in server.ledgers.values()) == 1
            assert sum(ledger.counts().shown for ledger in second.ledgers.values()) == 0
            view.show(PIXELS, well="A02")
            assert view.flush(DEADLINE) == (2, 2, 0, 0)
            take_back(view)
