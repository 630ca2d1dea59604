"""Which files may be opened, said of real files at times that the test gives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coverslip.viewers.plates.incoming import SENDS, Incoming, Signature

QUIET, PATIENCE = 0.5, 60.0


@pytest.fixture
def incoming() -> Incoming:
    return Incoming(QUIET, PATIENCE)


def write(path: Path, content: bytes) -> Path:
    """Write a file that looks as if it were written in the far future: no age helps it."""
    path.write_bytes(content)
    later = 4_000_000_000
    os.utime(path, (later, later))
    return path


def test_a_file_is_due_when_it_has_been_quiet(incoming: Incoming, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", b"12")
    incoming.see(path, 10.0)
    assert incoming.due(10.4) == []
    assert incoming.due(10.5) == [path]
    incoming.take(path)
    incoming.see(path, 20.0)
    assert (incoming.due(30.0), incoming.waiting, incoming.found) == ([], 0, 1)


def test_one_that_grows_is_waited_for(incoming: Incoming, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", b"12")
    incoming.see(path, 10.0)
    write(path, b"1234")
    assert incoming.due(10.6) == []
    assert incoming.due(11.0) == []
    assert incoming.due(11.1) == [path]
    assert incoming.signature(path) == (4, path.stat().st_mtime_ns)
    write(path, b"123456")
    assert incoming.signature(path) is None


def test_one_that_was_written_long_ago_is_due_at_once(incoming: Incoming, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", b"12")
    os.utime(path, (1, 1))
    incoming.see(path, 10.0)
    assert incoming.due(10.0) == [path]


def test_the_order_is_that_of_appearance_and_a_slow_one_holds_nobody_up(
    incoming: Incoming, tmp_path: Path
) -> None:
    paths = [write(tmp_path / f"{name}.tif", b"12") for name in "cab"]
    for number, path in enumerate(paths):
        incoming.see(path, 10.0 + number / 10)
    write(paths[0], b"1234")
    assert incoming.due(10.7) == paths[1:]
    assert incoming.due(11.2) == paths
    assert incoming.due(11.2, limit=2) == paths[:2]


def test_what_cannot_be_read_is_tried_less_and_less_often_and_given_up(
    incoming: Incoming, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", b"12")
    now = 100.0
    incoming.see(path, now)
    pauses: list[float] = []
    tried = now
    while not incoming.broken:
        now += 0.1
        for due in incoming.due(now):
            pauses.append(now - tried)
            tried = now
            incoming.refuse(due, "no TIFF", now)
    assert incoming.broken == {path: "no TIFF"}
    assert PATIENCE < now - 100.0 < PATIENCE + 11
    assert pauses[1:] == sorted(pauses[1:])
    assert len(pauses) < 15
    incoming.see(path, now)
    assert incoming.waiting == 0
    write(path, b"changed")
    incoming.see(path, now)
    assert (incoming.waiting, incoming.broken) == (1, {})


def test_a_change_ends_the_pause(incoming: Incoming, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", b"12")
    incoming.see(path, 0.0)
    for _ in range(6):
        incoming.refuse(path, "no TIFF", 30.0)
    assert incoming.due(31.0) == []
    write(path, b"1234")
    assert incoming.due(31.1) == []
    assert incoming.due(31.7) == [path]


def test_a_file_that_changes_after_it_was_taken_comes_again(
    incoming: Incoming, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", b"12")
    incoming.see(path, 0.0)
    incoming.take(path)
    write(path, b"1234")
    incoming.see(path, 5.0)
    assert incoming.due(5.5) == [path]
    assert incoming.found == 1


def test_a_file_that_goes_is_forgotten(incoming: Incoming, tmp_path: Path) -> None:
    told, untold = (write(tmp_path / f"{name}.tif", b"12") for name in "ab")
    incoming.see(told, 0.0)
    incoming.see(untold, 0.0)
    incoming.lose(told)
    untold.unlink()
    assert (incoming.due(1.0), incoming.waiting, incoming.found) == ([], 0, 0)
    incoming.see(tmp_path / "never.tif", 1.0)
    assert incoming.found == 0


def test_what_an_earlier_run_took_is_left_out_until_it_changes(
    incoming: Incoming, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", b"12")
    incoming.skip(path, Signature(2, path.stat().st_mtime_ns))
    incoming.skip(tmp_path / "gone.tif", Signature(2, 3))
    incoming.see(path, 0.0)
    assert (incoming.waiting, incoming.found, incoming.skipped) == (0, 0, 1)
    write(path, b"1234")
    incoming.see(path, 0.0)
    assert (incoming.waiting, incoming.found, incoming.skipped) == (1, 1, 0)


def test_what_is_lost_on_its_way_is_sent_again_but_not_for_ever(
    incoming: Incoming, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", b"12")
    incoming.see(path, 0.0)
    for sent in range(1, SENDS + 1):
        incoming.take(path)
        incoming.send_again(path, "dropped", 0.0)
        assert incoming.waiting == (sent < SENDS)
    assert incoming.broken == {path: "dropped"}
