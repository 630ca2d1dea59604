"""Faults 1, 2, 3, 6 and 8: a process is killed, frozen, closed, or ends without a word."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coverslip.transport import Ping, Pong, Report, Status, is_alive, request
from coverslip.viewers import View
from coverslip.viewers.stream import Stream
from tests.faults.case import LIMIT, Case, compute, counts_at, picture, settled_at
from tests.faults.pipelines import PLANES
from tests.faults.processes import Pipeline, arenas_of, frozen, log_of, usage
from tests.viewers.headless import HeadlessVisualizer
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is left")


def let_go(viewer: HeadlessVisualizer, before: tuple[int, int]) -> None:
    """Wait until the viewer holds what it held before, and see that it is well."""
    pid = viewer.connection.pid
    eventually(lambda: not arenas_of(pid), "the viewer let go of the arena")
    eventually(lambda: usage(pid) <= before, "of threads and descriptors too")
    assert request(viewer.endpoint, Ping(), Pong, timeout=20).state == "ready"


class TestProducer:
    @pytest.mark.fault("1", "kill -9 the producer while it computes into a slot", holds=(1, 3))
    def test_killed_between_taking_a_slot_and_showing_it(
        self, viewer: HeadlessVisualizer, case: Case
    ) -> None:
        before = usage(viewer.connection.pid)
        with Pipeline("allocated", viewer.port) as pipeline:
            _, stream = pipeline.hear()
            assert arenas_of(viewer.connection.pid)
            pipeline.kill()
        case.check_viewer(settled_at(viewer.endpoint, stream))
        assert (case.sent, case.shown) == (10, 10)
        let_go(viewer, before)

    @pytest.mark.fault("1", "kill -9 the producer between copying and publishing", holds=(2, 3))
    def test_killed_between_writing_a_slot_and_publishing_it(
        self, viewer: HeadlessVisualizer, case: Case
    ) -> None:
        before = usage(viewer.connection.pid)
        with Pipeline("written", viewer.port) as pipeline:
            _, stream = pipeline.hear()
            pipeline.kill()
        case.check_viewer(settled_at(viewer.endpoint, stream))
        assert (case.sent, case.shown) == (10, 10)
        let_go(viewer, before)

    @pytest.mark.fault("1", "kill -9 the producer, 100 planes in flight", holds=(2, 3))
    def test_killed_with_planes_in_flight(self, viewer: HeadlessVisualizer, case: Case) -> None:
        before = usage(viewer.connection.pid)
        with Pipeline("in_flight", viewer.port) as pipeline:
            _, stream = pipeline.hear()
            with frozen(viewer.connection.pid):
                pipeline.go_on()
                assert pipeline.hear() == ["standing"]
                pipeline.kill()
        let_go(viewer, before)
        case.check_viewer(settled_at(viewer.endpoint, stream))
        assert case.sent <= PLANES, "those that never left the producer went with it"

    @pytest.mark.fault("1", "kill -9 the producer's whole process group", holds=(3, 7))
    def test_a_whole_group_is_killed(self, viewer: HeadlessVisualizer, case: Case) -> None:
        before = usage(viewer.connection.pid)
        with Pipeline("group", viewer.port) as pipeline:
            assert pipeline.hear() == ["standing"]
            assert arenas_of(viewer.connection.pid)
            pipeline.kill_group()
        let_go(viewer, before)
        streams = request(viewer.endpoint, Status(), Report, timeout=20).streams
        assert len(streams) == 3
        for stream in streams:
            case.check_viewer(settled_at(viewer.endpoint, stream))
        assert case.failed == 0


class TestEnds:
    @pytest.mark.parametrize(
        ("how", "status", "all_shown"),
        [
            pytest.param(
                "returns", 0, True, marks=pytest.mark.fault("8", "ends by return", holds=(2, 3))
            ),
            pytest.param(
                "raises",
                1,
                True,
                marks=pytest.mark.fault("8", "ends by an exception", holds=(2, 3)),
            ),
            pytest.param(
                "exits", 3, False, marks=pytest.mark.fault("8", "ends by os._exit", holds=(2, 3))
            ),
            pytest.param(
                "terminated",
                -signal.SIGTERM,
                False,
                marks=pytest.mark.fault("8", "ends by SIGTERM", holds=(2, 3)),
            ),
        ],
    )
    def test_without_close(
        self, viewer: HeadlessVisualizer, case: Case, how: str, status: int, all_shown: bool
    ) -> None:
        before = usage(viewer.connection.pid)
        with Pipeline(how, viewer.port) as pipeline:
            _, stream = pipeline.hear()
            assert pipeline.wait() == status
        let_go(viewer, before)
        case.check_viewer(settled_at(viewer.endpoint, stream))
        assert case.failed == 0
        said = f"stream {stream}: its process {pipeline.pid} ended" in log_of(viewer)
        assert said is not all_shown
        if all_shown:
            assert case.shown == PLANES


class TestViewer:
    @pytest.mark.fault(
        "2", "kill -9 the viewer, 100 planes in flight; another on its port", holds=(1, 2, 3)
    )
    def test_killed_with_planes_in_flight_and_started_again(
        self, viewer: HeadlessVisualizer, view: View, case: Case
    ) -> None:
        for number in range(20):
            case.show(view, picture(number), z_index=number)
        assert view.flush(20).shown == 20
        first = counts_at(viewer.endpoint, view.stream.id)
        port, pid = viewer.port, viewer.connection.pid
        os.kill(pid, signal.SIGSTOP)
        for number in range(100):
            case.show(view, picture(number), z_index=number)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: view.statistics().state == ("absent",), "the death was noticed")
        assert view.flush(20) == (120, 20, 100, 0)
        assert view.statistics().bytes_in_flight == 0
        viewer.start_viewer()
        assert (viewer.port, viewer.connection.pid != pid) == (port, True)
        eventually(lambda: view.statistics().state == ("live",), "the stream goes on by itself")
        for number in range(100):
            case.show(view, picture(number), z_index=number)
        delivery = view.flush(20)
        case.check(delivery, first, settled_at(viewer.endpoint, view.stream.id))
        assert delivery == (220, 120, 100, 0)
        case.check_held()

    @pytest.mark.fault("3", "SIGSTOP the viewer for 10 s, then SIGCONT", holds=(1, 2))
    def test_frozen_for_ten_seconds(self, viewer: HeadlessVisualizer, case: Case) -> None:
        # A budget that the planes fill: the pipeline has reason to wait.
        view = View(viewer, Stream([viewer], limit=LIMIT, budget=20 * picture(0).nbytes))
        for number in range(10):
            case.show(view, picture(number), z_index=number)
        assert view.flush(20).shown == 10
        with frozen(viewer.connection.pid):
            for number in range(1000):
                case.show(view, picture(number), z_index=number)
                compute(0.01)
            assert view.statistics().state == ("absent",)
            assert view.statistics().bytes_in_flight == 0
        eventually(lambda: view.statistics().state == ("live",), "it is back")
        for number in range(10):
            case.show(view, picture(number), well="back", z_index=number)
        delivery = view.flush(20)
        case.check(delivery, settled_at(viewer.endpoint, view.stream.id))
        assert delivery.sent == 1020
        assert delivery.failed == 0
        assert delivery.shown >= 20
        case.check_held()
        view.close()

    def test_frozen_while_the_stream_is_closed(
        self, viewer: HeadlessVisualizer, view: View
    ) -> None:
        before = usage(viewer.connection.pid)
        for number in range(10):
            view.show(picture(number), z_index=number)
        assert view.flush(20).shown == 10
        assert arenas_of(viewer.connection.pid)
        with frozen(viewer.connection.pid):
            assert view.close(0) == (10, 10, 0, 0)
        let_go(viewer, before)
        assert settled_at(viewer.endpoint, view.stream.id).shown == 10
        assert "without closing" not in log_of(viewer), "it was closed"

    @pytest.mark.fault("6", "the user closes the window in mid-stream", holds=(1, 2, 3))
    @pytest.mark.gui
    def test_its_window_is_closed_in_mid_stream(
        self,
        display: str,
        runtime_folder: Path,
        free_port: Callable[[], int],
        monkeypatch: pytest.MonkeyPatch,
        case: Case,
    ) -> None:
        pytest.importorskip("napari", reason="a real window is closed")
        from tests.faults.closable import ClosableVisualizer

        monkeypatch.setenv("DISPLAY", display)
        visualizer = ClosableVisualizer(port=free_port(), persistent=False)
        visualizer.start_viewer(timeout=90)
        view = View(visualizer, Stream([visualizer], limit=LIMIT))
        try:
            identity = visualizer.connection.identity
            for number in range(50):
                case.show(view, picture(number), z_index=number)
            assert view.flush(60).shown == 50
            os.kill(identity.pid, signal.SIGUSR1)
            number = 0
            while is_alive(identity) and number < 10_000:
                case.show(view, picture(number % 50), z_index=number % 50)
                number += 1
                compute(0.005)
            assert not is_alive(identity), "the window is closed and its process ended"
            eventually(lambda: view.statistics().state == ("absent",), "the stream noticed")
            case.show(view, picture(0), z_index=0)
            assert view.statistics().bytes_in_flight == 0
            case.check(view.close())
            assert case.sent == 51 + number
            case.check_held()
        finally:
            view.close(0)
            visualizer.stop_viewer()
