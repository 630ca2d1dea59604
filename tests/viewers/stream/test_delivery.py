"""A stream to real servers: what is sent arrives, and what does not is counted."""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Callable
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
    Detach,
    Done,
    Endpoint,
    Publisher,
    PublisherState,
    RequestRefused,
    request,
)
from coverslip.viewers import View
from coverslip.viewers.messages import DescribeLayers, Layers
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving
from tests.viewers.stream.conftest import plane, send
from tests.waiting import DEADLINE, eventually


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
