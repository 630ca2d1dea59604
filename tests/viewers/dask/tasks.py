"""What the workers of a test's cluster do: importable, so that they and their children find it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverslip.viewers import StreamingConfig
from coverslip.viewers.backends import ViewerBackend
from coverslip.viewers.dask import current_stream


def picture(value: int, edge: int = 32) -> NDArray[np.uint8]:
    return np.full((edge, edge), value % 251, np.uint8)


class HeadlessBackend(ViewerBackend):
    """Saves images to the viewer without a window."""

    kind = "headless"
    config = StreamingConfig


def show(well: str, planes: int) -> int:
    """Show planes of one well; return which process did."""
    stream = current_stream()
    for number in range(planes):
        stream.show(picture(number), well=well, z_index=number)
    return os.getpid()


def show_from_threads(well: str, threads: int, planes: int) -> None:
    """Show from threads of the task's own."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda thread: show(f"{well}{thread}", planes), range(threads)):
            pass


def show_from_processes(method: str, well: str, processes: int, planes: int) -> list[int]:
    """Show from processes of a pool that the task starts."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return list(
            pool.map(
                _show_and_flush, [f"{well}{n}" for n in range(processes)], [planes] * processes
            )
        )


def _show_and_flush(well: str, planes: int) -> int:
    show(well, planes)
    assert current_stream().flush(30).complete
    return os.getpid()


def save(well: str, planes: int) -> None:
    """Save as a pipeline does, which knows nothing of Dask."""
    paths = [f"plate/TimePoint_1/x_{well}_s{number + 1}_w1.tif" for number in range(planes)]
    HeadlessBackend().save_batch([picture(number) for number in range(planes)], paths)


def show_until_killed(well: str, said: str) -> None:
    """Show without an end, and say in a file that the first were shown."""
    stream = current_stream()
    end = time.monotonic() + 60
    number = 0
    while time.monotonic() < end:
        stream.show(picture(number), well=well, z_index=number % 20)
        number += 1
        if number == 20:
            stream.flush(30)
            Path(said).write_text(str(os.getpid()))


def dropped_when_closed(well: str) -> dict[str, Any]:
    """Show where nobody wants it any more; return what is known of it."""
    stream = current_stream()
    before = stream.statistics()
    stream.show(picture(0), well=well)
    after = stream.statistics()
    return {"sent": after.sent - before.sent, "dropped": after.dropped - before.dropped}


def race(worker: int, planes: int, edge: int, start: float) -> dict[str, Any]:
    """Show as fast as there is room, from a moment that all share; say how long it took."""
    stream = current_stream()
    threading.Event().wait(max(0.0, start - time.monotonic()))
    began = time.monotonic()
    most = 0
    for number in range(planes):
        stream.show(picture(worker + number, edge), worker=worker, z_index=number)
        if number % 8 == 0:
            most = max(most, stream.statistics().bytes_in_flight)
    return {"stream": stream.stream.id, "seconds": time.monotonic() - began, "most": most}
