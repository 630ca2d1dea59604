"""Ways to get planes from one process into another's memory: ours beside what else there is.

Each is a `Way`: it sends, and it tells when what it sent had arrived. What is measured with
them is in `benchmarks.planes`; the receiving ends are in `benchmarks.receiver`.
"""

from __future__ import annotations

import multiprocessing
import struct
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zmq
from numpy.typing import NDArray

from benchmarks import receiver
from coverslip.payload import Source, kept
from coverslip.transport import Endpoint
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream

__all__ = [
    "Settled",
    "Way",
    "computed",
    "handoff",
    "inline",
    "memcpy",
    "ours",
    "segments",
]

SOURCES = 256 << 20
"""Bytes of planes to send from in turn: more than a cache holds."""

FLUSH_TIMEOUT = 60.0
PIPE_TIMEOUT = 60.0

_UNREAD = 8
"""Segments that may wait for the receiver."""


class Settled(NamedTuple):
    """What the receiving end knows once all that was sent has arrived."""

    last: int
    """When the last plane lay in its memory, `time.monotonic_ns`."""
    latencies: list[int]
    """Nanoseconds from each call to the plane in its memory, since the last time this was asked."""
    cpu: float
    """CPU seconds of the receiving process so far."""


class Way(ABC):
    """Planes of `edge` x `edge` uint16 on their way to where they are kept or copied once more."""

    def __init__(self, edge: int) -> None:
        noise = np.random.default_rng(3)
        count = max(4, min(64, SOURCES // (edge * edge * 2)))
        self.sources = [noise.integers(0, 4096, (edge, edge), np.uint16) for _ in range(count)]

    def source(self, number: int) -> NDArray[np.uint16]:
        """Return plane `number`: what a pipeline has just computed lies in no cache."""
        return self.sources[number % len(self.sources)]

    @abstractmethod
    def send(self, number: int, sent: int) -> None:
        """Send one plane; `sent` is when the call began, `time.monotonic_ns`."""

    @abstractmethod
    def settle(self) -> Settled:
        """Wait until all that was sent has arrived."""


@contextmanager
def _process(target: Callable[..., None], *args: Any) -> Iterator[Connection]:
    """Run a receiving end in a fresh process, until it is told to stop."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *args))
    child.start()
    try:
        yield mine
    finally:
        mine.send("stop")
        child.join(PIPE_TIMEOUT)
        if child.is_alive():
            child.kill()
            child.join()


def _receive(pipe: Connection) -> Any:
    """Return the child's answer, within a deadline."""
    if not pipe.poll(PIPE_TIMEOUT):
        raise TimeoutError(f"the receiving process said nothing for {PIPE_TIMEOUT:g} s")
    return pipe.recv()


def _times(pipe: Connection) -> Settled:
    pipe.send("times")
    return Settled(*_receive(pipe))


class _Memcpy(Way):
    def __init__(self, edge: int, keep: int) -> None:
        super().__init__(edge)
        self._keep: list[NDArray[np.uint16]] | None = [] if keep else None
        self._reused = np.zeros_like(self.sources[0])
        self._latencies: list[int] = []
        self._last = 0
        if keep:
            receiver.touch(keep * self._reused.nbytes)

    def send(self, number: int, sent: int) -> None:
        target = self._reused
        if self._keep is not None:
            target = kept(target.shape, target.dtype)
            self._keep.append(target)
        np.copyto(target, self.source(number))
        self._last = time.monotonic_ns()
        self._latencies.append(self._last - sent)

    def settle(self) -> Settled:
        latencies, self._latencies = self._latencies, []
        return Settled(self._last, latencies, 0.0)


@contextmanager
def memcpy(edge: int, keep: int = 0) -> Iterator[Way]:
    """Copy within this process: the floor. `keep` planes stay, each in new huge pages."""
    yield _Memcpy(edge, keep)


class _Segments(Way):
    def __init__(self, edge: int, pipe: Connection) -> None:
        super().__init__(edge)
        self._pipe = pipe
        self._waiting = 0

    def send(self, number: int, sent: int) -> None:
        source = self.source(number)
        segment = SharedMemory(create=True, size=source.nbytes)
        np.copyto(np.ndarray(source.shape, source.dtype, buffer=segment.buf), source)
        self._pipe.send((segment.name, source.shape, sent))
        segment.close()
        self._waiting += 1
        while self._waiting > _UNREAD:
            self._await_one()

    def _await_one(self) -> None:
        _receive(self._pipe)
        self._waiting -= 1

    def settle(self) -> Settled:
        while self._waiting:
            self._await_one()
        return _times(self._pipe)


@contextmanager
def segments(edge: int) -> Iterator[Way]:
    """Send a fresh shared-memory segment an image, unlinked by the receiver."""
    with _process(receiver.serve_segments) as pipe:
        _receive(pipe)
        yield _Segments(edge, pipe)


class _Handoff(Way):
    def __init__(self, edge: int, pipe: Connection, planes: NDArray[np.uint16]) -> None:
        super().__init__(edge)
        self._pipe = pipe
        self._planes = planes
        self._free = list(range(len(planes)))

    def send(self, number: int, sent: int) -> None:
        slot = self._free.pop() if self._free else _receive(self._pipe)
        np.copyto(self._planes[slot], self.source(number))
        self._pipe.send((slot, sent))

    def settle(self) -> Settled:
        while len(self._free) < len(self._planes):
            self._free.append(_receive(self._pipe))
        return _times(self._pipe)


@contextmanager
def handoff(edge: int, slots: int = 2) -> Iterator[Way]:
    """Copy into and out of kept slots, told by a word on a pipe: this machine's ceiling."""
    shape = (slots, edge, edge)
    segment = SharedMemory(create=True, size=edge * edge * 2 * slots)
    planes = np.ndarray(shape, np.uint16, buffer=segment.buf)
    planes[...] = 0
    try:
        with _process(receiver.serve_handoff, segment.name, shape) as pipe:
            _receive(pipe)
            way = _Handoff(edge, pipe, planes)
            yield way
            del way._planes  # the segment cannot be closed while an array lies in it
    finally:
        del planes
        segment.close()
        segment.unlink()


class _Inline(Way):
    def __init__(self, edge: int, pipe: Connection, socket: zmq.Socket[bytes]) -> None:
        super().__init__(edge)
        self._pipe = pipe
        self._socket = socket
        self._sent = 0

    def send(self, number: int, sent: int) -> None:
        self._socket.send(struct.pack("<q", sent), zmq.SNDMORE)
        pixels: Any = self.source(number)  # numpy's arrays are buffers, which their types hide
        self._socket.send(pixels, copy=False)
        self._sent += 1

    def settle(self) -> Settled:
        self._pipe.send(self._sent)
        return Settled(*_receive(self._pipe))


@contextmanager
def inline(edge: int, scheme: str) -> Iterator[Way]:
    """Plain ZeroMQ over ``"ipc"`` or ``"tcp"``, pixels in the message, no keys."""
    with tempfile.TemporaryDirectory() as folder:
        where = f"ipc://{Path(folder, 'bench')}" if scheme == "ipc" else "tcp://127.0.0.1:*"
        with (
            _process(receiver.serve_inline, where) as pipe,
            zmq.Context() as context,
            context.socket(zmq.PUSH) as socket,
        ):
            socket.sndhwm = 4
            socket.linger = 0
            socket.connect(_receive(pipe))
            yield _Inline(edge, pipe, socket)


class _Ours(Way):
    """A stream to a `Receiver` in a process of its own, keys on."""

    def __init__(self, edge: int, pipe: Connection) -> None:
        super().__init__(edge)
        self._pipe = pipe
        self.stream = Stream([RemoteVisualizer(Endpoint.from_url(_receive(pipe)))], limit=60.0)
        self._whose = Source()

    def show(self, plane: NDArray[Any], sent: int) -> None:
        """Send one plane as `View.show` does."""
        self.stream.send([Image({"sent": sent}, plane)], self._whose)

    def send(self, number: int, sent: int) -> None:
        self.show(self.source(number), sent)

    def settle(self) -> Settled:
        delivery = self.stream.flush(FLUSH_TIMEOUT)
        if delivery.shown != delivery.sent:
            raise RuntimeError(f"{delivery}: {self.stream.statistics().reasons}")
        return _times(self._pipe)


class _Sum(_Ours):
    """Sends sums of two planes, computed in memory of its own and copied in."""

    def __init__(self, edge: int, pipe: Connection) -> None:
        super().__init__(edge, pipe)
        self._result = np.zeros_like(self.sources[0])

    def send(self, number: int, sent: int) -> None:
        self.show(np.add(self.source(number), self.source(number + 1), out=self._out()), sent)

    def _out(self) -> NDArray[Any]:
        return self._result


class _SumInPlace(_Sum):
    """Sends sums of two planes, computed where the viewer reads them."""

    def _out(self) -> NDArray[Any]:
        return self.stream.allocate(self._result.shape, self._result.dtype)


@contextmanager
def ours(edge: int, keep: int = 0) -> Iterator[Way]:
    """Ours: `show` of an array of the caller's. The receiver keeps `keep` planes, or none."""
    with _process(receiver.serve_ours, keep * edge * edge * 2) as pipe:
        way = _Ours(edge, pipe)
        try:
            yield way
        finally:
            way.stream.close(0.0)


@contextmanager
def computed(edge: int, *, in_place: bool) -> Iterator[Way]:
    """Ours: the sum of two planes, computed in a slot, or computed and then copied in."""
    with _process(receiver.serve_ours, 0) as pipe:
        way = (_SumInPlace if in_place else _Sum)(edge, pipe)
        try:
            yield way
        finally:
            way.stream.close(0.0)
