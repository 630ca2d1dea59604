"""Faults 4 and 7: viewers of several speeds, many producers, forks, pools and threads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from coverslip.transport import Delivery, Report, Status, request
from coverslip.viewers import View
from coverslip.viewers.stream import Stream
from tests.faults.case import LIMIT, Case, compute, picture, settled_at
from tests.faults.crowd import (
    PLANES,
    begin_work,
    produce,
    show_into,
    show_one,
    show_one_and_flush,
)
from tests.faults.processes import frozen, log_of
from tests.viewers.headless import HeadlessVisualizer
from tests.waiting import eventually


class SlowVisualizer(HeadlessVisualizer):
    """Starts a viewer that takes 50 ms to draw a plane."""

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        return [*super()._command(launch_id, log, port), "--slow", "0.05"]


@pytest.fixture
def slow(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[SlowVisualizer]:
    made = SlowVisualizer(port=free_port(), persistent=False)
    made.start_viewer()
    yield made
    made.stop_viewer(force=True)


@pytest.mark.fault("4", "two viewers on a stream, one slow by 50 ms a plane", holds=(1, 2))
def test_a_slow_viewer_costs_the_fast_one_nothing(
    viewer: HeadlessVisualizer, slow: SlowVisualizer, case: Case
) -> None:
    # Sixteen planes of 2 MiB in all; the slow viewer's own queue takes another 128.
    pixels = picture(0, edge=1024)
    stream = Stream([viewer, slow], limit=LIMIT, budget=16 * pixels.nbytes)
    view = View([viewer, slow], stream)
    eventually(lambda: view.statistics().state == ("live", "live"), "both are attached")
    for number in range(300):
        case.show(view, pixels, z_index=number % 4)
        compute(0.02)
    delivery = view.flush(60)
    fast, behind = (settled_at(each.endpoint, stream.id) for each in (viewer, slow))
    assert (fast.shown, fast.dropped, fast.failed) == (300, 0, 0)
    assert behind.shown >= 128, "what it had room for"
    case.check(delivery, fast, behind)
    assert delivery == (600, 300 + behind.shown, 300 - behind.shown, 0)
    assert delivery.dropped
    assert "keep up with the stream's other viewers" in " ".join(view.statistics().reasons)
    assert case.longest < LIMIT, "nobody waited for the slow one"
    view.close()


@pytest.mark.fault("4", "a viewer frozen beside a healthy one", holds=(1, 2))
def test_a_frozen_viewer_costs_the_healthy_one_nothing(
    viewer: HeadlessVisualizer, slow: SlowVisualizer, case: Case
) -> None:
    pixels = picture(0, edge=512)
    stream = Stream([viewer, slow], limit=LIMIT, budget=8 * pixels.nbytes)
    view = View([viewer, slow], stream)
    eventually(lambda: view.statistics().state == ("live", "live"), "both are attached")
    with frozen(slow.connection.pid):
        for number in range(200):
            case.show(view, pixels, z_index=number % 4)
        eventually(lambda: view.statistics().state == ("live", "absent"), "it was noticed")
    eventually(lambda: view.statistics().state == ("live", "live"), "it is back")
    delivery = view.flush(60)
    healthy, thawed = (settled_at(each.endpoint, stream.id) for each in (viewer, slow))
    assert (healthy.shown, healthy.dropped, healthy.failed) == (200, 0, 0)
    case.check(delivery, healthy, thawed)
    assert delivery.sent == 400
    assert case.longest < LIMIT
    view.close()


@pytest.mark.fault("4", "eight producers, one viewer", holds=(2,))
def test_eight_producers(viewer: HeadlessVisualizer, case: Case) -> None:
    assert viewer.port is not None
    with ProcessPoolExecutor(8, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = [pool.submit(produce, viewer.port, f"producer {number}") for number in range(8)]
        results = [each.result(120) for each in done]
    for stream, delivery, longest in results:
        case.longest = max(case.longest, longest)
        case.check(Delivery(*delivery), settled_at(viewer.endpoint, stream))
    assert (case.sent, case.shown) == (8 * PLANES, 8 * PLANES)


METHODS = [
    pytest.param(
        method,
        marks=[
            pytest.mark.fault("7", f"multiprocessing with {method}, while streaming", holds=(2, 3)),
            pytest.mark.skipif(
                method not in multiprocessing.get_all_start_methods(), reason=f"no {method} here"
            ),
        ],
    )
    for method in ("fork", "spawn", "forkserver")
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_children_have_their_own_and_parents_keep_theirs(
    viewer: HeadlessVisualizer, view: View, case: Case, method: str
) -> None:
    assert viewer.port is not None
    context: Any = multiprocessing.get_context(method)
    for number in range(PLANES):
        case.show(view, picture(number), who="parent", z_index=number)
        if number == PLANES // 2:
            said = context.SimpleQueue()
            # With fork the child has the parent's own view in its hands; otherwise it finds one.
            given = view if method == "fork" else viewer.port
            children = [
                context.Process(target=show_into, args=(given, f"child {n}", said))
                for n in range(2)
            ]
            for child in children:
                child.start()
    results = [said.get() for _ in children]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    said.close()
    assert len({stream for stream, _ in results} | {view.stream.id}) == 3
    for stream, delivery in results:
        case.check(Delivery(*delivery), settled_at(viewer.endpoint, stream))
    case.check(view.flush(20), settled_at(viewer.endpoint, view.stream.id))
    assert (case.sent, case.shown) == (3 * PLANES, 3 * PLANES)
    if method == "forkserver":
        stop_forkserver()


def stop_forkserver() -> None:
    """End the process that multiprocessing keeps for as long as this one lives."""
    server: Any = forkserver._forkserver  # there is no public way
    server._stop()


@pytest.mark.fault("7", "concurrent.futures: a pool of processes", holds=(2, 3))
def test_a_pool_of_processes(viewer: HeadlessVisualizer, view: View, case: Case) -> None:
    assert viewer.port is not None
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(produce, viewer.port, f"task {number}") for number in range(4)]
        for number in range(PLANES):
            case.show(view, picture(number), who="parent", z_index=number)
        for task in tasks:
            stream, delivery, _ = task.result(120)
            case.check(Delivery(*delivery), settled_at(viewer.endpoint, stream))
    case.check(view.flush(20), settled_at(viewer.endpoint, view.stream.id))
    assert (case.sent, case.shown) == (5 * PLANES, 5 * PLANES)


@pytest.mark.parametrize(
    "method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
class TestPool:
    """`multiprocessing.Pool`: leaving it with ``with`` terminates its workers."""

    def test_joined_its_workers_close_their_streams(
        self, viewer: HeadlessVisualizer, view: View, method: str
    ) -> None:
        with multiprocessing.get_context(method).Pool(2, begin_work, (view,)) as pool:
            pool.map(show_one, range(PLANES))
            pool.close()
            pool.join()
        assert shown_at(viewer) == PLANES
        assert view.flush(20).sent == 0, "the parent counts its own"
        assert "without closing" not in log_of(viewer)

    def test_terminated_they_are_warned_of(
        self, viewer: HeadlessVisualizer, view: View, method: str
    ) -> None:
        with multiprocessing.get_context(method).Pool(1, begin_work, (view,)) as pool:
            counts = pool.map(show_one_and_flush, range(3))
        assert counts[-1] == (3, 3, 0, 0)
        assert shown_at(viewer) == 3
        eventually(lambda: "without closing" in log_of(viewer), "the viewer warned of it")
        assert "of its planes 3 are shown, 0 dropped, 0 failed" in log_of(viewer)


def shown_at(viewer: HeadlessVisualizer) -> int:
    """Return how many planes a viewer has shown, of all streams."""
    streams = request(viewer.endpoint, Status(), Report, timeout=20).streams
    return sum(counts.shown for counts in streams.values())


@pytest.mark.fault("7", "show from eight threads at once", holds=(2,))
def test_eight_threads(viewer: HeadlessVisualizer, view: View, case: Case) -> None:
    def work(thread: int) -> Case:
        mine = Case()
        for number in range(PLANES):
            mine.show(view, picture(number, edge=32), thread=thread, z_index=number)
        return mine

    with ThreadPoolExecutor(8) as pool:
        for mine in pool.map(work, range(8)):
            case.longest = max(case.longest, mine.longest)
    case.check(view.flush(20), settled_at(viewer.endpoint, view.stream.id))
    assert (case.sent, case.shown) == (8 * PLANES, 8 * PLANES)
