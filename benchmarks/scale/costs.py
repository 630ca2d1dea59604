"""What a plane costs every thread that it passes, inline; and what some producers reach in fact.

Linux, as root: pipelines and viewer are on two machines of the benchmark's own, network namespaces
as in `tests.network.links`, which in truth share this machine's cores. What a thread used is read
from its ``schedstat``, so that others on the cores do not count.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["RESULTS", "Cost", "Found", "Real", "measure", "read"]

RESULTS = Path(__file__).resolve().parents[1] / "results" / "scale.json"

EDGES = (512, 2048)
HOW = ("as they are", "compressed")
PRODUCERS = (1, 2, 4, 8)
RATES = (None, "1gbit")
"""Of the cable; None leaves it as fast as it is."""

BUDGET = 128 << 20
_WARM_SECONDS = 2.0
_END_DEADLINE = 60.0


class Cost(msgspec.Struct, frozen=True):
    """CPU seconds of each thread for one plane, and its bytes on the cable."""

    edge: int
    how: str
    caller: float
    """The pipeline's own thread, in `show`."""
    packer: float
    sender: float
    """ZeroMQ's thread in the pipeline: encrypts and sends."""
    receiver: float
    """ZeroMQ's thread in the viewer: receives and decrypts."""
    server: float
    drawer: float
    """The GUI's thread, without the drawing."""
    rest: float
    """All other threads of both ends."""
    wire: float
    """Bytes, with the headers of ZeroMQ and CURVE; those of the cable's own are not in it."""


class Real(msgspec.Struct, frozen=True):
    """What really arrived from some producers."""

    edge: int
    how: str
    rate: str | None
    producers: int
    planes: float
    """A second, all together."""


class Found(msgspec.Struct, frozen=True):
    """What the benchmark writes and the page is made from."""

    cores: int
    system: str
    costs: list[Cost]
    real: list[Real]


def read() -> Found:
    """Return what was measured last."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Found)


# ---- the driver -------------------------------------------------------------------------


class _End:
    """A process that answers words with JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.first = self.answer()

    def tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended in mid-sentence")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, word: str) -> dict[str, Any]:
        self.tell(word)
        return self.answer()

    def stop(self) -> None:
        self.tell("stop")
        self._process.wait(_END_DEADLINE)


class _Span(NamedTuple):
    """What the ends used, and what arrived, between two moments."""

    seconds: float
    planes: int
    wire: int
    viewer: dict[str, float]
    pipeline: dict[str, float]


def _span(edge: int, how: str, rate: str | None, producers: int, seconds: float) -> _Span:
    from tests.network.links import THERE, Link

    module = (sys.executable, "-m", "benchmarks.scale.costs")
    with Link(rate) as link:
        viewer = _End(link.there(*module, "viewer", THERE))
        line = viewer.first["line"]
        pipelines = [
            _End(link.here(*module, "pipeline", line, str(edge), how)) for _ in range(producers)
        ]
        for each in pipelines:
            each.tell("go")
        _pause(_WARM_SECONDS)
        before, used = viewer.ask("so far"), pipelines[0].ask("so far")
        _pause(seconds)
        after, spent = viewer.ask("so far"), pipelines[0].ask("so far")
        for each in pipelines:
            each.stop()
        return _Span(
            after["now"] - before["now"],
            after["planes"] - before["planes"],
            after["wire"] - before["wire"],
            _less(after["threads"], before["threads"]),
            _less(spent["threads"], used["threads"]),
        )


def _pause(seconds: float) -> None:
    # What is measured is what happens meanwhile.
    time.sleep(seconds)


def _less(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: used - before.get(name, 0.0) for name, used in after.items()}


def _cost(edge: int, how: str, seconds: float) -> Cost:
    span = _span(edge, how, None, 1, seconds)
    viewer = {name: used / span.planes for name, used in span.viewer.items()}
    pipeline = {name: used / span.planes for name, used in span.pipeline.items()}
    named = {
        "caller": pipeline.pop("MainThread"),
        "packer": pipeline.pop("packer"),
        "sender": pipeline.pop("zmq"),
        "receiver": viewer.pop("zmq"),
        "server": viewer.pop("server"),
        "drawer": viewer.pop("MainThread"),
    }
    rest = sum(viewer.values()) + sum(pipeline.values())
    return Cost(edge=edge, how=how, rest=rest, wire=span.wire / span.planes, **named)


def measure(seconds: float, say: Any) -> Found:
    """Measure costs, then real rates, `seconds` each, and write both to `RESULTS`."""
    costs = []
    for edge in EDGES:
        for how in HOW:
            costs.append(_cost(edge, how, seconds))
            say(costs[-1])
    real = []
    for edge in EDGES:
        for how in HOW:
            for rate in RATES:
                for producers in PRODUCERS:
                    span = _span(edge, how, rate, producers, seconds)
                    planes = span.planes / span.seconds
                    real.append(Real(edge, how, rate, producers, planes))
                    say(real[-1])
    found = Found(
        cores=len(os.sched_getaffinity(0)),
        system=f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        costs=costs,
        real=real,
    )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return found


# ---- the ends ---------------------------------------------------------------------------


_NAMES = {"coverslip-packer": "packer", "coverslip-bench": "server", "ZMQbg/IO": "zmq"}
"""How the names of threads begin, and what they do."""


def _threads() -> dict[str, float]:
    """Return the CPU seconds of this process's threads by what they do."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            used = int((task / "schedstat").read_text().split()[0]) / 1e9
            name = names.get(int(task.name)) or (task / "comm").read_text().strip()
        except OSError:
            continue  # it has ended meanwhile
        known = next((word for begin, word in _NAMES.items() if name.startswith(begin)), name)
        found[known] = found.get(known, 0.0) + used
    return found


def _received() -> int:
    """Return the bytes that came over this machine's cable."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "cable":
            return int(numbers.split()[0])
    raise LookupError("no cable")


def _view(host: str) -> None:
    """Be the viewer: everything that a real one does, up to the drawing."""
    from benchmarks.receiver import Receiver
    from coverslip.viewers.server import Arrival

    class Counting(Receiver):
        planes = 0

        def insert(self, arrival: Arrival) -> None:
            self.planes += 1

    def answer() -> None:
        for _ in sys.stdin:
            found = {
                "now": time.monotonic(),
                "planes": server.planes,
                "wire": _received(),
                "threads": _threads(),
            }
            print(json.dumps(found), flush=True)
        over.set()

    over = threading.Event()
    with Counting(keep=False, host=host) as server:
        connection = server.bind()
        print(json.dumps({"line": connection.endpoint.to_url()}), flush=True)
        server.start()
        threading.Thread(target=answer, name="asked", daemon=True).start()
        while not over.wait(0.002):
            server.tick(0.1)


def _camera(edge: int) -> list[NDArray[Any]]:
    """Return what compresses as the real plates of the tests do: a field with its shot noise."""
    chance = np.random.default_rng(1)
    return [chance.poisson(400, (edge, edge)).astype(np.uint16) for _ in range(8)]


def _stream(line: str, edge: int, how: str) -> None:
    """Be a pipeline: send until told to stop, as fast as it goes."""
    from coverslip.payload import Source
    from coverslip.transport import Endpoint
    from coverslip.viewers import economy, inline
    from coverslip.viewers.remote import RemoteVisualizer
    from coverslip.viewers.stream import Image, Stream

    class Decided(economy.Economy):
        """Always or never compresses, whatever would pay: each has its price here."""

        @property
        def compresses(self) -> bool:
            return how == "compressed"

    # There is no such setting: a stream decides, and what is measured is the other choice, too.
    setattr(inline, "Economy", Decided)  # noqa: B010 - the name is imported there, not its own
    planes = _camera(edge)
    stream = Stream([RemoteVisualizer(Endpoint.from_url(line))], budget=BUDGET, limit=60.0)
    over = threading.Event()

    def obey() -> None:
        for word in sys.stdin:
            if word.strip() == "stop":
                break
            if word.strip() == "so far":
                print(json.dumps({"threads": _threads()}), flush=True)
            else:
                going.set()
        over.set()
        going.set()

    going = threading.Event()
    threading.Thread(target=obey, name="asked", daemon=True).start()
    print(json.dumps({}), flush=True)
    going.wait()
    number = 0
    while not over.is_set():
        stream.send([Image({"z_index": number}, planes[number % len(planes)])], Source())
        number += 1
    stream.close(0)


if __name__ == "__main__":
    if sys.argv[1] == "viewer":
        _view(sys.argv[2])
    else:
        _stream(sys.argv[2], int(sys.argv[3]), sys.argv[4])
