"""Several workers of a cluster in one process, each with a thread and a stream of its own.

``python -m tests.viewers.dask.many SCHEDULER COUNT``.
"""

from __future__ import annotations

import asyncio
import sys

from distributed import Worker


async def main(scheduler: str, count: int) -> None:
    workers = [
        Worker(scheduler, nthreads=1, memory_limit=0, dashboard_address="localhost:0")
        for _ in range(count)
    ]
    await asyncio.gather(*workers)
    await asyncio.gather(*(worker.finished() for worker in workers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
