"""A stream without a viewer, with one that stands still, and a stream that ends."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from coverslip.payload import (
    Source,
    UnsupportedArray,
)
from coverslip.transport import (
    RequestTimeout,
)
from coverslip.viewers import StreamClosed, View, ViewerGone
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving
from tests.viewers.stream.conftest import plane, send
from tests.waiting import DEADLINE, eventually


class TestNoViewer:
    def test_planes_are_dropped_at_once_and_counted(
        self, runtime_folder: Path, free_port: Callable[[], int]
    ) -> None:
        view = View(HeadlessVisualizer(port=free_port()))
        eventually(lambda: view.statistics().state == ("absent",), "the lane gave up")
        for number in range(50):
            view.show(plane(number), z_index=number)
        assert view.flush(DEADLINE) == (50, 0, 50, 0)
        assert view.statistics().reasons == {"there is no viewer": 50}
        with pytest.raises(ViewerGone, match="start_viewer"):
            view.layers()
        view.close()

    def test_a_viewer_that_comes_later_is_found(
        self, runtime_folder: Path, free_port: Callable[[], int]
    ) -> None:
        port = free_port()
        view = View(HeadlessVisualizer(port=port))
        eventually(lambda: view.statistics().state == ("absent",), "the lane gave up")
        view.show(plane(0))
        with serving(port=port) as server:
            eventually(lambda: view.statistics().state == ("live",), "the lane found it")
            view.show(plane(1), z_index=1)
            assert view.flush(DEADLINE) == (2, 1, 1, 0)
            assert len(server.projection) == 1
            view.close()

    def test_a_runtime_folder_that_cannot_be_read_is_complained_of_once(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("COVERSLIP_RUNTIME_DIR", str(tmp_path / "file"))
        caplog.set_level(logging.DEBUG, "coverslip")
        stream = Stream([HeadlessVisualizer(port=1)])

        def complaints() -> list[int]:
            return [record.levelno for record in caplog.records if "courier" in record.message]

        eventually(lambda: len(complaints()) > 2, "it went on looking")
        stream.close(0)
        assert complaints().count(logging.ERROR) == 1

    def test_a_closed_stream_says_so(self, stream: Stream) -> None:
        stream.close()
        with pytest.raises(StreamClosed):
            send(stream, plane(1))
        assert stream.close() == (0, 0, 0, 0)

    def test_only_an_array_raises(self, stream: Stream, server: HeadlessServer) -> None:
        view = View(HeadlessVisualizer(port=1), stream)
        with pytest.raises(UnsupportedArray):
            view.show(np.zeros((4, 4), np.complex64))
        assert view.flush(1) == (0, 0, 0, 0)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no POSIX signals here")
class TestFaults:
    def test_a_send_that_waits_for_room_notices_the_freeze_itself(
        self, visualizer: HeadlessVisualizer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = Stream([visualizer], budget=50_000, limit=10 * DEADLINE)
        eventually(lambda: stream.statistics().state == ("live",), "it attached")
        busy, asked = threading.Event(), threading.Event()

        def no_answer(*_: object) -> None:
            asked.set()
            busy.wait(10 * DEADLINE)
            raise RequestTimeout("no answer")

        pid = visualizer.connection.pid
        with monkeypatch.context() as patch:
            patch.setattr(stream._lanes[0]._courier, "ask", no_answer)
            os.kill(pid, signal.SIGSTOP)
            try:
                started = time.monotonic()
                send(stream, plane(0), n=0)
                assert asked.wait(DEADLINE)  # from here on the courier waits for the viewer
                for number in range(50):
                    send(stream, plane(number), n=number)
                assert time.monotonic() - started < DEADLINE
                assert stream.statistics().state == ("absent",)
            finally:
                os.kill(pid, signal.SIGCONT)
                busy.set()
        assert stream.close(DEADLINE).complete

    def test_a_child_of_fork_has_a_stream_of_its_own(self, visualizer: HeadlessVisualizer) -> None:
        view = View(visualizer)
        view.show(plane(0), who="parent", n=0)
        view.flush(DEADLINE)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number in range(10):
                    view.show(plane(number), who="child", n=number)
                code = 0 if view.close(DEADLINE).shown == 10 else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        view.show(plane(1), who="parent", n=1)
        assert view.flush(DEADLINE) == (2, 2, 0, 0)
        (layer,) = view.layers()
        assert len(layer.planes) == 12
        view.close()

    def test_a_child_forked_in_the_middle_of_a_send_shows_and_has_its_ctrl_c(
        self, visualizer: HeadlessVisualizer
    ) -> None:
        stream = Stream([visualizer])

        def images() -> Iterator[Image]:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    send(stream, plane(0), n=0)
                    code = 2 if stream.close(DEADLINE) == (1, 1, 0, 0) else 3
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    code = 0 if code == 2 else 4
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            yield Image({"n": 1}, plane(1))

        stream.send(images(), Source())
        assert stream.close(DEADLINE) == (1, 1, 0, 0)


class TestBackPressure:
    def test_room_that_the_caller_keeps_is_not_the_viewer_s_fault(
        self, server: HeadlessServer
    ) -> None:
        viewer = RemoteVisualizer(server.connection.endpoint)
        stream = Stream([viewer], budget=100_000, limit=0.1)
        kept = [stream.allocate((64, 64), np.uint16) for _ in range(12)]
        send(stream, plane(0))
        assert stream.flush(DEADLINE) == (1, 0, 1, 0)
        ((reason, _),) = stream.statistics().reasons.items()
        assert "allocate() that were not shown" in reason
        del kept
        send(stream, plane(0))
        assert stream.close(DEADLINE) == (2, 1, 1, 0)

    def test_a_slow_viewer_is_waited_for(self, server: HeadlessServer) -> None:
        server.slow = 0.005
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=100_000)
        for number in range(100):
            send(stream, plane(number, edge=128), z_index=number)
        assert stream.close(DEADLINE) == (100, 100, 0, 0)

    def test_a_viewer_that_stands_still_costs_the_limit_once(
        self, runtime_folder: Path, free_port: Callable[[], int]
    ) -> None:
        with HeadlessServer(port=free_port()) as server:
            connection = server.bind()
            server.start()
            stream = Stream([RemoteVisualizer(connection.endpoint)], budget=100_000, limit=0.3)
            eventually(lambda: stream.statistics().state == ("live",), "it attached")
            # It goes on serving requests, but its data socket is not read.
            server.accepts_data = lambda: False  # type: ignore[method-assign]
            waits = 0
            for number in range(60):
                before = stream._room.full
                send(stream, plane(number, edge=128), z_index=number)
                waits += not before and stream._room.full
            counts = stream.close(0.2)
            assert waits == 1
            assert counts == (60, 0, 60, 0)


class TestEnds:
    def test_two_close_while_eight_send(self, server: HeadlessServer) -> None:
        stream = Stream([RemoteVisualizer(server.connection.endpoint)])

        def work(thread: int) -> None:
            with contextlib.suppress(StreamClosed):
                while True:
                    send(stream, plane(thread, 16), t=thread)
                    stream.allocate((16, 16), np.uint16)

        with ThreadPoolExecutor(10) as pool:
            senders = [pool.submit(work, thread) for thread in range(8)]
            eventually(lambda: stream.delivery().shown > 100, "planes are shown")
            closers = [pool.submit(stream.close, 0.1) for _ in range(2)]
            assert all(closer.result(DEADLINE).complete for closer in closers)
            for sender in senders:
                sender.result(DEADLINE)
        assert stream.delivery().complete

    def test_collected_with_its_own_lock_held_it_is_closed_by_another_thread(
        self, server: HeadlessServer
    ) -> None:
        # The collector runs wherever it likes, also in the middle of the stream's own courier.
        stream = Stream([RemoteVisualizer(server.connection.endpoint)])
        name, arena = stream.id, stream._arena
        for number in range(20):
            send(stream, plane(number), n=number)
        with arena._lock:
            del stream
        eventually(lambda: arena.closed, "the stream was closed")
        assert server.ledgers[name].counts().shown == 20

    def test_a_call_in_the_middle_of_a_call_waits_for_no_lock(self, server: HeadlessServer) -> None:
        # As a signal handler's, or a finalizer's, while its thread holds the locks of both.
        stream = Stream([RemoteVisualizer(server.connection.endpoint)])
        locked, done = threading.Event(), threading.Event()

        def hold() -> None:
            with stream._lock, stream._arena._lock:
                locked.set()
                done.wait(DEADLINE)

        holder = threading.Thread(target=hold)

        def images() -> Iterator[Image]:
            holder.start()
            assert locked.wait(DEADLINE)
            send(stream, plane(0), plane(1), n=0)
            assert stream.allocate((16, 16), np.uint16).shape == (16, 16)
            assert stream.flush(DEADLINE).sent == stream.statistics().sent == 0
            done.set()
            holder.join(DEADLINE)
            yield Image({}, plane(2))
            stream.close(DEADLINE)

        stream.send(images(), Source())
        eventually(lambda: stream._arena.closed, "the stream was closed")
        assert stream.close() == (3, 1, 2, 0)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    def test_a_child_forked_while_the_stream_is_locked_still_has_its_counts(
        self, stream: Stream
    ) -> None:
        locked, done = threading.Event(), threading.Event()

        def hold() -> None:
            with stream._lock:
                locked.set()
                done.wait(DEADLINE)

        thread = threading.Thread(target=hold)
        thread.start()
        assert locked.wait(DEADLINE)
        child = os.fork()
        if child == 0:
            signal.alarm(int(DEADLINE))
            os._exit(0 if stream.statistics().sent == 0 and stream.close(0) == (0, 0, 0, 0) else 1)
        done.set()
        thread.join(DEADLINE)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
