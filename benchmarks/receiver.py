"""The receiving ends, each run in a process of its own.

Ours is the very `ViewerServer` that napari and Fiji are, without a window: it
decodes, copies and projects, and settles what it has. What it adds is a clock.
"""

from __future__ import annotations

import mmap
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

    def __init__(self, keep: bool) -> None:
        super().__init__()
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
        if isinstance(sent, int) and sent:
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


def serve_segments(pipe: Connection) -> None:
    """Copy each named segment into one buffer and unlink it, as older systems did."""
    pipe.send("ready")
    buffer: NDArray[Any] | None = None
    while (message := pipe.recv()) != "stop":
        name, shape = message
        segment = SharedMemory(name)
        view = np.ndarray(shape, np.uint16, buffer=segment.buf)
        if buffer is None or buffer.shape != view.shape:
            buffer = np.zeros(shape, np.uint16)
        np.copyto(buffer, view)
        del view
        segment.close()
        segment.unlink()
        pipe.send((time.monotonic_ns(), time.process_time()))


def serve_handoff(pipe: Connection, name: str, shape: tuple[int, ...], slots: int) -> None:
    """Copy slots of one kept segment, each told by one byte on a pipe: no message, no key."""
    segment = SharedMemory(name)
    planes = np.ndarray((slots, *shape), np.uint16, buffer=segment.buf)
    buffer = np.zeros(shape, np.uint16)
    pipe.send_bytes(b"ready")
    while (slot := pipe.recv_bytes()) != b"stop":
        np.copyto(buffer, planes[slot[0]])
        pipe.send_bytes(slot)
    pipe.send((time.monotonic_ns(), time.process_time()))
    pipe.recv()
    del planes
    segment.close()


def serve_inline(pipe: Connection, endpoint: str) -> None:
    """Copy each frame of a PULL socket into one buffer."""
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.rcvhwm = 4
        socket.bind(endpoint)
        pipe.send(bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).decode().rstrip("\0"))
        while (planes := pipe.recv()) != "stop":
            buffer: NDArray[Any] | None = None
            for _ in range(planes):
                frame = np.frombuffer(socket.recv(copy=False).buffer, np.uint16)
                if buffer is None:
                    buffer = np.zeros_like(frame)
                np.copyto(buffer, frame)
            pipe.send((time.monotonic_ns(), time.process_time()))
