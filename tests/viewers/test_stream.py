"""A stream to real servers: what is sent arrives, and what does not is counted."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import (
    Batch,
    Inline,
    Plane,
    Source,
    UnsupportedArray,
    encode,
    encode_offer,
)
from coverslip.transport import (
    CLOSED,
    Attach,
    Clear,
    Detach,
    Done,
    Endpoint,
    Publisher,
    PublisherState,
    RequestRefused,
    RequestTimeout,
    request,
)
from coverslip.viewers import StreamClosed, View, ViewerGone
from coverslip.viewers.messages import DescribeLayers, Layers
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.viewers.headless import PNG, HeadlessServer, HeadlessVisualizer, serving
from tests.waiting import DEADLINE, eventually


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


class TestDelivery:
    def test_planes_arrive_in_shared_memory_with_their_pixels(
        self, stream: Stream, server: HeadlessServer
    ) -> None:
        sent = {f"A{number:02d}": plane(number) for number in range(20)}
        for well, pixels in sent.items():
            send(stream, pixels, well=well)
        assert stream.flush(DEADLINE) == (20, 20, 0, 0)
        (layer,) = server.projection
        held = {key[0]: pixels for key, pixels in layer.store.snapshot()}
        assert {
            well: zlib.crc32(np.asarray(pixels).tobytes()) for well, pixels in held.items()
        } == {well: zlib.crc32(pixels.tobytes()) for well, pixels in sent.items()}

    def test_the_copy_is_taken_before_send_returns(
        self, stream: Stream, server: HeadlessServer
    ) -> None:
        pixels = np.zeros((32, 32), np.uint8)
        for value in range(1, 9):
            pixels[:] = value
            send(stream, pixels, z_index=value)
        pixels[:] = 255
        stream.flush(DEADLINE)
        (layer,) = server.projection
        assert [int(np.asarray(held).max()) for _, held in sorted(layer.store.snapshot())] == list(
            range(1, 9)
        )

    @pytest.mark.parametrize(
        "make",
        [
            lambda a: a.astype(">u2"),
            lambda a: a[::-1, ::2],
            lambda a: np.broadcast_to(a[0], a.shape),
            np.asfortranarray,
            lambda a: a.astype(np.float16),
            lambda a: a > 100,
        ],
        ids=["big-endian", "strided", "broadcast", "fortran", "float16", "bool"],
    )
    def test_any_memory_layout(
        self, stream: Stream, server: HeadlessServer, make: Callable[[Any], Any]
    ) -> None:
        pixels = make(plane(1))
        send(stream, pixels)
        assert stream.flush(DEADLINE).shown == 1
        (layer,) = server.projection
        (held,) = (pixels for _, pixels in layer.store.snapshot())
        np.testing.assert_array_equal(held, pixels)
        assert held.dtype.byteorder in "=|<"

    def test_a_batch_larger_than_the_arena_goes_through_it(self, server: HeadlessServer) -> None:
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=200_000)
        stream.send([Image({"z_index": z}, plane(z)) for z in range(200)], Source())
        assert stream.close(DEADLINE) == (200, 200, 0, 0)
        (layer,) = server.projection
        assert len(layer.store) == 200

    def test_a_plane_that_fails_in_the_viewer_is_counted_with_its_reason(
        self, stream: Stream
    ) -> None:
        send(stream, plane(1), well="unlucky")
        send(stream, plane(2), well="A01")
        assert stream.flush(DEADLINE) == (2, 1, 0, 1)
        assert "this well is unlucky" in " ".join(stream.statistics().reasons)

    def test_a_plane_larger_than_the_budget_fails_and_the_next_is_shown(
        self, server: HeadlessServer
    ) -> None:
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=20_000)
        send(stream, plane(1, edge=512))
        send(stream, plane(1, edge=64))
        assert stream.close(DEADLINE) == (2, 1, 0, 1)
        (reason,) = stream.statistics().reasons
        assert "KiB is larger than" in reason
        assert 'connect(budget="1GiB")' in reason

    def test_a_close_that_does_not_wait_still_asks_what_was_shown(
        self, stream: Stream, server: HeadlessServer
    ) -> None:
        eventually(lambda: stream.statistics().state == ("live",), "it attached")
        for number in range(3):
            send(stream, plane(number), z_index=number)
        eventually(lambda: server.ledger(stream.id).counts().shown == 3, "all are shown")
        assert stream.close(0) == (3, 3, 0, 0)

    def test_eight_threads_at_once(self, stream: Stream, server: HeadlessServer) -> None:
        def work(thread: int) -> None:
            for number in range(50):
                send(stream, np.full((16, 16), thread * 50 + number, np.uint16), n=number, t=thread)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert stream.flush(DEADLINE) == (400, 400, 0, 0)
        (layer,) = server.projection
        for (number, thread), held in (
            ((key[layer.key.axes.index("n")], key[layer.key.axes.index("t")]), pixels)
            for key, pixels in layer.store.snapshot()
        ):
            assert (np.asarray(held) == int(thread) * 50 + int(number)).all()

    def test_what_cannot_be_written_as_a_message_fails_alone(self, stream: Stream) -> None:
        send(stream, plane(0), n=np.int64(1))  # as_planes makes it plain; this did not pass there
        send(stream, plane(1), n=2)
        assert stream.flush(DEADLINE) == (2, 1, 0, 1)
        assert "cannot be sent" in " ".join(stream.statistics().reasons)

    def test_names_that_no_message_can_carry_are_the_caller_s_error(self, stream: Stream) -> None:
        view = View(HeadlessVisualizer(port=1), stream)
        for odd in ({"name": ""}, {"step_name": "s" * 300}, {"well": "\udc80"}, {"name": "\udc80"}):
            with pytest.raises(UnsupportedArray):
                view.show(plane(0), **odd)  # type: ignore[arg-type]
        view.show(plane(0), origin=os.fsdecode(b"/data/\x80.tif"), step_index=np.int64(3))  # type: ignore[arg-type]
        view.show(plane(1), origin="x" * 10_000)
        assert view.flush(DEADLINE) == (2, 2, 0, 0)

    def test_statistics_while_others_send(self, stream: Stream) -> None:
        done = threading.Event()

        def work(thread: int) -> None:
            while not done.is_set():
                send(stream, np.ones((4, 4), np.uint8), t=thread)

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(work, thread) for thread in range(4)]
            for _ in range(300):
                stream.statistics()
            done.set()
            for future in futures:
                future.result(DEADLINE)
        assert stream.flush(DEADLINE).complete

    def test_a_flush_waits_for_what_was_sent_before_it_and_not_for_what_is_sent_meanwhile(
        self, server: HeadlessServer
    ) -> None:
        server.slow = 0.002
        stream = Stream([RemoteVisualizer(server.connection.endpoint)])
        done = threading.Event()

        def work() -> None:
            number = 0
            while not done.is_set():
                waiting = stream.statistics().pending
                if waiting < 1000:  # always more than the viewer may be sent at once
                    stream.send(
                        [Image({"n": number + z}, plane(z, 8)) for z in range(64)], Source()
                    )
                    number += 64

        thread = threading.Thread(target=work)
        thread.start()
        eventually(lambda: stream.statistics().pending > 600, "planes queue on the stream's side")
        before = stream.statistics().sent
        started = time.monotonic()
        counts = stream.flush(3 * DEADLINE)
        assert time.monotonic() - started < DEADLINE
        assert counts.shown >= before
        assert not counts.complete
        done.set()
        thread.join(DEADLINE)
        server.slow = 0.0
        assert stream.close(DEADLINE).complete

    def test_a_stream_whose_account_made_room_for_others_attaches_anew(
        self, stream: Stream, server: HeadlessServer
    ) -> None:
        send(stream, plane(0), n=0)
        assert stream.flush(DEADLINE) == (1, 1, 0, 0)
        del server.ledgers[stream.id]
        send(stream, plane(1), n=1)
        assert stream.flush(DEADLINE) == (2, 1, 1, 0)
        eventually(lambda: stream.statistics().state == ("live",), "it attached anew")
        assert stream.statistics().bytes_in_flight == 0
        send(stream, plane(2), n=2)
        assert stream.flush(DEADLINE) == (3, 2, 1, 0)

    def test_another_holder_of_the_key_cannot_end_a_stream_or_spoil_its_account(
        self, stream: Stream, server: HeadlessServer
    ) -> None:
        send(stream, plane(0), n=0)
        assert stream.flush(DEADLINE) == (1, 1, 0, 0)
        endpoint = server.connection.endpoint
        offer = encode_offer(stream._arena.offer(0))
        for wrong in (
            Detach(stream=stream.id),
            Detach(stream=stream.id, sequence=1 << 40, secret=b"guessed"),
            Attach(stream=stream.id, epoch=1 << 62, sequence=1 << 40, offer=offer),
        ):
            with pytest.raises(RequestRefused, match="is another's"):
                request(endpoint, wrong, Done, timeout=5)
        before = server.ledgers[stream.id].counts()
        publisher = Publisher.acquire(endpoint)
        eventually(lambda: publisher.poll() is PublisherState.LISTENING, "it listens")
        refused = server.refused
        for epoch in (0, 1, 1 << 62):  # the first is over, which is no offence
            forged = Batch(stream.id, epoch, 1 << 30, Source(), (Plane((1, 1), "|u1", Inline(1)),))
            publisher.send(encode(forged, [b"x"]))
        eventually(lambda: server.refused > refused, "the forgery is refused")
        publisher.release()
        assert server.ledgers[stream.id].counts() == before
        send(stream, plane(1), n=1)
        assert stream.flush(DEADLINE) == (2, 2, 0, 0)

    def test_what_a_close_that_does_not_wait_leaves_out_the_viewer_leaves_out_too(
        self, server: HeadlessServer
    ) -> None:
        server.slow = 0.05
        stream = Stream([RemoteVisualizer(server.connection.endpoint)])
        eventually(lambda: stream.statistics().state == ("live",), "it attached")
        for number in range(50):
            send(stream, plane(number), n=number)
        eventually(lambda: stream.statistics().shown > 2, "some are shown")
        delivery = stream.close(0)
        assert delivery.complete
        assert delivery.dropped > 0
        counts = server.ledgers[stream.id].counts()
        assert counts.pending == 0
        assert (counts.shown, counts.dropped) == (delivery.shown, delivery.dropped)
        assert counts.reasons == {CLOSED: delivery.dropped}
        eventually(lambda: not server.waiting, "the viewer went through what it had")
        assert server.ledgers[stream.id].counts() == counts
        (layer,) = server.projection
        assert len(layer.store) == delivery.shown

    def test_what_a_stream_that_is_dropped_had_sent_is_still_shown(
        self, server: HeadlessServer
    ) -> None:
        server.slow = 0.02
        stream = Stream([RemoteVisualizer(server.connection.endpoint)])
        eventually(lambda: stream.statistics().state == ("live",), "it attached")
        name, holdings = stream.id, stream._holdings
        for number in range(50):
            send(stream, plane(number), n=number)
        eventually(lambda: server.ledger(name).counts().next == 50, "the viewer has them")
        holdings.let_go(0)
        eventually(lambda: server.ledger(name).counts().shown == 50, "all are shown")

    def test_two_viewers_share_one_arena(
        self, runtime_folder: Path, free_port: Callable[[], int]
    ) -> None:
        with serving(port=free_port()) as one, serving(port=free_port()) as two:
            targets = [RemoteVisualizer(each.connection.endpoint) for each in (one, two)]
            stream = Stream(targets)
            for number in range(30):
                send(stream, plane(number), z_index=number)
            assert stream.close(DEADLINE) == (60, 60, 0, 0)
            assert all(len(next(iter(each.projection)).store) == 30 for each in (one, two))


@pytest.mark.allow_leak(
    "threads", "files", reason="pyzmq keeps one thread for buffers sent without a copy"
)
class TestInline:
    def test_pixels_travel_in_the_message_and_are_the_same(self, contained: Endpoint) -> None:
        stream = Stream([RemoteVisualizer(contained)])
        sent = {number: plane(number, edge) for number, edge in enumerate((8, 64, 512, 2048))}
        stream.send([Image({"n": number}, pixels) for number, pixels in sent.items()], Source())
        assert stream.flush(DEADLINE) == (4, 4, 0, 0)
        layers = request(contained, DescribeLayers(checksums=True), Layers, timeout=10).layers
        assert {one.components["n"]: one.crc32 for layer in layers for one in layer.planes} == {
            number: zlib.crc32(pixels.tobytes()) for number, pixels in sent.items()
        }
        stream.close()

    def test_what_is_under_way_stays_within_the_budget(self, contained: Endpoint) -> None:
        stream = Stream([RemoteVisualizer(contained)], budget=1 << 20)
        for number in range(100):
            send(stream, plane(number, edge=256), n=number)
            assert stream.statistics().bytes_in_flight <= 1 << 20
        assert stream.close(DEADLINE) == (100, 100, 0, 0)


class TestAllocate:
    def test_what_is_computed_in_a_slot_is_not_copied(
        self, stream: Stream, server: HeadlessServer
    ) -> None:
        a, b = plane(1), plane(2)
        out = stream.allocate(a.shape, a.dtype)
        np.add(a, b, out=out)
        send(stream, out, well="A01")
        assert not out.flags.writeable
        assert stream.flush(DEADLINE).shown == 1
        (layer,) = server.projection
        np.testing.assert_array_equal(next(iter(layer.store.snapshot()))[1], a + b)

    def test_what_was_shown_cannot_be_shown_again(self, stream: Stream) -> None:
        out = stream.allocate((64, 64), np.uint16)
        out[...] = 7
        send(stream, out, well="A01")
        with pytest.raises(UnsupportedArray, match="was shown before"):
            send(stream, out, well="A02")
        with pytest.raises(UnsupportedArray, match="was shown before"):
            send(stream, out[::2], well="A02")
        assert stream.flush(DEADLINE) == (1, 1, 0, 0)
        assert stream.statistics().bytes_in_flight == 0

    def test_slots_are_used_again(self, stream: Stream, server: HeadlessServer) -> None:
        for number in range(300):
            out = stream.allocate((256, 256), np.uint16)
            out[...] = number
            send(stream, out, z_index=number)
        assert stream.flush(DEADLINE).shown == 300
        (layer,) = server.projection
        assert all((np.asarray(held) == key[0]).all() for key, held in layer.store.snapshot())

    def test_shown_twice_at_once_it_is_copied_the_second_time(
        self, stream: Stream, server: HeadlessServer
    ) -> None:
        out = stream.allocate((64, 64), np.uint16)
        out[...] = plane(1)
        stream.send([Image({"n": 0}, out), Image({"n": 1}, out)], Source())
        assert stream.flush(DEADLINE) == (2, 2, 0, 0)
        (layer,) = server.projection
        for _, held in layer.store.snapshot():
            np.testing.assert_array_equal(held, plane(1))

    def test_shown_again_it_leaves_alone_whoever_has_its_slot_now(self, stream: Stream) -> None:
        first = stream.allocate((64, 64), np.uint16)
        send(stream, first, n=0)
        assert stream.flush(DEADLINE).shown == 1
        second = stream.allocate((64, 64), np.uint16)
        assert second.ctypes.data == first.ctypes.data
        with pytest.raises(UnsupportedArray, match="was shown before"):
            send(stream, first, n=1)
        writeable = [second.flags.writeable]
        send(stream, second, n=2)
        assert [*writeable, second.flags.writeable] == [True, False]
        assert stream.flush(DEADLINE) == (2, 2, 0, 0)

    def test_an_array_that_is_never_shown_gives_its_slot_back(self, server: HeadlessServer) -> None:
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=200_000, limit=0.2)
        for _ in range(100):
            stream.allocate((256, 256), np.uint16)
        send(stream, plane(1))
        assert stream.close(DEADLINE).shown == 1

    def test_without_room_it_is_ordinary_memory(self, server: HeadlessServer) -> None:
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], budget=20_000, limit=0.1)
        out = stream.allocate((1024, 1024), np.uint16)
        assert out.shape == (1024, 1024)
        out[...] = 1
        stream.close(0)


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


class TestQuestions:
    def test_layers_with_checksums(self, visualizer: HeadlessVisualizer) -> None:
        view = View(visualizer)
        volume = np.stack([plane(z) for z in range(5)])
        view.show(
            volume,
            axes=("z_index", "y", "x"),
            well="A01",
            channel="DAPI",
            step_name="raw",
            step_index=0,
        )
        view.flush(DEADLINE)
        (layer,) = view.layers(checksums=True)
        assert layer.name == "Step_00_raw_Channel_DAPI"
        assert [(one.components["z_index"], one.crc32) for one in layer.planes] == [
            (z, zlib.crc32(volume[z].tobytes())) for z in range(5)
        ]
        view.close()

    def test_screenshot_and_clear(self, visualizer: HeadlessVisualizer, tmp_path: Path) -> None:
        view = View(visualizer)
        view.show(plane(1))
        view.flush(DEADLINE)
        view.screenshot(tmp_path / "shot.png")
        assert (tmp_path / "shot.png").read_bytes() == PNG
        view.clear()
        assert view.layers() == ()
        request(visualizer.endpoint, Clear(), Done, timeout=5)
        view.close()

    def test_a_view_travels_to_another_process_by_its_port(
        self, visualizer: HeadlessVisualizer, headless_kind: None
    ) -> None:
        view = View(visualizer, modes={"well": "slice"})
        again = pickle.loads(pickle.dumps(view))
        again.show(plane(1), well="A01")
        assert again.flush(DEADLINE).shown == 1
        (layer,) = again.layers()
        assert layer.name == "Well_A01"
        again.close()
        view.close()
