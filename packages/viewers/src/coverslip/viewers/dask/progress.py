"""Planes shown beside tasks done: as numbers, and drawn at a terminal or in a notebook."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from distributed import Future
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from coverslip.transport import Delivery
from coverslip.viewers.settle import STANDSTILL
from coverslip.viewers.words import format_count

__all__ = ["Progress", "draw", "watch"]

_INTERVAL: Final = 0.25
"""Seconds between two looks: a stream's own counts are as old."""

_FAILED: Final = frozenset({"error", "cancelled"})


class Progress(NamedTuple):
    """How far tasks and their planes are.

    Attributes
    ----------
    tasks : int
        All of them.
    done : int
        Those that are finished.
    failed : int
        Those that raised, or were cancelled.
    planes : Delivery
        What became of the planes of the whole cluster, since its streams began.
    """

    tasks: int
    done: int
    failed: int
    planes: Delivery

    @property
    def complete(self) -> bool:
        """Whether every task has ended, and every plane is shown, dropped or failed."""
        return self.done + self.failed == self.tasks and not self.planes.pending

    def __str__(self) -> str:
        return f"{_say_tasks(self)}; {_say_planes(self.planes)}"


def watch(futures: Sequence[Future[Any]], delivery: Callable[[], Delivery]) -> Iterator[Progress]:
    """Yield how far they are, four times a second, until all have ended.

    Planes are waited for as long as they get on: half a minute without any is the end, too.
    """
    pause = threading.Event()
    last: Progress | None = None
    moved = time.monotonic()
    while True:
        # Tasks first: the planes of one that has ended are in the counts that come after.
        states = [future.status for future in futures]
        done = states.count("finished")
        failed = sum(state in _FAILED for state in states)
        now = Progress(len(states), done, failed, delivery())
        if now != last:
            last, moved = now, time.monotonic()
        yield now
        stands = now.done + now.failed == now.tasks and time.monotonic() - moved > STANDSTILL
        if now.complete or stands:
            return
        pause.wait(_INTERVAL)


def draw(steps: Iterator[Progress], console: Console | None) -> Progress:
    """Draw two bars, tasks above planes, and return how it ended.

    Where nothing can be drawn, as in a log, the end alone is written.
    """
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        console=console,
    )
    with bars:
        tasks = bars.add_task("tasks", said="")
        planes = bars.add_task("planes", said="")
        for now in steps:
            ended = now.done + now.failed
            bars.update(tasks, total=now.tasks, completed=ended, said=_say_tasks(now))
            sent = now.planes.sent
            settled = sent - now.planes.pending
            bars.update(planes, total=sent, completed=settled, said=_say_planes(now.planes))
    return now


def _say_tasks(now: Progress) -> str:
    done = f"{format_count(now.done)} of {format_count(now.tasks)} tasks done"
    return f"{done}, {format_count(now.failed)} failed" if now.failed else done


def _say_planes(planes: Delivery) -> str:
    parts = [f"{format_count(planes.shown)} of {format_count(planes.sent)} planes shown"]
    if planes.dropped:
        parts.append(f"{format_count(planes.dropped)} dropped")
    if planes.failed:
        parts.append(f"{format_count(planes.failed)} failed")
    return ", ".join(parts)
