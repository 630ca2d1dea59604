"""The scratch file: exact, reused, nameless, and full without a crash."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.viewers.errors import NoRoom
from coverslip.viewers.memory import Scratch, scratch_folder

SHAPES: list[tuple[Any, Any]] = [
    ((1, 1), "|u1"),
    ((64, 48), "|b1"),
    ((100, 131), "<u2"),
    ((33, 17, 3), "|u1"),
    ((50, 60), "<f4"),
    ((31, 7), "<f8"),
    ((2100, 2200), "<u2"),  # of more than one chunk
]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    one = Scratch(tmp_path)
    yield one
    one.close()


def noise(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2 if dtype == "|b1" else 200, shape).astype(dtype)


@pytest.mark.parametrize(("shape", "dtype"), SHAPES)
def test_planes_come_back_exactly(scratch: Scratch, shape: tuple[int, ...], dtype: str) -> None:
    planes = [noise(shape, dtype, seed) for seed in range(3)]
    regions = [scratch.write(plane) for plane in planes]
    for plane, place in zip(planes, regions, strict=True):
        back = scratch.read(place, plane.shape, plane.dtype)
        assert back.dtype == plane.dtype
        assert back.tobytes() == plane.tobytes()


def test_what_is_random_comes_back_too(scratch: Scratch) -> None:
    plane = np.frombuffer(np.random.default_rng(1).bytes(1 << 20), np.uint16).reshape(512, 1024)
    back = scratch.read(scratch.write(plane), plane.shape, plane.dtype)
    assert np.array_equal(back, plane)


def test_a_view_with_strides_is_written_as_it_looks(scratch: Scratch) -> None:
    plane = noise((40, 60), "<u2")[::2, ::-3]
    back = scratch.read(scratch.write(plane), plane.shape, plane.dtype)
    assert np.array_equal(back, plane)


def test_places_that_were_given_back_are_written_again(scratch: Scratch) -> None:
    kept = scratch.write(noise((256, 256), "<u2", 99))
    top = 0
    for number in range(50):
        regions = [scratch.write(noise((256, 256), "<u2", number + k)) for k in range(4)]
        if number == 0:
            top = max(region.offset + region.size for place in regions for region in place)
        for place in regions:
            scratch.free(place)
        assert all(region.offset + region.size <= 2 * top for place in regions for region in place)
    assert scratch.nbytes == sum(region.size for region in kept)
    back = scratch.read(kept, (256, 256), np.dtype("<u2"))
    assert np.array_equal(back, noise((256, 256), "<u2", 99))


def test_the_disk_is_given_back_when_nothing_is_left(scratch: Scratch) -> None:
    regions = [scratch.write(noise((512, 512), "<u2", seed)) for seed in range(3)]
    assert scratch._file is not None
    assert os.fstat(scratch._file.fileno()).st_size > 0
    for place in regions:
        scratch.free(place)
    assert scratch.nbytes == 0
    assert os.fstat(scratch._file.fileno()).st_size == 0


def test_the_file_has_no_name(scratch: Scratch, tmp_path: Path) -> None:
    scratch.write(noise((64, 64), "<u2"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_the_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, signal, numpy\n"
        "from coverslip.viewers.memory import Scratch\n"
        "scratch = Scratch(sys.argv[1])\n"
        "scratch.write(numpy.arange(1 << 20, dtype='<u2').reshape(1024, 1024))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert ended.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COVERSLIP_SCRATCH", str(tmp_path / "deep" / "er"))
    scratch = Scratch()
    try:
        scratch.write(noise((8, 8), "|u1"))
        assert scratch_folder() == tmp_path / "deep" / "er"
        assert scratch_folder().stat().st_mode & 0o777 == 0o700
    finally:
        scratch.close()


def test_a_folder_that_cannot_be_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    scratch = Scratch(tmp_path / "file" / "folder")
    with pytest.raises(NoRoom, match="COVERSLIP_SCRATCH"):
        scratch.write(noise((8, 8), "|u1"))
    assert scratch.nbytes == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a folder with an open file is not removed")
def test_a_folder_that_is_removed_takes_nothing_from_the_file(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    try:
        planes = [noise((256, 256), "<u2", seed) for seed in range(4)]
        regions = [scratch.write(planes[0])]
        (tmp_path / "scratch").rmdir()
        regions += [scratch.write(plane) for plane in planes[1:]]
        for plane, place in zip(planes, regions, strict=True):
            assert np.array_equal(scratch.read(place, plane.shape, plane.dtype), plane)
    finally:
        scratch.close()


def test_a_disk_that_does_not_say_what_it_has_free_is_full(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("shutil.disk_usage", fail)
    with pytest.raises(NoRoom, match="Input/output error"):
        scratch.write(noise((64, 64), "<u2"))
    assert scratch.nbytes == 0


def test_a_disk_that_is_nearly_full_is_left_to_others(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _ = scratch.write(noise((64, 64), "<u2")), scratch.write(noise((64, 64), "<u2"))
    usage = type("Usage", (), {"total": 100 << 30, "free": (1 << 30) + 100})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(NoRoom, match="1024 MiB free, of which 1024 are left to others"):
        scratch.write(noise((64, 64), "<u2"))
    scratch.free(place)
    scratch.write(noise((64, 64), "<u2"))


def test_room_is_made_when_there_is_none(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [scratch.write(noise((64, 64), "<u2", seed)) for seed in range(4)]
    usage = type("Usage", (), {"total": 100 << 30, "free": 0})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    reasons: list[str] = []

    def make_room(reason: str) -> bool:
        reasons.append(reason)
        if held:
            scratch.free(held.pop(0))
            return True
        return False

    for seed in range(4):
        scratch.write(noise((64, 64), "<u2", seed), make_room)
    assert len(reasons) == 4
    with pytest.raises(NoRoom):
        scratch.write(noise((64, 64), "<u2"), make_room)
    assert len(reasons) == 5


def test_a_write_that_fails_is_full_and_tried_elsewhere_once_there_is_room(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch.write(noise((64, 64), "<u2"))
    first = scratch.write(noise((64, 64), "<u2", 1))
    end = max(region.offset + region.size for region in first)
    real = os.pwrite

    def limited(descriptor: int, data: Any, offset: int) -> int:
        if offset >= end:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr("os.pwrite", limited)
    with pytest.raises(NoRoom, match="No space left"):
        scratch.write(noise((64, 64), "<u2", 2))
    given: list[Any] = [first]

    def make_room(_: str) -> bool:
        if given:
            scratch.free(given.pop())
            return True
        return False

    again = scratch.write(noise((64, 64), "<u2", 3), make_room)
    assert again == first
    back = scratch.read(again, (64, 64), np.dtype("<u2"))
    assert np.array_equal(back, noise((64, 64), "<u2", 3))


def test_many_threads_read_while_one_writes(scratch: Scratch) -> None:
    planes = [noise((128, 96), "<u2", seed) for seed in range(40)]
    places = [scratch.write(plane) for plane in planes[:20]]
    wrong: list[int] = []

    def read() -> None:
        for number in range(20):
            back = scratch.read(places[number], (128, 96), np.dtype("<u2"))
            if not np.array_equal(back, planes[number]):
                wrong.append(number)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    places += [scratch.write(plane) for plane in planes[20:]]
    for thread in threads:
        thread.join(60)
    assert wrong == []
