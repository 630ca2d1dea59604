"""A pipeline and a viewer on two machines of the benchmark's own, with a link of 1 Gbit/s.

Linux, as root: the machines are network namespaces (`tests.network.links`).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

__all__ = ["PLATE", "network_table", "planes_of"]

RATE = "1gbit"
LINK = 125e6
"""Bytes a second that it carries, headers of Ethernet, IP, TCP and CURVE among them."""

PLATE = Path(__file__).resolve().parents[2] / "shared" / "data" / "imagexpress-2wells-4channels"
SECONDS = 8.0
WARM_SECONDS = 3.0
"""In which the link is measured and compression chosen."""

BUDGET = 128 << 20


class Run(NamedTuple):
    """What one run at full speed gave."""

    rate: float
    """Bytes of pixels a second, from the first `show` until all was shown."""
    compressed: float
    """Part of the planes."""
    longest: float
    """Seconds of the longest `show`: here it waits for room, since the pipeline is faster."""


def network_table(console: Console, rounds: int) -> None:
    """Print how fast pixels arrive; the median of `rounds`."""
    from tests.network.links import why_not

    reason = why_not()
    if reason:
        console.print(f"network: skipped, {reason}")
        return
    table = Table(title=f"over {RATE}, medians of {rounds} rounds")
    for heading in ("", "MB/s of pixels", "of the raw link", "compressed", "longest show ms"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, what in (("noise of 16 bits, 1024 x 1024", "noise"), ("a real plate", str(PLATE))):
        runs = [_measure(what) for _ in range(rounds)]
        usual = Run(*(statistics.median(column) for column in zip(*runs, strict=True)))
        table.add_row(
            name,
            f"{usual.rate / 1e6:.0f}",
            f"{usual.rate / LINK:.2f}",
            f"{usual.compressed:.0%}",
            f"{usual.longest * 1e3:.0f}",
        )
    console.print(table)


def _measure(what: str) -> Run:
    from tests.network.links import THERE, Link

    with Link(RATE) as link:
        viewer = link.there(sys.executable, "-m", "benchmarks.network", "viewer", THERE)
        line = _answer(viewer)["line"]
        pipeline = link.here(sys.executable, "-m", "benchmarks.network", "pipeline", line, what)
        return Run(**_answer(pipeline))


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def _view(host: str) -> None:
    """Be the viewer: everything that a real one does, up to the drawing."""
    from benchmarks.receiver import Receiver

    with Receiver(keep=False, host=host) as server:
        connection = server.bind()
        print(json.dumps({"line": connection.endpoint.to_url()}), flush=True)
        server.start()
        while not server.stopped.wait(0.005):
            server.tick(0.1)


def _stream(line: str, what: str) -> None:
    """Be the pipeline: warm up, then send for some seconds, as fast as it goes."""
    from coverslip.payload import Source
    from coverslip.transport import Endpoint
    from coverslip.viewers.remote import RemoteVisualizer
    from coverslip.viewers.stream import Image, Stream

    stream = Stream([RemoteVisualizer(Endpoint.from_url(line))], budget=BUDGET)
    planes = planes_of(what)

    def send(seconds: float) -> tuple[int, int, float]:
        nbytes = count = 0
        longest = 0.0
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            pixels = next(planes)
            stream.send([Image({"z_index": count}, pixels)], Source())
            longest = max(longest, time.monotonic() - began)
            nbytes += pixels.nbytes
            count += 1
        return nbytes, count, longest

    send(WARM_SECONDS)
    stream.flush(60)
    before = stream.statistics()
    began = time.monotonic()
    nbytes, count, longest = send(SECONDS)
    stream.flush(60)
    took = time.monotonic() - began
    after = stream.statistics()
    if after.shown - before.shown != count:
        raise SystemExit(f"of {count} planes {after.shown - before.shown} were shown: {after}")
    compressed = (after.compressed - before.compressed) / count
    print(json.dumps({"rate": nbytes / took, "compressed": compressed, "longest": longest}))
    stream.close(0)


def planes_of(what: str) -> Iterator[NDArray[Any]]:
    """Return planes without end: ``"noise"``, or a real plate's folder."""
    if what == "noise":
        chance = np.random.default_rng(1)
        found = [chance.integers(0, 1 << 16, (1024, 1024), np.uint16) for _ in range(8)]
    else:
        import tifffile

        paths = sorted(path for path in Path(what).rglob("*.tif") if "thumb" not in path.name)
        found = [tifffile.imread(path) for path in paths]
    while True:
        yield from found


if __name__ == "__main__":
    if sys.argv[1] == "viewer":
        _view(sys.argv[2])
    else:
        _stream(*sys.argv[2:])
