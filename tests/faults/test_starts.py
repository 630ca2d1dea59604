"""Faults 9, 10 and 12: held ports, stale files, two launches at once, signals at a bad moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from coverslip.transport import (
    Connection,
    Delivery,
    Endpoint,
    KeyPair,
    TransportError,
    find,
    identify,
    is_alive,
    launch,
    list_connections,
    new_launch_id,
    new_log,
    stop,
    wait_ready,
    write_connection,
)
from coverslip.viewers import View
from coverslip.viewers.stream import Stream
from tests.faults.case import LIMIT, Case, picture, settled_at
from tests.faults.crowd import PLANES, VISUALIZERS, launch_and_show
from tests.faults.elsewhere import FIRST_PORT, ElsewhereVisualizer
from tests.viewers.headless import HeadlessVisualizer
from tests.waiting import eventually

START = 90.0

KINDS = [
    "headless",
    pytest.param("napari", marks=pytest.mark.gui),
]


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """A kind of viewer: real napari, or all of it but the window.

    The module's, so that a display that is made for it is there before a test, and no test's leak.
    """
    name: str = request.param
    with pytest.MonkeyPatch.context() as patch:
        if name == "napari":
            pytest.importorskip("napari")
            patch.setenv("DISPLAY", request.getfixturevalue("display"))
        yield name


@pytest.fixture
def stranger(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[tuple[int, int]]:
    """A web server on a port, as anybody may have one: the port, and its process."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )

    def up() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    eventually(up, "the web server answers")
    yield port, process.pid
    assert process.poll() is None, "it was left alone"
    assert up()
    process.kill()
    process.wait(20)


class TestPorts:
    @pytest.mark.fault("9", "the port is held by python -m http.server", holds=(5, 7))
    def test_a_strangers_port_is_named_and_left_alone(
        self, runtime_folder: Path, stranger: tuple[int, int], case: Case
    ) -> None:
        port, pid = stranger
        viewer = HeadlessVisualizer(port=port)
        with pytest.raises(TransportError, match=r"http\.server") as raised:
            viewer.start_viewer(timeout=START)
        assert str(pid) in str(raised.value)
        assert "left alone" in str(raised.value)
        assert list_connections() == []
        view = View(viewer)
        eventually(lambda: view.statistics().state == ("absent",), "there is no viewer")
        case.show(view, picture(0))
        case.check(view.close(0))
        assert (case.sent, case.dropped) == (1, 1)

    @pytest.mark.fault("9", "the default port is held, and none was asked for", holds=(7,))
    def test_another_port_is_used_when_none_was_asked_for(
        self,
        runtime_folder: Path,
        stranger: tuple[int, int],
        monkeypatch: pytest.MonkeyPatch,
        case: Case,
    ) -> None:
        class Here(ElsewhereVisualizer):
            default_port = stranger[0]

        monkeypatch.setenv(FIRST_PORT, str(stranger[0]))
        viewer = Here(persistent=False)
        viewer.start_viewer(timeout=START)
        assert viewer.port is not None
        assert stranger[0] < viewer.port < stranger[0] + 256
        view = View(viewer)
        case.show(view, picture(0))
        case.check(view.close(20))
        assert case.shown == 1
        viewer.stop_viewer()

    @pytest.mark.fault("9", "a connection file whose pid is another process now", holds=(7,))
    def test_a_stale_file_is_swept_and_the_process_left_alone(
        self,
        runtime_folder: Path,
        stranger: tuple[int, int],
        free_port: Callable[[], int],
        case: Case,
    ) -> None:
        port, (_, pid) = free_port(), stranger
        living = identify(pid)
        assert living is not None
        endpoint = Endpoint(
            kind="headless",
            host="127.0.0.1",
            port=port,
            server_key=KeyPair.new().public,
            client_secret=KeyPair.new().secret,
        )
        stale = Connection(
            endpoint=endpoint,
            pid=pid,
            start_time=living.start_time - 1,
            title="",
            instance="of a process that ended",
        )
        path = write_connection(stale)
        stop(stale, force=True)
        assert is_alive(living), "it was not the one to be killed"
        path = write_connection(stale)
        viewer = HeadlessVisualizer(port=port, persistent=False)
        viewer.start_viewer(timeout=START)
        assert find("headless", port).pid == viewer.connection.pid != pid
        assert path.exists()
        view = View(viewer)
        case.show(view, picture(0))
        case.check(view.close(20))
        viewer.stop_viewer()
        assert not path.exists()


@pytest.mark.fault("10", "two launches of one port at the same moment: {kind}", holds=(7,))
@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_two_launches_make_one_viewer(
    runtime_folder: Path, free_port: Callable[[], int], kind: str, case: Case
) -> None:
    port = free_port()
    context = multiprocessing.get_context("spawn")
    go, said = context.Event(), context.SimpleQueue()
    children = [
        context.Process(target=launch_and_show, args=(kind, port, f"child {n}", go, said))
        for n in range(2)
    ]
    for child in children:
        child.start()
    assert [said.get() for _ in children] == ["ready", "ready"]
    go.set()
    results = [said.get() for _ in children]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    said.close()
    (connection,) = list_connections()
    assert {pid for pid, _, _ in results} == {connection.pid}
    for _, stream, delivery in results:
        case.check(Delivery(*delivery), settled_at(connection.endpoint, stream))
    assert (case.sent, case.shown) == (2 * PLANES, 2 * PLANES)
    stop(connection, timeout=20)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
class TestSignals:
    @pytest.mark.fault("12", "SIGTERM twice, in mid-stream: {kind}", holds=(2, 3))
    def test_sigterm_twice(
        self, runtime_folder: Path, free_port: Callable[[], int], kind: str, case: Case
    ) -> None:
        viewer = VISUALIZERS[kind]()(port=free_port(), persistent=False)
        viewer.start_viewer(timeout=START)
        view = View(viewer, Stream([viewer], limit=LIMIT))
        eventually(lambda: view.statistics().state == ("live",), "it attached")
        identity = viewer.connection.identity
        for number in range(200):
            if number == 50:
                assert view.flush(60).shown == 50
            if number in (50, 51):
                os.kill(identity.pid, signal.SIGTERM)
            case.show(view, picture(number), z_index=number)
        eventually(lambda: not is_alive(identity), "it ended")
        eventually(lambda: view.statistics().state == ("absent",), "the stream noticed")
        assert list_connections() == []
        assert view.statistics().bytes_in_flight == 0
        case.check(view.close())
        assert case.sent == 200
        case.check_held()
        viewer.stop_viewer()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("moment", ["at once", "once its sockets are bound"])
    @pytest.mark.fault("12", "{number.name} while starting, {moment}: {kind}", holds=(3, 7))
    def test_while_starting(
        self,
        runtime_folder: Path,
        free_port: Callable[[], int],
        kind: str,
        case: Case,
        number: signal.Signals,
        moment: str,
    ) -> None:
        launch_id = new_launch_id()
        command = [sys.executable, "-m", VISUALIZERS[kind]().module]
        command += ["--launch-id", launch_id, "--port", str(free_port())]
        launched = launch(command, detached=False, log=new_log(kind, launch_id))
        assert launched.identity is not None
        if moment == "at once":
            eventually(lambda: psutil.Process(launched.pid).memory_info().rss > 16 << 20, "Python")
        else:
            wait_ready(launched, launch_id, START, state=None)
        os.kill(launched.pid, number)
        status = launched.wait(START)
        assert status is not None, "it ended"
        assert status in (0, 1, -number, 128 + number), launched.log_tail()
        if moment != "at once":
            assert status == 0, launched.log_tail()
        assert list_connections() == []
        case.take(Delivery(0, 0, 0, 0))
