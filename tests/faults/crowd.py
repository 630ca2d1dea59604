"""What the processes of a crowd do: importable, so that spawned ones find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coverslip.viewers import StreamVisualizer, View
from tests.faults.case import Case, picture
from tests.faults.pipelines import connect
from tests.viewers.headless import HeadlessVisualizer

PLANES = 100


def produce(port: int, who: str) -> tuple[str, tuple[int, ...], float]:
    """Show from a process of one's own; return the stream, its counts and the longest hold."""
    case = Case()
    view = connect(port)
    for number in range(PLANES):
        case.show(view, picture(number), who=who, z_index=number)
    return view.stream.id, tuple(view.close(60)), case.longest


def show_into(given: View | int, who: str, said: Any) -> None:
    """Show into the parent's view that a fork brought along, or into a view of one's own."""
    view = given if isinstance(given, View) else connect(given)
    for number in range(PLANES):
        view.show(picture(number), who=who, z_index=number)
    said.put((view.stream.id, tuple(view.close(60))))


_of_worker: View | None = None


def begin_work(view: View) -> None:
    """Keep what the worker of a pool is given: it is the initializer."""
    global _of_worker
    _of_worker = view


def show_one(number: int) -> None:
    """Show a plane and go on, as a task of a pool."""
    assert _of_worker is not None
    _of_worker.show(picture(number), z_index=number)


def show_one_and_flush(number: int) -> tuple[int, ...]:
    """Show a plane and return what became of all that this worker has shown."""
    show_one(number)
    assert _of_worker is not None
    return tuple(_of_worker.flush(60))


def _napari() -> type[StreamVisualizer]:
    from coverslip.viewers import NapariStreamVisualizer

    return NapariStreamVisualizer


VISUALIZERS: dict[str, Callable[[], type[StreamVisualizer]]] = {
    "headless": lambda: HeadlessVisualizer,
    "napari": _napari,
}


def launch_and_show(kind: str, port: int, who: str, go: Any, said: Any) -> None:
    """Start a viewer at the very moment when another process does, and show into what runs."""
    viewer = VISUALIZERS[kind]()(port=port)
    said.put("ready")
    go.wait(60)
    viewer.start_viewer(timeout=90)
    view = View(viewer)
    for number in range(PLANES):
        view.show(picture(number), who=who, z_index=number)
    said.put((viewer.connection.pid, view.stream.id, tuple(view.close(90))))
