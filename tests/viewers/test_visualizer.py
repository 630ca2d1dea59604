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

from coverslip.transport import LaunchError, NoServer, PortTaken, list_connections
from coverslip.viewers import View, ViewerGone, connect
from coverslip.viewers.kinds import _OURS
from coverslip.viewers.living import Living
from coverslip.viewers.target import Presence
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, driving, serving
from tests.viewers.test_view import HeadlessConfig
from tests.waiting import DEADLINE

ANOTHER: list[dict[str, Any]] = [
    {"title": "another"},
    {"host": "workstation"},
    {"port": 1},
    {"persistent": True},
    {"memory": "1GiB"},
]


class AnotherKind(HeadlessVisualizer):
    """Of a kind that nobody else is of."""

    kind = "another"


class NeverReady(HeadlessVisualizer):
    """Launches a process that never binds a socket."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.launching = threading.Event()
        """Set once it has chosen a port."""

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        self.launching.set()
        return [sys.executable, "-c", "import threading; threading.Event().wait()"]


class Robbed(HeadlessVisualizer):
    """Its default port is somebody else's for a moment: just while its process starts there."""

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        interpreter, _, module, *options = super()._command(launch_id, log, port)
        if port is None:
            return [interpreter, "-m", module, *options]
        program = (
            f"import runpy, socket; thief = socket.create_server(('127.0.0.1', {port}))\n"
            f"runpy.run_module({module!r}, run_name='__main__')"
        )
        return [interpreter, "-c", program, *options]


class Frugal(HeadlessVisualizer):
    """A third party's, whose process takes what it must and nothing else."""

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        _, _, _, *options = super()._command(launch_id, log, port)
        program = (
            "import argparse; parser = argparse.ArgumentParser()\n"
            "for option in ('port', 'title', 'launch-id', 'log'): "
            "parser.add_argument('--' + option)\n"
            "parser.parse_args()"
        )
        return [sys.executable, "-c", program, *options]


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


def test_one_whose_port_was_taken_for_a_moment_has_another(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(Robbed, "default_port", port)
    visualizer = Robbed(persistent=False)
    visualizer.start_viewer()
    assert visualizer.port != port
    visualizer.stop_viewer()


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
    for wrong in (0, 99999):
        with pytest.raises(ValueError, match=f"port {wrong} is out of range: .* 1 to 64535"):
            HeadlessVisualizer(port=wrong)


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
        for asked in ANOTHER:
            assert HeadlessVisualizer.starting(**asked) is None
        assert HeadlessVisualizer.starting(title="mine", persistent=False) is visualizer
        with connect("headless", timeout=0) as view:
            assert view.visualizer is visualizer
            view.show([[1, 2], [3, 4]])
            assert view.flush(DEADLINE) == (1, 1, 0, 0)
        assert HeadlessVisualizer.starting() is None
        assert len(list_connections()) == 1
    finally:
        visualizer.stop_viewer(DEADLINE)


def test_a_viewer_of_this_machine_is_none_of_anothers(
    runtime_folder: Path, free_port: Callable[[], int], headless_kind: None
) -> None:
    with serving(port=free_port()):
        assert HeadlessVisualizer().find_viewer()
        away = HeadlessVisualizer(host="workstation")
        assert not away.find_viewer()
        assert away.locate() is None
        with pytest.raises(NoServer, match="on workstation cannot be started from here"):
            connect("headless", host="workstation")


class Frozen(HeadlessServer):
    """Its window does not answer: what has to be done there is not done."""

    def tick(self, budget: float = 0.02) -> int:
        return 0


def test_one_whose_window_does_not_answer_is_emptied_by_nobody_who_waits(
    runtime_folder: Path,
    free_port: Callable[[], int],
    headless_kind: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("coverslip.viewers.visualizer._CLEAR_TIMEOUT", 4.0)
    with driving(Frozen(port=free_port())) as server:
        config = HeadlessConfig(replace_layers=True, headless_port=server.connection.endpoint.port)
        with connect("headless", config=config, timeout=0) as view:
            # The caller has its view; another thread asks the window.
            assert view.visualizer.presence() is Presence.STARTING
            view.visualizer.wait_for_port(DEADLINE)
            view.close(0)
        monkeypatch.setattr("coverslip.viewers.visualizer._CLEAR_TIMEOUT", 0.1)
        with connect("headless", config=config, start=False) as view:
            assert view.visualizer.presence() is Presence.THERE
            view.close(0)
    assert "keeps the layers that it has" in caplog.text


def test_locks_are_made_anew_in_a_forked_child() -> None:
    class Owner:
        def __init__(self) -> None:
            self.renewed = 0

    def renew(owner: Owner) -> None:
        owner.renewed += 1

    living = Living(renew)
    owner = Owner()
    living.add(owner)
    living._lock.acquire()  # as a thread of the parent's holds it
    living._after_fork()
    assert (living.all(), owner.renewed) == ([owner], 1)


class Grown:
    """One of many."""


def test_what_lives_is_listed_while_another_thread_adds() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        living: Living[Grown] = Living(lambda one: None)
        kept = [Grown() for _ in range(3000)]

        def add() -> None:
            for one in kept:
                living.add(one)

        adding = threading.Thread(target=add)
        adding.start()
        while adding.is_alive():
            living.all()  # without its lock: RuntimeError, the set changed while it was read
        adding.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(living.all()) == len(kept)


def test_an_option_that_a_viewer_does_not_know_is_named(runtime_folder: Path) -> None:
    with pytest.raises(LaunchError, match="has no option --memory: leave out memory="):
        Frugal(memory="1GiB").start_viewer()


def test_a_port_of_ones_own_viewer_of_another_kind_says_how_to_show_there(
    runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with (
        serving(port=port),
        pytest.raises(PortTaken, match=rf'which is yours: .* connect\("headless", port={port}\)'),
    ):
        AnotherKind(port=port).start_viewer()
