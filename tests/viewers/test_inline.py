"""Planes that travel compressed: the same pixels, within the budget, whatever becomes of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coverslip.payload import Source
from coverslip.transport import Endpoint, Report, Status, request
from coverslip.viewers.economy import Economy
from coverslip.viewers.messages import DescribeLayers, Layers
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream

DEADLINE = 30.0
BUDGET = 8 << 20


class Convinced(Economy):
    """Compresses whatever comes, as over a link that is slow enough."""

    @property
    def compresses(self) -> bool:
        return True


@pytest.fixture
def stream(contained: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    monkeypatch.setattr("coverslip.viewers.inline.Economy", Convinced)
    made = Stream([RemoteVisualizer(contained)], budget=BUDGET)
    yield made
    made.close(0)


def camera(number: int, edge: int = 256) -> NDArray[np.uint16]:
    return np.random.default_rng(number).poisson(400, (edge, edge)).astype(np.uint16)


def noise(number: int, edge: int = 256) -> NDArray[np.uint16]:
    return np.random.default_rng(number).integers(0, 1 << 16, (edge, edge), np.uint16)


def show(stream: Stream, *planes: NDArray[Any], first: int = 0) -> None:
    images = [Image({"n": n}, pixels) for n, pixels in enumerate(planes, start=first)]
    stream.send(images, Source())


def crc32(pixels: NDArray[Any]) -> int:
    return zlib.crc32(pixels.tobytes())


def checksums(endpoint: Endpoint) -> dict[Any, int | None]:
    layers = request(endpoint, DescribeLayers(checksums=True), Layers, timeout=10).layers
    return {one.components["n"]: one.crc32 for layer in layers for one in layer.planes}


def test_a_batch_of_all_kinds_arrives_bit_by_bit(stream: Stream, contained: Endpoint) -> None:
    sent: list[NDArray[Any]] = [
        camera(1),
        noise(2),
        np.zeros((512, 512), np.uint8),
        camera(3, 1024),
        camera(4, 8),
        np.linspace(0, 1, 300 * 311).reshape(300, 311).astype(np.float32),
        camera(5) > 400,
        camera(6)[::2, ::-1],
    ]
    show(stream, *sent)
    assert stream.flush(DEADLINE) == (8, 8, 0, 0)
    assert checksums(contained) == {n: crc32(pixels) for n, pixels in enumerate(sent)}
    # Noise is not smaller, and eight by eight not worth the call.
    assert stream.statistics().compressed == 6


def test_many_more_than_the_ring_holds_within_the_budget(
    stream: Stream, contained: Endpoint
) -> None:
    for number in range(200):
        show(stream, camera(number % 7), first=number)
        assert stream.statistics().bytes_in_flight <= BUDGET
    assert stream.flush(DEADLINE) == (200, 200, 0, 0)
    assert stream.statistics().bytes_in_flight == 0
    assert stream.statistics().compressed > 150
    expected = [crc32(camera(number)) for number in range(7)]
    assert checksums(contained) == {n: expected[n % 7] for n in range(200)}


def test_a_plane_larger_than_the_ring_goes_as_it_is(stream: Stream, contained: Endpoint) -> None:
    large = camera(1, 1700)
    assert BUDGET // 4 < large.nbytes / 2 < large.nbytes < BUDGET - BUDGET // 4
    show(stream, large)
    assert stream.flush(DEADLINE) == (1, 1, 0, 0)
    assert checksums(contained) == {0: crc32(large)}


def test_a_viewer_that_cannot_unpack_is_sent_planes_as_they_are(
    contained: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coverslip.viewers.inline.Economy", Convinced)
    monkeypatch.setattr("coverslip.viewers.inline.CODEC", "another")
    with_another = Stream([RemoteVisualizer(contained)])
    show(with_another, camera(1), camera(2))
    assert with_another.flush(DEADLINE) == (2, 2, 0, 0)
    assert with_another.statistics().compressed == 0
    with_another.close()


def test_a_plane_that_is_damaged_on_its_way_fails_alone_and_is_counted(
    stream: Stream, contained: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coverslip.payload import compress

    def damage(pixels: memoryview, itemsize: int, out: memoryview) -> int:
        length = compress(pixels, itemsize, out)
        out[40:length:17] = bytes(len(range(40, length, 17)))
        return length

    show(stream, camera(1))
    assert stream.flush(DEADLINE).shown == 1
    monkeypatch.setattr("coverslip.viewers.inline.compress", damage)
    show(stream, camera(2), first=1)
    assert stream.flush(DEADLINE) == (2, 1, 0, 1)
    assert "damaged" in " ".join(stream.statistics().reasons)
    monkeypatch.undo()
    show(stream, camera(3), first=2)
    assert stream.flush(DEADLINE) == (3, 2, 0, 1)
    report = request(contained, Status(stream=stream.id), Report, timeout=10)
    counts = report.streams[stream.id]
    assert (counts.shown, counts.dropped, counts.failed) == (2, 0, 1)


def test_planes_that_lost_their_lease_are_dropped_and_the_next_arrive(
    stream: Stream, contained: Endpoint
) -> None:
    show(stream, camera(1))
    assert stream.flush(DEADLINE).shown == 1
    with stream._lock:  # so that the packer comes when the pixels are gone
        show(stream, camera(2), camera(3), first=1)
        stream._arena.clear_lane(0)
    assert stream.flush(DEADLINE) == (3, 1, 2, 0)
    show(stream, camera(4), first=3)
    assert stream.flush(DEADLINE) == (4, 2, 2, 0)
    assert checksums(contained) == {0: crc32(camera(1)), 3: crc32(camera(4))}


class Curious(Economy):
    """Wants to know what compressing would do, and never compresses."""

    def wants_sample(self, now: float) -> bool:
        return True


def test_a_sample_takes_no_memory_of_the_stream_s(
    contained: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coverslip.viewers.inline.Economy", Curious)
    stream = Stream([RemoteVisualizer(contained)], budget=BUDGET)
    show(stream, camera(1), camera(2))
    assert stream.flush(DEADLINE) == (2, 2, 0, 0)
    assert stream._lanes[0]._packer.economy.ratio is not None
    assert stream.statistics().compressed == 0
    reserved = stream._arena.bytes_reserved
    stream.close()
    assert reserved < BUDGET // 4, "no ring"
