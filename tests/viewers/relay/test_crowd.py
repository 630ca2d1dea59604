"""A crowd of pipelines, one relay, and viewers of all kinds: every plane is counted at each."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np

from coverslip.transport import Counts
from tests.viewers.headless import HeadlessServer
from tests.viewers.relay.conftest import Relay, Viewer, audience
from tests.viewers.relay.producers import pixels_of
from tests.waiting import DEADLINE, eventually

PROCESSES, EACH = 4, 8
PRODUCERS = PROCESSES * EACH
PLANES = 30
ALL = PRODUCERS * PLANES


def held(server: HeadlessServer) -> dict[tuple[Any, Any], int]:
    """Return the checksum of each plane that a viewer holds, by producer and number."""
    return {
        (components["producer"], components["z_index"]): zlib.crc32(np.asarray(pixels).tobytes())
        for layer in server.snapshot()
        for components, pixels in layer.planes
    }


def counts(server: HeadlessServer) -> Counts:
    (ledger,) = server.ledgers.values()
    return ledger.counts()


def shows_all(server: HeadlessServer) -> None:
    eventually(lambda: server.ledgers, "planes have come", 2 * DEADLINE)
    eventually(lambda: counts(server).shown == ALL, "it shows all", 2 * DEADLINE)
    assert counts(server).next - counts(server).first == ALL
    assert counts(server).pending == 0


def test_a_crowd_of_pipelines_and_several_viewers(relay: Relay, viewer: Viewer) -> None:
    # Less than a crowd's planes: most of them go by way of the disk.
    server = relay(memory=4 << 20)
    line = server.connection.endpoint.to_url()
    early, slow = viewer(server), viewer(server, slow=0.001)

    def produce(first: int) -> Any:
        command = [sys.executable, "-m", "tests.viewers.relay.producers", line]
        arguments = map(str, (first, EACH, PLANES))
        done = subprocess.run(
            [*command, *arguments], stdout=subprocess.PIPE, check=True, timeout=6 * DEADLINE
        )
        return json.loads(done.stdout)

    with ThreadPoolExecutor(PROCESSES) as pool:
        crowd = pool.map(produce, range(0, PRODUCERS, EACH))
        eventually(lambda: early.ledgers, "planes have come", 2 * DEADLINE)
        newest = viewer(server, newest=True)
        told = [*chain.from_iterable(crowd)]
    late = viewer(server)
    # At each pipeline, and at the relay.
    assert told == [[PLANES, PLANES, 0, 0]] * PRODUCERS
    accounts = [ledger.counts() for ledger in server.ledgers.values()]
    assert [one.shown for one in accounts] == [PLANES] * PRODUCERS
    usage = server.usage()
    assert (usage.in_memory + usage.on_disk, usage.dropped) == (ALL, 0)
    assert usage.on_disk > ALL // 2
    # At each viewer, pixel by pixel.
    expected = {
        (producer, number): zlib.crc32(pixels_of(producer, number).tobytes())
        for producer in range(PRODUCERS)
        for number in range(PLANES)
    }
    for one in (early, slow, newest, late):
        shows_all(one)
        assert held(one) == expected
    # And at the relay, of each viewer.
    served = [(one.sent, one.replaced, one.missed, one.waiting) for one in audience(server)]
    assert served == [(ALL, 0, 0, 0)] * 4
