"""What a relay costs: the same planes inline to a viewer, straight and through a relay, in turn.

Linux, as root: pipeline and relay on one machine, the viewer on another, both network namespaces
(`tests.network.links`). A link of 1 Gbit/s is what a relay stands in front of; one without a limit
shows what its work costs when all processes share the processors of this one machine, and what it
costs when the relay has one to itself, as on a head node. Beside it what ZeroMQ alone takes to
encrypt and to decrypt: a relay does both to every byte.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import zmq
from rich.console import Console
from rich.table import Table

from benchmarks.network import PLATE, planes_of

__all__ = ["relay_table"]

WARM = 60
PLANES = 400
LARGEST_PLANE = 2 << 20
BUDGET = 256 << 20
MEMORY = 4 << 30
TIMEOUT = 120.0

FRAME = 256 << 10
FRAMES = 8
MESSAGES = 500
"""What is encrypted alone: as many bytes to a message as a plane of 1024 x 1024 has."""


class Setting(NamedTuple):
    """Where it runs."""

    name: str
    rate: str | None
    """Of the link, as `tc` reads it."""
    apart: bool = False
    """Pipeline and viewer share one processor, and the relay has another to itself."""


SETTINGS = (
    Setting("1 Gbit/s", "1gbit"),
    Setting("no limit", None),
    Setting("no limit, relay apart", None, apart=True),
)


class Run(NamedTuple):
    """What one run at full speed gave."""

    rate: float
    """Bytes of pixels a second, from the first `show` until the viewer had all."""
    pipeline: float
    viewer: float
    relay: float
    """CPU seconds a gigabyte, of each process."""

    @property
    def cpu(self) -> float:
        """Return the CPU seconds a gigabyte of all processes."""
        return self.pipeline + self.viewer + self.relay


def relay_table(console: Console, rounds: int) -> None:
    """Print how fast planes arrive straight and through a relay; medians of `rounds`."""
    from tests.network.links import why_not

    reason = why_not()
    if reason:
        console.print(f"relay: skipped, {reason}")
        return
    table = Table(
        title=f"inline, straight and through a relay, medians of {rounds} rounds: MB/s, "
        "and CPU s/GB of each process, straight and then through the relay"
    )
    parts = ("pipeline", "viewer", "sum", "pipeline", "viewer", "relay", "sum")
    for heading in ("", "straight", "relay", "ratio", *parts):
        table.add_column(heading, justify="right" if heading else "left")
    for setting in SETTINGS:
        for name, what in (("noise", "noise"), ("a real plate", str(PLATE))):
            # In turn, so that what drifts does so for both.
            pairs = [
                (_measure(setting, what, False), _measure(setting, what, True))
                for _ in range(rounds)
            ]
            straight, relayed = (_median(runs) for runs in zip(*pairs, strict=True))
            ratio = statistics.median(other.rate / one.rate for one, other in pairs)
            costs = [straight.pipeline, straight.viewer, straight.cpu]
            costs += [relayed.pipeline, relayed.viewer, relayed.relay, relayed.cpu]
            table.add_row(
                f"{setting.name}, {name}",
                f"{straight.rate / 1e6:.0f}",
                f"{relayed.rate / 1e6:.0f}",
                f"{ratio:.2f}",
                *(f"{cost:.1f}" for cost in costs),
            )
    console.print(table)
    crypts = [(*_crypt(keep=False), _crypt(keep=True)[1]) for _ in range(rounds)]
    sent, received, kept = (statistics.median(costs) for costs in zip(*crypts, strict=True))
    console.print(
        f"ZeroMQ alone, messages of {FRAMES} frames of {FRAME >> 10} KiB: {sent:.1f} s/GB to "
        f"encrypt and send, {received:.1f} to receive and decrypt, {kept:.1f} to keep it, too"
    )


def _median(runs: tuple[Run, ...]) -> Run:
    return Run(*(statistics.median(column) for column in zip(*runs, strict=True)))


def _measure(setting: Setting, what: str, through: bool) -> Run:
    from tests.network.links import HERE, THERE, Link

    run = (sys.executable, "-m", "benchmarks.relay")
    mine, other = sorted(os.sched_getaffinity(0))[:2]
    ends, between = (
        (("taskset", "-c", str(core)) for core in (mine, other)) if setting.apart else ((), ())
    )
    with Link(setting.rate) as link:
        viewer = link.there(*ends, *run, "viewer", THERE)
        line = _told(viewer)["line"]
        relay = None
        if through:
            relay = link.here(*between, *run, "relay", HERE)
            line = _told(relay)["line"]
            _tell(viewer, line)
        pipeline = link.here(*ends, *run, "pipeline", line, what)
        _tell(pipeline, WARM)
        sent = _told(pipeline)["cpu"]
        _tell(viewer, WARM)
        shown = _told(viewer)["cpu"]
        passed = _cpu(relay)
        _tell(pipeline, PLANES)
        after = _told(pipeline)
        _tell(viewer, WARM + PLANES)
        last = _told(viewer)
        nbytes = after["nbytes"]
        return Run(
            nbytes / (last["last"] - after["began"]),
            *(
                seconds / nbytes * 1e9
                for seconds in (after["cpu"] - sent, last["cpu"] - shown, _cpu(relay) - passed)
            ),
        )


def _crypt(*, keep: bool) -> tuple[float, float]:
    """Return the CPU seconds a gigabyte of ZeroMQ's to encrypt and send, to receive and decrypt.

    What is kept lies in memory that was not used before, of which each page has its price.
    """
    from tests.network.links import THERE, Link

    run = (sys.executable, "-m", "benchmarks.relay")
    with Link(None) as link:
        receiver = link.there(*run, "decrypt", THERE, "keep" if keep else "drop")
        sender = link.here(*run, "encrypt", json.dumps(_told(receiver)))
        nbytes = MESSAGES * FRAMES * FRAME
        return _told(sender)["cpu"] / nbytes * 1e9, _told(receiver)["cpu"] / nbytes * 1e9


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
    """Be the relay, on memory that the host has backed: else its first use ever is measured."""
    from benchmarks.receiver import touch
    from coverslip.viewers.relay.server import RelayServer

    touch((WARM + PLANES) * LARGEST_PLANE)
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


def _encrypt(told: str) -> None:
    """Be a socket that sends and nothing else."""
    receiver = json.loads(told)
    public, secret = zmq.curve_keypair()
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.curve_serverkey = receiver["key"].encode()
        socket.curve_publickey, socket.curve_secretkey = public, secret
        socket.connect(receiver["address"])
        frames = [os.urandom(FRAME)] * FRAMES
        before = time.process_time()
        for _ in range(MESSAGES):
            socket.send_multipart(frames, copy=False)
        socket.close(linger=int(TIMEOUT * 1000))
    _say(cpu=time.process_time() - before)


def _decrypt(host: str, what: str) -> None:
    """Be a socket that receives and nothing else, but for keeping what came."""
    public, secret = zmq.curve_keypair()
    kept = []
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = public, secret
        port = socket.bind_to_random_port(f"tcp://{host}")
        _say(address=f"tcp://{host}:{port}", key=public.decode())
        before = time.process_time()
        for _ in range(MESSAGES):
            message = socket.recv_multipart(copy=False)
            if what == "keep":
                kept.append(message)
        _say(cpu=time.process_time() - before)


ROLES: dict[str, Callable[..., None]] = {
    "viewer": _view,
    "relay": _relay,
    "pipeline": _stream,
    "encrypt": _encrypt,
    "decrypt": _decrypt,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
