"""Tasks of a Ray cluster show their planes in a viewer that they know by its line.

::

    coverslip connection show 5555 --file viewer.line
    python ray_pipeline.py viewer.line
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import ray

from coverslip.viewers import current_stream


@ray.remote
def process(line: str, well: str) -> bool:
    """Show a well's planes, and say whether all that this process has shown arrived."""
    # One stream for all tasks of a worker's process; a viewer that is gone fails none of them.
    os.environ.setdefault("COVERSLIP_CONNECTION", line)
    view = current_stream()
    random = np.random.default_rng()
    for z in range(5):
        view.show(random.integers(0, 4096, (64, 64), np.uint16), well=well, z_index=z)
    # Ray ends a worker's process without a word: what is under way is waited for here.
    counts = view.flush(timeout=30)
    return counts.shown == counts.sent


def main() -> None:
    """Process a few wells."""
    # The line itself, by value: the nodes share no file with this machine.
    line = Path(sys.argv[1]).read_text(encoding="ascii").strip()
    ray.init()
    wells = ["A01", "A02", "B01", "B02"]
    shown = ray.get([process.remote(line, well) for well in wells])
    print(f"{sum(shown)} of {len(wells)} wells shown")


if __name__ == "__main__":
    main()
