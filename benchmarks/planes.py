"""Planes from one process's array into another's memory: ours beside what else there is."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import threading
import time
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
from coverslip.viewers.stream import Image, Stream
from coverslip.viewers.target import RemoteTarget

SOURCES = 256 << 20
"""Bytes of planes to send from in turn."""

FLUSH_TIMEOUT = 60.0
PIPE_TIMEOUT = 60.0
PACE = 400.0
"""Planes a second where latency is measured: far below what any of them can carry."""


class Measured(NamedTuple):
    """What one way of sending costs."""

    seconds: float
    """Per plane, from the first plane's call to the last plane in the receiver's memory."""
    held: float
    """Per plane, median time that the call held the sender."""
    cpu: float
    """CPU seconds per plane, both processes."""


def planes_of(edge: int) -> list[NDArray[np.uint16]]:
    """Return different planes, more than a cache holds: what a pipeline computes is not there."""
    noise = np.random.default_rng(3)
    count = max(4, min(64, SOURCES // (edge * edge * 2)))
    return [noise.integers(0, 4096, (edge, edge), np.uint16) for _ in range(count)]


@contextmanager
def process(target: Callable[..., None], *args: Any) -> Iterator[Connection]:
    """Run a receiving end in a fresh process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *args))
    child.start()
    try:
        yield ours
    finally:
        ours.send("stop")
        child.join(PIPE_TIMEOUT)
        if child.is_alive():
            child.kill()
            child.join()


def receive(pipe: Connection) -> Any:
    """Return the child's answer, within a deadline."""
    if not pipe.poll(PIPE_TIMEOUT):
        raise TimeoutError(f"the receiving process said nothing for {PIPE_TIMEOUT:g} s")
    return pipe.recv()


def memcpy(edge: int, count: int, *, fresh: bool = False) -> Measured:
    """Copy planes within this process: the floor. `fresh` keeps each in new huge pages."""
    sources = planes_of(edge)
    reused = np.zeros_like(sources[0])
    keep = []
    if fresh:
        receiver.touch(count * reused.nbytes)
    began, cpu = time.monotonic_ns(), time.process_time()
    for number in range(count):
        target = kept(reused.shape, reused.dtype) if fresh else reused
        np.copyto(target, sources[number % len(sources)])
        if fresh:
            keep.append(target)
    seconds = (time.monotonic_ns() - began) / 1e9 / count
    return Measured(seconds, seconds, (time.process_time() - cpu) / count)


def segments(edge: int, count: int) -> Measured:
    """Send a fresh shared-memory segment an image, unlinked by the receiver."""
    sources = planes_of(edge)
    with process(receiver.serve_segments) as pipe:
        receive(pipe)
        held = []
        began, cpu, last, theirs = time.monotonic_ns(), time.process_time(), 0, 0.0
        first = None
        waiting = 0
        for number in range(count):
            source = sources[number % len(sources)]
            call = time.perf_counter()
            segment = SharedMemory(create=True, size=source.nbytes)
            np.copyto(np.ndarray(source.shape, source.dtype, buffer=segment.buf), source)
            pipe.send((segment.name, source.shape))
            segment.close()
            held.append(time.perf_counter() - call)
            waiting += 1
            while waiting > 8 or (waiting and number == count - 1):
                last, theirs = receive(pipe)
                first = theirs if first is None else first
                waiting -= 1
        cpu = time.process_time() - cpu + theirs - (first or 0.0)
    return Measured((last - began) / 1e9 / count, statistics.median(held), cpu / count)


def handoff(edge: int, count: int, slots: int = 2) -> Measured:
    """Copy into and out of two kept slots, told by a byte on a pipe: this machine's ceiling."""
    sources = planes_of(edge)
    shape = sources[0].shape
    segment = SharedMemory(create=True, size=sources[0].nbytes * slots)
    planes = np.ndarray((slots, *shape), np.uint16, buffer=segment.buf)
    planes[...] = 0
    held = []
    try:
        with process(receiver.serve_handoff, segment.name, shape, slots) as pipe:
            pipe.recv_bytes()
            free = list(range(slots))
            began, cpu = time.monotonic_ns(), time.process_time()
            for number in range(count):
                call = time.perf_counter()
                slot = free.pop() if free else pipe.recv_bytes()[0]
                np.copyto(planes[slot], sources[number % len(sources)])
                pipe.send_bytes(bytes([slot]))
                held.append(time.perf_counter() - call)
            for _ in range(slots - len(free)):
                pipe.recv_bytes()
            seconds = (time.monotonic_ns() - began) / 1e9 / count
            cpu = time.process_time() - cpu
            pipe.send_bytes(b"stop")
            _, theirs = receive(pipe)
    finally:
        del planes
        segment.close()
        segment.unlink()
    # The child's share includes its start: it is left out of what is compared.
    return Measured(seconds, statistics.median(held), (cpu + theirs) / count)


def inline(edge: int, count: int, scheme: str) -> Measured:
    """Plain ZeroMQ, pixels in the message, no keys."""
    sources: list[Any] = list(planes_of(edge))
    with tempfile.TemporaryDirectory() as folder:
        where = f"ipc://{Path(folder, 'bench')}" if scheme == "ipc" else "tcp://127.0.0.1:*"
        with (
            process(receiver.serve_inline, where) as pipe,
            zmq.Context() as context,
            context.socket(zmq.PUSH) as socket,
        ):
            socket.sndhwm = 4
            socket.linger = 0
            socket.connect(receive(pipe))
            held: list[float] = []
            before = 0.0
            for rounds in (8, count):
                pipe.send(rounds)
                held.clear()
                began, cpu = time.monotonic_ns(), time.process_time()
                for number in range(rounds):
                    call = time.perf_counter()
                    socket.send(sources[number % len(sources)], copy=False)
                    held.append(time.perf_counter() - call)
                last, theirs = receive(pipe)
                spent = time.process_time() - cpu + theirs - before
                before = theirs
    return Measured((last - began) / 1e9 / count, statistics.median(held), spent / count)


class Ours:
    """A stream to a `Receiver` in a process of its own, keys on."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.stream = Stream([RemoteTarget(Endpoint.from_url(receive(pipe)))], limit=60.0)
        self.source = Source()

    def show(self, plane: NDArray[Any], sent: int = 0) -> None:
        """Send one plane as `View.show` does."""
        self.stream.send([Image({"sent": sent}, plane)], self.source)

    def settle(self) -> tuple[int, list[int], float]:
        """Wait until all is received; return when the last was, latencies, and CPU so far."""
        delivery = self.stream.flush(FLUSH_TIMEOUT)
        if delivery.shown != delivery.sent:
            raise RuntimeError(f"{delivery}: {self.stream.statistics().reasons}")
        self.pipe.send("times")
        last, latencies, cpu = receive(self.pipe)
        return last, latencies, cpu


@contextmanager
def ours(keep: int = 0) -> Iterator[Ours]:
    """Set up `Ours`, warm."""
    with process(receiver.serve_ours, keep) as pipe:
        sender = Ours(pipe)
        try:
            yield sender
        finally:
            sender.stream.close(0.0)


def copied_in(edge: int, count: int, *, keep: bool = False) -> Measured:
    """Ours: `show` of an array of the caller's."""
    sources = planes_of(edge)
    with ours((count + 32) * sources[0].nbytes if keep else 0) as sender:
        for number in range(32):
            sender.show(sources[number % len(sources)])
        _, _, before = sender.settle()
        held = []
        began, cpu = time.monotonic_ns(), time.process_time()
        for number in range(count):
            call = time.perf_counter()
            sender.show(sources[number % len(sources)])
            held.append(time.perf_counter() - call)
        last, _, theirs = sender.settle()
        cpu = time.process_time() - cpu + theirs - before
    return Measured((last - began) / 1e9 / count, statistics.median(held), cpu / count)


def computed(edge: int, count: int, *, in_place: bool) -> Measured:
    """Ours: the sum of two planes, computed in a slot or computed and then copied in."""
    sources = planes_of(edge)
    with ours() as sender:
        result = np.zeros_like(sources[0])

        def one(number: int) -> None:
            a, b = sources[number % len(sources)], sources[(number + 1) % len(sources)]
            if in_place:
                slot = sender.stream.allocate(a.shape, a.dtype)
                sender.show(np.add(a, b, out=slot))
            else:
                sender.show(np.add(a, b, out=result))

        for number in range(32):
            one(number)
        _, _, before = sender.settle()
        held = []
        began, cpu = time.monotonic_ns(), time.process_time()
        for number in range(count):
            call = time.perf_counter()
            one(number)
            held.append(time.perf_counter() - call)
        last, _, theirs = sender.settle()
        cpu = time.process_time() - cpu + theirs - before
    return Measured((last - began) / 1e9 / count, statistics.median(held), cpu / count)


def latency(edge: int, count: int) -> tuple[list[float], list[float]]:
    """Return seconds from `show` to the receiver's memory, and in `show`, at `PACE` a second."""
    sources = planes_of(edge)
    pause = threading.Event()
    held = []
    with ours() as sender:
        for number in range(32):
            sender.show(sources[number % len(sources)])
        sender.settle()
        due = time.monotonic()
        for number in range(count):
            due += 1 / PACE
            pause.wait(max(0.0, due - time.monotonic()))
            began = time.monotonic_ns()
            sender.show(sources[number % len(sources)], began)
            held.append((time.monotonic_ns() - began) / 1e9)
        _, latencies, _ = sender.settle()
    return [value / 1e9 for value in latencies], held
