"""A real folder, watched while files come, grow, move and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from coverslip.viewers.plates import changes
from coverslip.viewers.plates.changes import Changes, watch_folder

DEADLINE = 30.0


@pytest.fixture(autouse=True)
def walks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for files more often than on a share: nobody waits longer here than for a tick."""
    monkeypatch.setattr(changes, "WALK_INTERVAL", changes.TICK)


@contextmanager
def watching(folder: Path) -> Iterator[Callable[[Callable[[list[Changes]], bool]], list[Changes]]]:
    """Give a function that watches until what it saw since the last call is enough."""
    with closing(watch_folder(folder)) as stream:

        def until(enough: Callable[[list[Changes]], bool]) -> list[Changes]:
            seen: list[Changes] = []
            deadline = time.monotonic() + DEADLINE
            while not enough(seen):
                assert time.monotonic() < deadline, seen
                seen.append(next(stream))
            return seen

        yield until


def seen(name: str) -> Callable[[list[Changes]], bool]:
    return lambda told: any(path.name == name for each in told for path in each.seen)


def gone(name: str) -> Callable[[list[Changes]], bool]:
    return lambda told: any(path.name == name for each in told for path in each.gone)


def test_what_is_there_comes_first_in_natural_order(tmp_path: Path) -> None:
    for name in ("a10.tif", "a9.tif", "notes.txt", "._a9.tif"):
        (tmp_path / name).touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.tif").touch()
    with closing(watch_folder(tmp_path)) as stream:
        assert [path.name for path in next(stream).seen] == ["a9.tif", "a10.tif"]


@pytest.mark.parametrize("events", [True, False], ids=["told", "looked for"])
def test_files_that_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: bool
) -> None:
    # Each way must find them by itself: events alone, and on a share walking alone.
    if events:
        monkeypatch.setattr(changes, "WALK_INTERVAL", 3600.0)
    else:
        import watchfiles

        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        real = watchfiles.watch
        monkeypatch.setattr(
            watchfiles, "watch", lambda _folder, **options: real(elsewhere, **options)
        )
    plate = tmp_path / "plate"
    plate.mkdir()
    with watching(plate) as until:
        until(bool)
        (plate / "a.tif").write_bytes(b"12")
        until(seen("a.tif"))
        (plate / "b.part").write_bytes(b"12")
        (plate / "b.part").rename(plate / "b.tif")
        told = until(seen("b.tif"))
        assert not any("part" in path.name for each in told for path in each.seen)
        if events:
            (plate / "a.tif").unlink()
            until(gone("a.tif"))


def test_files_in_a_folder_that_is_new(tmp_path: Path) -> None:
    with watching(tmp_path) as until:
        until(bool)
        below = tmp_path / "TimePoint_1" / "ZStep_1"
        below.mkdir(parents=True)
        for number in range(50):
            (below / f"{number}.tif").touch()
        names = {f"{number}.tif" for number in range(50)}
        until(lambda told: names <= {path.name for each in told for path in each.seen})


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    with closing(watch_folder(tmp_path, stop)) as stream:
        next(stream)
        stop.set()
        assert list(stream) == []


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    plate = tmp_path / "plate"
    plate.mkdir()
    with watching(plate) as until:
        until(bool)
        plate.rmdir()
        with pytest.raises(FileNotFoundError, match="plate is gone"):
            until(lambda _: False)
