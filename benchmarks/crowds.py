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
from coverslip.transport import Endpoint, Report, Status, request
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.server import Arrival
from coverslip.viewers.stream import Image, Stream

_EDGE = 1024
_BUDGET = 128 << 20
"""Bytes in flight of each stream: full after a second.

Eight of the usual 1 GiB take half a minute of first uses of memory, which would be measured instead
of what follows.
"""

_SLOW = 0.05
_PRODUCERS = 8
_DEADLINE = 120.0
_ANSWER = 10.0

_SETTLING = 4.0
"""Seconds until a slow viewer has all that it may have, and memory was backed once."""

_MEASURED = 4.0

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


def shown(endpoint: Endpoint) -> int:
    """Return how many planes the viewer has shown, of all streams."""
    report = request(endpoint, Status(), Report, timeout=_ANSWER)
    return sum(counts.shown for counts in report.streams.values())


def rate(endpoint: Endpoint) -> float:
    """Return the planes a second that a viewer shows once all has settled, over some seconds."""
    pause = threading.Event()
    pause.wait(_SETTLING)
    before, began = shown(endpoint), time.monotonic()
    pause.wait(_MEASURED)
    return (shown(endpoint) - before) / (time.monotonic() - began)


def produce(urls: list[str], ready: Any, enough: Any) -> None:
    """Send planes as fast as they are taken until it is enough; a process of its own."""
    pixels = np.ones((_EDGE, _EDGE), np.uint16)
    targets = [RemoteVisualizer(Endpoint.from_url(url)) for url in urls]
    stream = Stream(targets, budget=_BUDGET)
    stream.send([Image({"z": 0}, pixels)], Source())
    stream.flush(_DEADLINE)
    ready.wait(_DEADLINE)
    number = 0
    while not enough.is_set():
        stream.send([Image({"z": number % 8}, pixels)], Source())
        number += 1
    stream.close(0)


@contextmanager
def producing(endpoints: list[Endpoint], producers: int = 1) -> Iterator[None]:
    """Run producers, each with a stream to all these viewers."""
    ready, enough = _spawn.Barrier(producers + 1), _spawn.Event()
    urls = [endpoint.to_url() for endpoint in endpoints]
    workers = [_spawn.Process(target=produce, args=(urls, ready, enough)) for _ in range(producers)]
    for worker in workers:
        worker.start()
    try:
        ready.wait(_DEADLINE)
        yield
    finally:
        enough.set()
        for worker in workers:
            worker.join(_DEADLINE)


def alone(fast: Endpoint) -> float:
    """One producer, one viewer."""
    with producing([fast]):
        return rate(fast)


def beside(fast: Endpoint, slow: Endpoint) -> float:
    """One producer whose stream has a slow viewer, too."""
    with producing([fast, slow]):
        return rate(fast)


def eight(fast: Endpoint) -> float:
    """Eight producers, one viewer."""
    with producing([fast], _PRODUCERS):
        return rate(fast)


def besieged(fast: Endpoint) -> float:
    """One producer, while others knock without the key."""
    with intruding(fast, "a wrong key", peers=4), producing([fast]):
        return rate(fast)


def main() -> None:
    """Print each ratio, of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    table = Table(title=f"{_EDGE} x {_EDGE} uint16, planes shown a second, median of {rounds}")
    for heading in ("", "planes/s", "of alone"):
        table.add_column(heading, justify="right" if heading else "left")
    with receiver() as fast, receiver(SlowReceiver) as slow:
        cases: dict[str, Callable[[], float]] = {
            "one producer, one viewer": lambda: alone(fast),
            "beside a viewer of 50 ms a plane": lambda: beside(fast, slow),
            "eight producers, together": lambda: eight(fast),
            "while four peers knock": lambda: besieged(fast),
        }
        found: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, case in cases.items():
                found[name].append(case())
    lone = found["one producer, one viewer"]
    for name, rates in found.items():
        ratio = statistics.median(each / one for each, one in zip(rates, lone, strict=True))
        table.add_row(name, f"{statistics.median(rates):.0f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
