"""A viewer's process, found, started and stopped in an unlucky order."""

from __future__ import annotations

import pickle
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coverslip.transport import LaunchError, list_connections
from coverslip.viewers import View, ViewerGone, connect
from coverslip.viewers.kinds import _OURS
from tests.viewers.headless import HeadlessVisualizer
from tests.waiting import DEADLINE


class NeverReady(HeadlessVisualizer):
    """Launches a process that never binds a socket."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.launching = threading.Event()
        """Set once it has chosen a port."""

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        self.launching.set()
        return [sys.executable, "-c", "import threading; threading.Event().wait()"]


# That no process is left is seen to by the suite.


def test_stopped_at_once_it_does_not_come_up_later(
    runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    visualizer = HeadlessVisualizer(port=free_port())
    for _ in range(3):
        visualizer.start_viewer(async_mode=True)
        visualizer.stop_viewer(DEADLINE)
        assert not visualizer.is_running
        assert list_connections() == []


def test_stopped_before_it_answers(runtime_folder: Path) -> None:
    visualizer = NeverReady()
    visualizer.start_viewer(async_mode=True)
    assert visualizer.wait_for_ready(0.5) is False
    visualizer.stop_viewer(DEADLINE)
    with pytest.raises(ViewerGone):
        visualizer.wait_for_ready(DEADLINE)


def test_one_that_was_not_ready_in_time_can_still_be_stopped(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another program takes the port meanwhile: no reason to start a second process.
    port = free_port()
    monkeypatch.setattr(NeverReady, "default_port", port)
    visualizer = NeverReady()
    with socket.socket() as stranger:
        visualizer.start_viewer(async_mode=True, timeout=2.0)
        assert visualizer.launching.wait(DEADLINE)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        with pytest.raises(LaunchError, match="not ready within"):
            visualizer.wait_for_ready(DEADLINE)
    visualizer.stop_viewer(DEADLINE)


def test_a_view_that_is_pickled_while_its_viewer_starts_comes_to_that_viewer(
    runtime_folder: Path, headless_kind: None
) -> None:
    other = HeadlessVisualizer(viewer_title="another", persistent=False)
    mine = HeadlessVisualizer(viewer_title="mine", persistent=False)
    mine.start_viewer(async_mode=True)
    try:
        view = View(mine)
        pickled = pickle.dumps(view)
        other.start_viewer()  # the newest
        with pickle.loads(pickled) as again:
            assert again.visualizer.port == mine.port != other.port
        view.close()
    finally:
        mine.stop_viewer()
        other.stop_viewer()


def test_a_port_is_a_number() -> None:
    with pytest.raises(TypeError, match="'5555'"):
        HeadlessVisualizer(port="5555")  # type: ignore[arg-type]


def test_what_this_process_starts_just_now_is_not_started_twice(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{HeadlessVisualizer.__module__}:HeadlessVisualizer"
    monkeypatch.setitem(_OURS, "headless", name)
    visualizer = HeadlessVisualizer(port=free_port(), viewer_title="mine", persistent=False)
    assert HeadlessVisualizer.starting() is None
    visualizer.start_viewer(async_mode=True)
    try:
        # No connection file yet, and so nothing to be found by.
        assert HeadlessVisualizer.starting("another") is None
        with connect("headless", timeout=0) as view:
            assert view.visualizer is visualizer
            view.show([[1, 2], [3, 4]])
            assert view.flush(DEADLINE) == (1, 1, 0, 0)
        assert HeadlessVisualizer.starting() is None
        assert len(list_connections()) == 1
    finally:
        visualizer.stop_viewer(DEADLINE)
