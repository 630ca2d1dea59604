"""A process of a crowd: several pipelines, each with a thread, a stream and a socket of its own.

``python -m tests.viewers.relay.producers LINE FIRST COUNT PLANES`` says each one's counts, as JSON.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from coverslip.viewers import connect
from tests.waiting import DEADLINE


def pixels_of(producer: int, number: int) -> NDArray[np.uint16]:
    """Return the noise that is this producer's plane of that number, and no other."""
    return np.random.default_rng((producer, number)).integers(0, 1 << 16, (64, 64), np.uint16)


def produce(line: str, producer: int, planes: int) -> tuple[int, ...]:
    """Show planes on a relay; return what became of them."""
    with connect(connection=line) as view:
        for number in range(planes):
            view.show(pixels_of(producer, number), producer=producer, z_index=number)
        return tuple(view.flush(2 * DEADLINE))


def main(line: str, first: int, count: int, planes: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        done = [pool.submit(produce, line, first + n, planes) for n in range(count)]
    print(json.dumps([one.result() for one in done]))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
