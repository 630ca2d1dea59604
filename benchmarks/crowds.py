"""``python -m benchmarks.crowds``: what others cost a stream, as ratios of one run.

A viewer that is slow beside a fast one, eight producers instead of one, and peers that knock
without the key. Rounds with and without are interleaved, so that drift is shared; the median is
shown.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.faults.intruders import intruding

from benchmarks.receiver import Receiver
from coverslip.payload import Source
from coverslip.transport import Counts, Endpoint, Flush, Report, Status, request
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.server import Arrival
from coverslip.viewers.stream import Image, Stream

_EDGE = 1024
_PLANES = 1500
_SLOW = 0.05
_PRODUCERS = 8
_DEADLINE = 120.0

_spawn = multiprocessing.get_context("spawn")


class SlowReceiver(Receiver):
    """Takes 50 ms to draw a plane."""

    def insert(self, arrival: Arrival) -> None:
        """Take the time, and show nothing."""
        threading.Event().wait(_SLOW)


def _serve(pipe: Any, kind: type[Receiver]) -> None:
    with kind(keep=False) as server:
        connection = server.bind()
        server.start()
        pipe.send(connection.endpoint.to_url())
        done = threading.Event()

        def tick() -> None:
            while not done.wait(0.002):
                server.tick(0.1)

        ticker = threading.Thread(target=tick)
        ticker.start()
        pipe.recv()
        done.set()
        ticker.join()


@contextmanager
def receiver(kind: type[Receiver] = Receiver) -> Iterator[Endpoint]:
    """Run a receiver in a process of its own."""
    here, there = _spawn.Pipe()
    process = _spawn.Process(target=_serve, args=(there, kind), daemon=True)
    process.start()
    try:
        yield Endpoint.from_url(here.recv())
    finally:
        here.send("stop")
        process.join(_DEADLINE)


def produce(url: str, planes: int, go: Any = None, done: Any = None) -> float:
    """Send planes as fast as they are taken; return planes a second until all are shown."""
    pixels = np.ones((_EDGE, _EDGE), np.uint16)
    stream = Stream([RemoteVisualizer(Endpoint.from_url(url))])
    _warm(stream, pixels)
    if go is not None:
        done.put(0.0)
        go.wait(_DEADLINE)
    began = time.monotonic()
    for number in range(planes):
        stream.send([Image({"z": number % 8}, pixels)], Source())
    stream.flush(_DEADLINE)
    rate = planes / (time.monotonic() - began)
    stream.close()
    if done is not None:
        done.put(rate)
    return rate


def _warm(stream: Stream, pixels: Any) -> None:
    while any(state != "live" for state in stream.statistics().state):
        time.sleep(0.01)  # until the viewer is attached to: nothing is measured yet
    for _ in range(50):
        stream.send([Image({"z": 0}, pixels)], Source())
    stream.flush(_DEADLINE)


def beside(fast: Endpoint, slow: Endpoint | None = None) -> float:
    """Return the planes a second that a fast viewer gets, alone or beside a slow one."""
    pixels = np.ones((_EDGE, _EDGE), np.uint16)
    stream = Stream([RemoteVisualizer(each) for each in (fast, slow) if each is not None])
    _warm(stream, pixels)
    began = time.monotonic()
    for number in range(_PLANES):
        stream.send([Image({"z": number % 8}, pixels)], Source())
    known, counts = -1, _settled(fast, stream.id)
    while counts.next != known:
        known, counts = counts.next, _settled(fast, stream.id)
    seconds = time.monotonic() - began
    stream.close(0)
    return (counts.shown - 50) / seconds


def _settled(endpoint: Endpoint, stream: str) -> Counts:
    """Return the account once what the viewer has by now is shown; more may be on its way."""
    received = request(endpoint, Status(stream=stream), Report, timeout=5).streams[stream].next
    flush = Flush(stream=stream, sequence=received)
    return request(endpoint, flush, Report, timeout=_DEADLINE).streams[stream]


def eight(url: str) -> float:
    """Return the planes a second that eight producers send together."""
    go, done = _spawn.Event(), _spawn.Queue()
    planes = _PLANES // _PRODUCERS
    workers = [
        _spawn.Process(target=produce, args=(url, planes, go, done)) for _ in range(_PRODUCERS)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        done.get(timeout=_DEADLINE)
    began = time.monotonic()
    go.set()
    for _ in workers:
        done.get(timeout=_DEADLINE)
    seconds = time.monotonic() - began
    for worker in workers:
        worker.join(_DEADLINE)
    return planes * _PRODUCERS / seconds


def besieged(endpoint: Endpoint) -> float:
    """Return the planes a second of one producer while others knock without the key."""
    with intruding(endpoint, "a wrong key", peers=4):
        return produce(endpoint.to_url(), _PLANES)


def main() -> None:
    """Print each ratio, of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    table = Table(title=f"{_PLANES} planes of {_EDGE} x {_EDGE} uint16, median of {rounds} rounds")
    for heading in ("", "planes/s alone", "planes/s", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")

    def add(words: str, alone: Callable[[], float], crowd: Callable[[], float]) -> None:
        pairs = [(alone(), crowd()) for _ in range(rounds)]
        one, many = (statistics.median(column) for column in zip(*pairs, strict=True))
        table.add_row(words, f"{one:.0f}", f"{many:.0f}", f"{many / one:.2f}")

    with receiver() as fast, receiver(SlowReceiver) as slow:
        url = fast.to_url()
        add(
            "beside a viewer of 50 ms a plane",
            lambda: beside(fast, None),
            lambda: beside(fast, slow),
        )
        add("eight producers, together", lambda: produce(url, _PLANES), lambda: eight(url))
        add("while four peers knock", lambda: produce(url, _PLANES), lambda: besieged(fast))
    Console().print(table)


if __name__ == "__main__":
    main()
