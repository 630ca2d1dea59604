"""A memory holds what it is handed: within its budget, exactly, and what is in view in memory."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import kept
from coverslip.viewers.errors import NoRoom
from coverslip.viewers.memory import HeldPlane, Memory, Scratch
from tests.waiting import eventually

EDGE = 256
NBYTES = EDGE * EDGE * 2
BUDGET = 64 * NBYTES


class Rig:
    """A memory of 64 planes whose process takes nothing besides."""

    def __init__(self, folder: Path) -> None:
        self.again = threading.Event()
        others = set(threading.enumerate())
        self.memory = Memory(
            BUDGET,
            scratch=Scratch(folder),
            room_again=self.again.set,
            weigh=lambda: self.memory.usage().memory,
        )
        self.others = others
        """Threads that were there before it: other tests' that are just ending, say."""

    def hold(self, number: int) -> HeldPlane:
        """Hand over one plane, once there is room, as a server does."""
        while not self.memory.has_room:
            assert self.again.wait(20), "there is room in the end"
            self.again.clear()
        return self.memory.hold(plane(number), number)


def plane(number: int) -> Any:
    pixels = kept((EDGE, EDGE), "<u2")
    rng = np.random.default_rng(number)
    np.copyto(pixels, rng.integers(0, 4096, pixels.shape, np.uint16))
    return pixels


def is_plane(pixels: Any, number: int) -> bool:
    return np.array_equal(np.asarray(pixels), plane(number))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    one = Rig(tmp_path)
    yield one
    one.memory.close()


def settled(rig: Rig) -> None:
    """Wait until nothing more is to be written."""
    eventually(lambda: not rig.memory._due, "what is too much was written out")


def test_within_the_budget_nothing_is_written_and_no_thread_runs(rig: Rig, tmp_path: Path) -> None:
    before = threading.active_count()
    planes = [rig.hold(number) for number in range(40)]
    assert all(one.in_memory for one in planes)
    usage = rig.memory.usage()
    assert (usage.in_memory, usage.on_disk, usage.disk, usage.dropped) == (40, 0, 0, 0)
    assert usage.memory == 40 * NBYTES
    assert usage.budget == BUDGET
    assert rig.memory._scratch._file is None
    assert threading.active_count() == before


def test_five_times_the_budget_comes_back_exactly(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(320)]
    settled(rig)
    usage = rig.memory.usage()
    assert usage.in_memory + usage.on_disk == 320
    assert usage.memory <= BUDGET
    assert usage.in_memory == sum(one.in_memory for one in planes)
    assert 0 < usage.disk < 320 * NBYTES
    for number in np.random.default_rng(0).permutation(320):
        assert is_plane(planes[number], number)
    for number in np.random.default_rng(1).permutation(320):
        assert is_plane(planes[number].load(), number)
    assert rig.memory.usage().dropped == 0


def test_those_shown_the_longest_ago_go_first(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(50)]
    rig.memory.look_at(planes[:5])
    rig.memory.look_at([])
    planes += [rig.hold(number) for number in range(50, 100)]
    settled(rig)
    on_disk = {number for number, one in enumerate(planes) if not one.in_memory}
    assert on_disk
    assert on_disk <= set(range(5, 100))
    assert on_disk == set(range(5, 5 + len(on_disk)))


def test_what_is_in_view_stays_and_so_do_its_neighbours(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(10)]
    rig.memory.look_at(planes[:3], planes[3:6])
    planes += [rig.hold(number) for number in range(10, 300)]
    settled(rig)
    assert all(one.in_memory for one in planes[:6])
    assert not any(one.in_memory for one in planes[6:100])


def test_neighbours_are_read_ahead(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(300)]
    settled(rig)
    assert not any(one.in_memory for one in planes[:8])
    rig.memory.look_at([], planes[:8])
    eventually(lambda: all(one.in_memory for one in planes[:8]), "the neighbours are there")


def test_neighbours_are_few_where_there_is_little_room(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(300)]
    rig.memory.look_at([], planes[:100])
    assert len(rig.memory._books.near) == 16


def test_a_view_larger_than_the_budget_holds_nothing_up(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(60)]
    for number in range(60, 200):
        rig.memory.look_at(planes)
        planes.append(rig.hold(number))
    assert all(is_plane(one, number) for number, one in enumerate(planes))


def test_what_nobody_has_any_more_is_given_back(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(200)]
    settled(rig)
    assert rig.memory.usage().disk > 0
    del planes[50:]
    gc.collect()
    usage = rig.memory.usage()
    assert usage.in_memory + usage.on_disk == 50
    planes.clear()
    usage = rig.memory.usage()
    assert (usage.memory, usage.disk, usage.in_memory, usage.on_disk) == (0, 0, 0, 0)
    assert rig.memory.usage().dropped == 0


def test_what_the_process_takes_besides_is_taken_off(tmp_path: Path) -> None:
    others = BUDGET // 2
    memory = Memory(BUDGET, scratch=Scratch(tmp_path), weigh=lambda: others + memory.usage().memory)
    try:
        memory.weigh()
        assert memory._limit == BUDGET // 2
        others = 3 * BUDGET
        memory.weigh()
        assert memory._limit == BUDGET // 8
    finally:
        memory.close()


def test_a_full_disk_loses_those_shown_the_longest_ago_and_counts_them(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room = 20

    def disk_usage(_: object) -> Any:
        written = rig.memory._scratch.nbytes // NBYTES
        return type("Usage", (), {"total": 100 << 30, "free": 0 if written > room else 90 << 30})

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    with caplog.at_level(logging.WARNING):
        planes = [rig.hold(number) for number in range(300)]
        settled(rig)
    usage = rig.memory.usage()
    lost = [number for number, one in enumerate(planes) if one.lost]
    assert usage.dropped == len(lost) > 100
    assert usage.in_memory + usage.on_disk + usage.dropped == 300
    assert lost == list(range(len(lost))), "the oldest"
    assert "left to others" in planes[0].lost
    assert not np.asarray(planes[0]).any()
    assert planes[0].load() is None
    assert [entry.tag for entry in rig.memory.take_lost()] == lost
    assert rig.memory.take_lost() == []
    assert all(is_plane(planes[number], number) for number in range(len(lost), 300))
    complaints = [record for record in caplog.records if "dropped" in record.message]
    assert 1 <= len(complaints) <= 5


def test_a_plane_that_cannot_be_written_is_lost_and_counted_and_the_next_is_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, calls = rig.memory._scratch.write, []

    def write(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise RuntimeError("the codec's own")
        return real(*arguments)

    monkeypatch.setattr(rig.memory._scratch, "write", write)
    planes = [rig.hold(number) for number in range(200)]
    settled(rig)
    assert [number for number, one in enumerate(planes) if one.lost] == [0]
    assert "the codec's own" in planes[0].lost
    assert rig.memory.usage().dropped == 1
    assert all(is_plane(planes[number], number) for number in range(1, 200))
    assert any(record.exc_info for record in caplog.records)


def test_a_disk_that_gives_nothing_back_loses_the_plane_and_says_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    planes = [rig.hold(number) for number in range(100)]
    settled(rig)
    assert not planes[0].in_memory

    def fail(*_: object) -> Any:
        raise OSError("Input/output error")

    monkeypatch.setattr("os.pread", fail)
    assert planes[0].load() is None
    assert "Input/output error" in planes[0].lost
    assert rig.memory.usage().dropped == 1


def test_a_disk_that_does_not_say_what_it_has_free_loses_planes_and_says_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> Any:
        raise OSError("Stale file handle")

    monkeypatch.setattr("shutil.disk_usage", fail)
    planes = [rig.hold(number) for number in range(100)]
    settled(rig)
    lost = [one.lost for one in planes if one.lost]
    usage = rig.memory.usage()
    assert usage.dropped == len(lost) > 0
    assert usage.in_memory + usage.dropped == 100
    assert all("Stale file handle" in reason for reason in lost)


def test_a_read_that_runs_out_of_memory_loses_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    planes = [rig.hold(number) for number in range(100)]
    settled(rig)
    real = rig.memory._scratch.read

    def fail(*_: object) -> Any:
        raise MemoryError

    monkeypatch.setattr(rig.memory._scratch, "read", fail)
    with pytest.raises(MemoryError):
        planes[0].load()
    monkeypatch.setattr(rig.memory._scratch, "read", real)
    assert not planes[0].entry.loading
    assert not planes[0].entry.busy
    assert is_plane(planes[0].load(), 0)
    assert rig.memory.usage().dropped == 0


def test_reading_ahead_goes_on_after_a_plane_that_cannot_be(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    planes = [rig.hold(number) for number in range(300)]
    settled(rig)
    real, calls = rig.memory._scratch.read, []

    def read(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise MemoryError
        return real(*arguments)

    monkeypatch.setattr(rig.memory._scratch, "read", read)
    rig.memory.look_at([], planes[:8])
    eventually(lambda: all(one.in_memory for one in planes[1:8]), "the others are there")
    assert is_plane(planes[0].load(), 0)
    assert any("read ahead" in record.message for record in caplog.records)


def test_a_plane_that_another_thread_reads_for_ever_is_read_here_too(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    planes = [rig.hold(number) for number in range(300)]
    settled(rig)
    real, begun, go_on = rig.memory._scratch.read, threading.Event(), threading.Event()

    def read(*arguments: Any) -> Any:
        if threading.current_thread() is rig.memory._reader:
            begun.set()
            assert go_on.wait(60)
        return real(*arguments)

    monkeypatch.setattr(rig.memory._scratch, "read", read)
    rig.memory.look_at([], planes[:1])
    assert begun.wait(20)
    looked: list[Any] = []
    looking = threading.Thread(target=lambda: looked.append(planes[0].load()), daemon=True)
    looking.start()
    looking.join(20)
    go_on.set()
    assert looked
    assert is_plane(looked[0], 0)
    eventually(lambda: not planes[0].entry.busy, "the reader has it as well")
    usage = rig.memory.usage()
    assert usage.in_memory + usage.on_disk == 300


def test_tables_count_until_nobody_has_them_and_leave_planes_a_quarter(rig: Rig) -> None:
    tables = [np.zeros((NBYTES // 8, 1)) for _ in range(48)]
    for table in tables:
        rig.memory.hold_table(table)
    del table
    usage = rig.memory.usage()
    assert (usage.memory, usage.in_memory) == (48 * NBYTES, 0)
    with pytest.raises(NoRoom, match="--memory"):
        rig.memory.hold_table(np.zeros((1, 1)))
    assert rig.memory.usage().dropped == 1
    rig.memory.weigh()
    assert rig.memory._limit == BUDGET // 4
    tables.clear()
    assert rig.memory.usage().memory == 0
    rig.memory.hold_table(np.zeros((1, 1)))


def test_eight_threads_look_while_planes_come_and_go(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(200)]
    wrong: list[int] = []

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for number in map(int, rng.integers(0, 200, 60)):
            rig.memory.look_at([planes[number]], planes[max(0, number - 2) : number + 3])
            if not is_plane(planes[number].load() if number % 2 else planes[number], number):
                wrong.append(number)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for number in range(200, 400):
        rig.hold(number)  # and let go of at once
    for thread in threads:
        thread.join(60)
    assert wrong == []
    settled(rig)
    usage = rig.memory.usage()
    assert usage.in_memory + usage.on_disk == 200
    assert usage.dropped == 0


def test_closing_ends_its_threads_and_gives_the_disk_back(rig: Rig) -> None:
    planes = [rig.hold(number) for number in range(200)]
    rig.memory.close()
    rig.memory.close()
    of_its_own = set(threading.enumerate()) - rig.others
    assert not any(thread.name.startswith("coverslip-") for thread in of_its_own)
    on_disk = next(one for one in planes if not one.in_memory)
    assert on_disk.load() is None
