"""A relay's process: found, followed and listed by commands; killed, and who notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coverslip.transport import Endpoint, list_connections, request
from coverslip.viewers import View, connect
from coverslip.viewers.messages import DescribeLayers, Layers
from coverslip.viewers.relay import RelayVisualizer
from tests.viewers.cli.conftest import command, no_window  # noqa: F401  # fixtures
from tests.viewers.cli.program import Command
from tests.viewers.headless import HeadlessVisualizer, serving
from tests.viewers.relay.conftest import crc32, follow, held, numbered
from tests.waiting import DEADLINE, eventually

START = 60.0


@pytest.fixture
def relays(
    runtime_folder: Path, free_port: Callable[[], int]
) -> Iterator[Callable[[int | None], RelayVisualizer]]:
    """Start relays in processes of their own, which end with the test."""
    started = []

    def start(port: int | None = None) -> RelayVisualizer:
        one = RelayVisualizer(port=port or free_port(), persistent=False)
        started.append(one)
        one.start_viewer(timeout=START)
        return one

    yield start
    for one in started:
        one.stop_viewer()
    assert list_connections("relay") == []


def checksums(endpoint: Endpoint) -> dict[object, int | None]:
    layers = request(endpoint, DescribeLayers(checksums=True), Layers, timeout=DEADLINE).layers
    return {one.components["z_index"]: one.crc32 for layer in layers for one in layer.planes}


def expected(*numbers: int) -> dict[object, int | None]:
    return {number: crc32(numbered(number)) for number in numbers}


def test_killed_it_costs_planes_which_are_counted_and_its_successor_takes_over(
    relays: Callable[..., RelayVisualizer], free_port: Callable[[], int]
) -> None:
    one = relays()
    assert one.port is not None
    with serving(port=free_port()) as viewer, connect("relay", port=one.port, start=False) as view:
        follow(viewer, one.endpoint)
        for number in range(10):
            view.show(numbered(number), z_index=number)
        assert view.flush(DEADLINE) == (10, 10, 0, 0)
        eventually(lambda: len(held(viewer)) == 10, "the viewer has them")
        os.kill(one.connection.pid, signal.SIGKILL)
        eventually(lambda: view.statistics().state == ("absent",), "the death was noticed")
        view.show(numbered(10), z_index=10)
        eventually(lambda: "relay" in (viewer.last_error or ""), "the viewer says so, too")

        successor = relays(one.port)
        eventually(lambda: view.statistics().state == ("live",), "the stream goes on by itself")
        view.show(numbered(11), z_index=11)
        assert view.flush(DEADLINE) == (12, 11, 1, 0)
        # Its keys are new ones: nobody could follow it without being told.
        follow(viewer, successor.endpoint)
        eventually(lambda: len(held(viewer)) == 11, "the viewer has what came since")
        assert held(viewer)[11] == crc32(numbered(11))


def test_a_viewer_that_is_killed_costs_nothing_and_the_next_gets_everything(
    relays: Callable[..., RelayVisualizer], free_port: Callable[[], int]
) -> None:
    one = relays()
    port = free_port()
    first = HeadlessVisualizer(port=port, persistent=False)
    second = HeadlessVisualizer(port=port, persistent=False)
    try:
        first.start_viewer(timeout=START)
        follow(first, one.endpoint)
        with View(one) as view:
            for number in range(10):
                view.show(numbered(number), z_index=number)
            eventually(lambda: len(checksums(first.endpoint)) == 10, "the first has them")
            os.kill(first.connection.pid, signal.SIGKILL)
            for number in range(10, 20):
                view.show(numbered(number), z_index=number)
            assert view.flush(DEADLINE) == (20, 20, 0, 0)
        second.start_viewer(timeout=START)
        follow(second, one.endpoint)
        eventually(lambda: len(checksums(second.endpoint)) == 20, "the second has all")
        assert checksums(second.endpoint) == expected(*range(20))
    finally:
        first.stop_viewer()
        second.stop_viewer()


def test_commands_list_it_follow_it_and_say_whom_it_serves(
    relays: Callable[..., RelayVisualizer],
    command: Command,  # noqa: F811  # the fixture
    no_window: None,  # noqa: F811  # the fixture
    tmp_path: Path,
    free_port: Callable[[], int],
) -> None:
    one = relays()
    listed = command("list", "--json")
    assert (listed.status, '"kind": "relay"' in listed.out) == (0, True)
    assert command("audience", one.port).status == 0
    line, port = tmp_path / "line", free_port()
    assert command("connection", "show", one.port, "--file", line).status == 0
    with View(one) as view:
        view.show(numbered(5), z_index=5)
        view.flush(DEADLINE)
    assert command("follow", line, "--port", port).status == 0
    (viewer,) = list_connections("headless")
    assert viewer.endpoint.port == port
    eventually(lambda: checksums(viewer.endpoint) == expected(5), "it shows what the relay has")
    served = command("audience", one.port, "--json")
    assert '"sent": 1' in served.out
    refused = command("follow", port)
    assert refused.status == 2
    assert "no relay of yours is on port" in refused.error


def test_in_the_foreground_it_says_where_it_is_and_ends_with_ctrl_c(
    runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    program = [sys.executable, "-m", "coverslip.viewers", "relay", "--json"]
    with subprocess.Popen(
        [*program, "--port", str(port), "--title", "mine"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
            (connection,) = list_connections("relay")
            assert told == {
                "kind": "relay",
                "port": port,
                "control_port": port + 1000,
                "title": "mine",
                "pid": connection.pid,
                "log": None,
            }
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == ""
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
    assert list_connections("relay") == []
