"""The receiving ends, each run in a process of its own.

Ours is the very `ViewerServer` that napari and Fiji are, without a window: it
decodes, copies and projects, and settles what it has. What it adds is a clock.
"""

from __future__ import annotations

import mmap
import struct
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from coverslip.payload import Placement
from coverslip.viewers.server import Arrival, ViewerServer
from coverslip.viewers.snapshot import LayerSnapshot

TICK = 0.005


class Receiver(ViewerServer):
    """A viewer that looks at nothing; either reuses one buffer or keeps every plane."""

    kind = "bench"
    default_port = 5590

    def __init__(self, keep: bool, **options: Any) -> None:
        super().__init__(**options)
        self.keep = keep
        self.latencies: list[int] = []
        self.last = 0
        self._planes: list[NDArray[Any]] = []
        self._buffers: dict[tuple[Any, ...], NDArray[Any]] = {}

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        if self.keep:
            return super().allocate(shape, dtype)
        key = (shape, dtype)
        if key not in self._buffers:
            self._buffers[key] = np.zeros(shape, dtype)
        return self._buffers[key]

    def measure(self, placement: Placement, pixels: NDArray[Any]) -> None:
        # Called when the pixels lie in this process's memory: that is where the clock stops.
        self.last = time.monotonic_ns()
        sent = placement.coordinates.get("sent")
        if isinstance(sent, int):
            self.latencies.append(self.last - sent)

    def insert(self, arrival: Arrival) -> None:
        if self.keep:
            self._planes.append(arrival.pixels)

    def clear_layers(self) -> None:
        self._planes.clear()

    def take_screenshot(self) -> bytes:
        return b""

    def snapshot(self) -> list[LayerSnapshot]:
        return []


def touch(nbytes: int) -> None:
    """Take and give back memory: a virtual machine's host backs pages at their first use ever.

    That costs more than all that is measured here, and would fall to whoever happens to be first.
    """
    with mmap.mmap(-1, nbytes) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        for page in range(0, nbytes, mmap.PAGESIZE):
            memory[page] = 1


def serve_ours(pipe: Connection, keep: int) -> None:
    """Run a `Receiver` that keeps `keep` bytes or nothing; answers ``"times"`` until ``"stop"``."""
    with Receiver(keep > 0) as server:
        connection = server.bind()
        server.start()
        pipe.send(connection.endpoint.to_url())
        done = threading.Event()

        def tick() -> None:
            while not done.wait(TICK):
                server.tick(0.1)

        ticker = threading.Thread(target=tick)
        ticker.start()
        while pipe.recv() != "stop":
            server.clear_layers()
            if keep:
                touch(keep)
            latencies, server.latencies = server.latencies, []
            pipe.send((server.last, latencies, time.process_time()))
        done.set()
        ticker.join()


class Clock:
    """When planes came, for a receiving end that is not ours."""

    def __init__(self) -> None:
        self.last = 0
        self._latencies: list[int] = []

    def came(self, sent: int) -> None:
        """Note that a plane, sent at `sent`, lies in memory here."""
        self.last = time.monotonic_ns()
        self._latencies.append(self.last - sent)

    def times(self) -> tuple[int, list[int], float]:
        """Return what `ways.Settled` is made of; the latencies only once."""
        latencies, self._latencies = self._latencies, []
        return self.last, latencies, time.process_time()


def serve_segments(pipe: Connection) -> None:
    """Copy each named segment into one buffer and unlink it, as older systems did."""
    pipe.send("ready")
    clock = Clock()
    buffer: NDArray[Any] | None = None
    while (message := pipe.recv()) != "stop":
        if message == "times":
            pipe.send(clock.times())
            continue
        name, shape, sent = message
        segment = SharedMemory(name)
        view = np.ndarray(shape, np.uint16, buffer=segment.buf)
        if buffer is None or buffer.shape != view.shape:
            buffer = np.zeros(shape, np.uint16)
        np.copyto(buffer, view)
        clock.came(sent)
        del view
        segment.close()
        segment.unlink()
        pipe.send("read")


def serve_handoff(pipe: Connection, name: str, shape: tuple[int, ...]) -> None:
    """Copy slots of one kept segment, each told by a word on a pipe: no message, no key."""
    segment = SharedMemory(name)
    planes = np.ndarray(shape, np.uint16, buffer=segment.buf)
    buffer = np.zeros(shape[1:], np.uint16)
    clock = Clock()
    pipe.send("ready")
    while (message := pipe.recv()) != "stop":
        if message == "times":
            pipe.send(clock.times())
            continue
        slot, sent = message
        np.copyto(buffer, planes[slot])
        clock.came(sent)
        pipe.send(slot)
    del planes
    segment.close()


def serve_inline(pipe: Connection, endpoint: str) -> None:
    """Copy each plane of a PULL socket into one buffer; asked by how many there must be."""
    clock = Clock()
    received = 0
    buffer: NDArray[Any] | None = None
    with (
        zmq.Context() as context,
        context.socket(zmq.PULL) as socket,
    ):
        socket.rcvhwm = 4
        socket.bind(endpoint)
        pipe.send(bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).decode().rstrip("\0"))
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(pipe.fileno(), zmq.POLLIN)
        wanted: int | str | None = None
        while wanted != "stop":
            ready = dict(poller.poll())
            if socket in ready:
                (sent,) = struct.unpack("<q", socket.recv())
                frame = np.frombuffer(socket.recv(copy=False).buffer, np.uint16)
                if buffer is None:
                    buffer = np.zeros_like(frame)
                np.copyto(buffer, frame)
                clock.came(sent)
                received += 1
            if pipe.fileno() in ready:
                wanted = pipe.recv()
            if wanted == received:
                pipe.send(clock.times())
                wanted = None
