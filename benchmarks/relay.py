"""What a relay costs: the same planes inline to a viewer, straight and through a relay, in turn.

Linux, as root: pipeline and relay on one machine, the viewer on another, both network namespaces
(`tests.network.links`). A link of 1 Gbit/s is what a relay stands in front of; one without a limit
shows what its work costs when all processes share the processors of this one machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.network import PLATE, planes_of

__all__ = ["relay_table"]

RATES = {"1 Gbit/s": "1gbit", "no limit": None}
WARM = 60
PLANES = 400
BUDGET = 256 << 20
MEMORY = 4 << 30
TIMEOUT = 120.0


class Run(NamedTuple):
    """What one run at full speed gave."""

    rate: float
    """Bytes of pixels a second, from the first `show` until the viewer had all."""
    cpu: float
    """CPU seconds a gigabyte, of all processes."""


def relay_table(console: Console, rounds: int) -> None:
    """Print how fast planes arrive straight and through a relay; medians of `rounds`."""
    from tests.network.links import why_not

    reason = why_not()
    if reason:
        console.print(f"relay: skipped, {reason}")
        return
    table = Table(title=f"inline, straight and through a relay, medians of {rounds} rounds")
    for heading in ("", "straight MB/s", "relay MB/s", "ratio", "CPU s/GB", "with the relay"):
        table.add_column(heading, justify="right" if heading else "left")
    for link, rate in RATES.items():
        for name, what in (("noise", "noise"), ("a real plate", str(PLATE))):
            # In turn, so that what drifts does so for both.
            pairs = [
                (_measure(rate, what, False), _measure(rate, what, True)) for _ in range(rounds)
            ]
            straight = statistics.median(one.rate for one, _ in pairs)
            relayed = statistics.median(other.rate for _, other in pairs)
            ratio = statistics.median(other.rate / one.rate for one, other in pairs)
            table.add_row(
                f"{link}, {name}",
                f"{straight / 1e6:.0f}",
                f"{relayed / 1e6:.0f}",
                f"{ratio:.2f}",
                f"{statistics.median(one.cpu for one, _ in pairs):.1f}",
                f"{statistics.median(other.cpu for _, other in pairs):.1f}",
            )
    console.print(table)


def _measure(rate: str | None, what: str, through: bool) -> Run:
    from tests.network.links import HERE, THERE, Link

    run = (sys.executable, "-m", "benchmarks.relay")
    with Link(rate) as link:
        viewer = link.there(*run, "viewer", THERE)
        line = _told(viewer)["line"]
        relay = None
        if through:
            relay = link.here(*run, "relay", HERE)
            line = _told(relay)["line"]
            _tell(viewer, line)
        pipeline = link.here(*run, "pipeline", line, what)
        _tell(pipeline, WARM)
        before = _told(pipeline)["cpu"]
        _tell(viewer, WARM)
        before += _told(viewer)["cpu"] + _cpu(relay)
        _tell(pipeline, PLANES)
        sent = _told(pipeline)
        _tell(viewer, WARM + PLANES)
        shown = _told(viewer)
        cpu = sent["cpu"] + shown["cpu"] + _cpu(relay) - before
        return Run(sent["nbytes"] / (shown["last"] - sent["began"]), cpu / sent["nbytes"] * 1e9)


def _tell(process: subprocess.Popen[str], what: object) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{what}\n")
    process.stdin.flush()


def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def _cpu(relay: subprocess.Popen[str] | None) -> float:
    if relay is None:
        return 0.0
    _tell(relay, "cpu")
    return float(_told(relay)["cpu"])


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def _view(host: str) -> None:
    """Be the viewer: everything that a real one does, up to the drawing."""
    import threading

    from benchmarks.receiver import Receiver
    from coverslip.transport import Endpoint
    from coverslip.viewers.following import Follower

    with Receiver(keep=False, host=host) as server:
        _say(line=server.bind().endpoint.to_url())
        server.start()
        ticker = threading.Thread(target=_tick, args=(server,), daemon=True)
        ticker.start()
        for line in sys.stdin:
            if line.startswith("coverslip:"):
                Follower(server, Endpoint.from_url(line), newest=False)
                continue
            wanted = int(line)
            while sum(one.counts().shown for one in server.ledgers.values()) < wanted:
                time.sleep(0.001)  # nothing tells; a millisecond in seconds
            _say(last=server.last / 1e9, cpu=time.process_time())


def _tick(server: Any) -> None:
    while not server.stopped.wait(0.005):
        server.tick(0.1)


def _relay(host: str) -> None:
    """Be the relay."""
    from coverslip.viewers.relay.server import RelayServer

    relay = RelayServer(memory=MEMORY, host=host)
    relay.start()
    _say(line=relay.connection.endpoint.to_url())
    for _ in sys.stdin:
        _say(cpu=time.process_time())


def _stream(line: str, what: str) -> None:
    """Be the pipeline: send as many planes as it is told to, as fast as it goes."""
    from coverslip.payload import Source
    from coverslip.transport import Endpoint
    from coverslip.viewers.remote import RemoteVisualizer
    from coverslip.viewers.stream import Image, Stream

    stream = Stream([RemoteVisualizer(Endpoint.from_url(line))], budget=BUDGET, limit=TIMEOUT)
    planes = planes_of(what)
    number = 0
    for wanted in sys.stdin:
        nbytes = 0
        began = time.monotonic()
        for _ in range(int(wanted)):
            pixels = next(planes)
            stream.send([Image({"z_index": number}, pixels)], Source())
            nbytes += pixels.nbytes
            number += 1
        delivery = stream.flush(TIMEOUT)
        if delivery.shown != number:
            raise SystemExit(f"{delivery}: {stream.statistics().reasons}")
        _say(began=began, nbytes=nbytes, cpu=time.process_time())


if __name__ == "__main__":
    if sys.argv[1] == "viewer":
        _view(sys.argv[2])
    elif sys.argv[1] == "relay":
        _relay(sys.argv[2])
    else:
        _stream(*sys.argv[2:])
