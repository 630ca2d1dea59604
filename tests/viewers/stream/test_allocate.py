"""What is computed in a slot: not copied, shown once, given back."""

from __future__ import annotations

import numpy as np
import pytest

from coverslip.payload import (
    Source,
    UnsupportedArray,
)
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.viewers.headless import HeadlessServer
from tests.viewers.stream.conftest import plane, send
from tests.waiting import DEADLINE


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
