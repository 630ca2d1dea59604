"""Pipelines that are killed, forked and cut short: ``python -m tests.faults.pipelines NAME PORT``.

Each finds the viewer on its port, says on standard output what a test waits for, and stands still
or ends as its name says.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from coverslip.payload import Source
from coverslip.viewers import View
from coverslip.viewers.stream import Image
from tests.faults.case import picture
from tests.viewers.headless import HeadlessVisualizer

LIFETIME = 120.0
"""Seconds; each is killed long before, and an orphan of a killed test run ends too."""

PLANES = 100


def connect(port: int) -> View:
    """Return a view of the viewer on a port, live."""
    visualizer = HeadlessVisualizer(port=port)
    assert visualizer.find_viewer()
    view = View(visualizer)
    pause = threading.Event()
    for _ in range(2000):
        if view.statistics().state == ("live",):
            return view
        pause.wait(0.01)
    raise AssertionError("the viewer was not attached to")


def say(*words: object) -> None:
    """Tell the test."""
    print(*words, flush=True)


def stand() -> None:
    """Stand still until killed."""
    threading.Event().wait(LIFETIME)


def show(view: View, planes: int = PLANES, **components: Any) -> None:
    """Show planes that differ."""
    for number in range(planes):
        view.show(picture(number), z_index=number, **components)


def allocated(port: int) -> None:
    """Stand between taking a slot, to compute into, and showing it."""
    view = connect(port)
    show(view, 10)
    view.flush(20)
    out = view.allocate((512, 512), np.uint16)
    out[...] = 1
    say("standing", view.stream.id)
    stand()


def written(port: int) -> None:
    """Stand between copying a plane into its slot and publishing it."""
    view = connect(port)
    show(view, 10)
    view.flush(20)

    def planes() -> Iterator[Image]:
        for number in range(3):
            yield Image({"z_index": 100 + number}, picture(number))
        say("standing", view.stream.id)
        stand()

    view.stream.send(planes(), Source())


def in_flight(port: int) -> None:
    """Stand with planes on their way that the viewer has not copied: it was frozen meanwhile."""
    view = connect(port)
    say("ready", view.stream.id)
    sys.stdin.readline()
    show(view)
    say("standing")
    stand()


def group(port: int) -> None:
    """Stand with a pool of workers that all show."""
    view = connect(port)
    context = multiprocessing.get_context("spawn")
    # Pipes: a lock has a name in /dev/shm, which nobody is left to remove.
    ready = []
    for number in range(2):
        mine, theirs = context.Pipe(duplex=False)
        context.Process(target=worker, args=(port, number, theirs), daemon=True).start()
        ready.append(mine)
    show(view, who="parent")
    for each in ready:
        if not each.poll(60):
            raise TimeoutError("a worker has not shown within 60 s")
    say("standing")
    stand()


def worker(port: int, number: int, ready: Any = None) -> None:
    """Show from a process of a pool, and stand until killed."""
    view = connect(port)
    show(view, who=f"worker {number}")
    if ready is not None:
        ready.send("shown")
    stand()


def returns(port: int) -> None:
    """End by returning."""
    global kept
    kept = connect(port)
    show(kept)
    say("ended", kept.stream.id)


def raises(port: int) -> None:
    """End by an exception that nobody catches."""
    global kept
    kept = connect(port)
    show(kept)
    say("ended", kept.stream.id)
    raise RuntimeError("this pipeline fails")


def exits(port: int) -> None:
    """End at once, without any of Python's own clearing up."""
    view = connect(port)
    show(view)
    say("ended", view.stream.id)
    os._exit(3)


def terminated(port: int) -> None:
    """End by SIGTERM, whose default ends a process at once."""
    view = connect(port)
    show(view)
    say("ended", view.stream.id)
    os.kill(os.getpid(), signal.SIGTERM)
    stand()


kept: View | None = None
"""Still there when the interpreter ends: nobody closed it."""

PIPELINES: dict[str, Callable[[int], None]] = {
    each.__name__: each
    for each in (allocated, written, in_flight, group, returns, raises, exits, terminated)
}

if __name__ == "__main__":
    PIPELINES[sys.argv[1]](int(sys.argv[2]))
