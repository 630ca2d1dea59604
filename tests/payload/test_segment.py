"""The operating system's shared memory, each mechanism that this platform has."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from coverslip.payload import (
    Arena,
    ArenaFull,
    ArenaReader,
    ArenaUnreachable,
    MemfdAddress,
    PosixAddress,
    WindowsAddress,
    segment,
    sweep,
)
from tests.payload.child import DEADLINE, Child

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither mechanism")

MECHANISMS: list[segment.Mechanism] = ["memfd", "posix"] if sys.platform == "linux" else ["posix"]
SIZE = 3 * segment.GRANULARITY
linux = pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the records of named segments out of the user's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / f"coverslip-{os.getuid()}"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_the_owner_writes_a_reader_sees(mechanism: segment.Mechanism) -> None:
    own = segment.create(SIZE, mechanism)
    mapping = own.map(0, SIZE, write=True)
    own.ensure(mapping, 0, SIZE)
    other = segment.open_at(own.address)
    assert other.size == SIZE
    readable = other.map(segment.GRANULARITY, segment.GRANULARITY, write=False)
    mapping[segment.GRANULARITY] = 7
    assert readable[0] == 7
    with pytest.raises(TypeError):
        readable[0] = 1
    own.close()
    own.close()
    assert readable[0] == 7
    other.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_nobody_opens_a_segment_that_was_closed(mechanism: segment.Mechanism) -> None:
    own = segment.create(SIZE, mechanism)
    own.close()
    with pytest.raises(ArenaUnreachable, match="cannot be opened here"):
        segment.open_at(own.address)


@linux
def test_a_sealed_segment_cannot_be_cut_short() -> None:
    own = segment.create(SIZE, "memfd")
    assert isinstance(own.address, MemfdAddress)
    for size in (0, 2 * SIZE):
        with pytest.raises(PermissionError):
            os.ftruncate(own.address.fd, size)
    own.close()


@linux
def test_a_descriptor_that_is_no_arena_is_refused(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "memfd:coverslip-arena").open("wb") as file:
        for fd in (reading, file.fileno(), 10_000):
            with pytest.raises(ArenaUnreachable):
                segment.open_at(MemfdAddress(os.getpid(), fd))
    os.close(reading)
    os.close(writing)


@linux
def test_a_segment_that_could_shrink_is_refused() -> None:
    fd = os.memfd_create("coverslip-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, SIZE)
    with pytest.raises(ArenaUnreachable, match="could shrink"):
        segment.open_at(MemfdAddress(os.getpid(), fd))
    os.close(fd)


@linux
def test_a_dead_process_has_no_segment() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(DEADLINE)
    with pytest.raises(ArenaUnreachable):
        segment.open_at(MemfdAddress(child.pid, 3))


def test_an_address_of_another_platform_is_refused() -> None:
    with pytest.raises(ArenaUnreachable):
        segment.open_at(WindowsAddress("coverslip-" + "0" * 32))


def test_a_named_segment_is_private_and_its_name_is_short_enough_for_macos() -> None:
    own = segment.create(SIZE, "posix")
    assert isinstance(own.address, PosixAddress)
    assert len(own.address.name) <= 31
    if sys.platform == "linux":
        mode = Path("/dev/shm", own.address.name[1:]).stat().st_mode
        assert mode & 0o777 == 0o600
    own.close()


def test_a_named_segment_leaves_neither_name_nor_record(records: Path) -> None:
    own = segment.create(SIZE, "posix")
    assert len(list(records.iterdir())) == 1
    own.close()
    assert list(records.iterdir()) == []


def test_a_folder_of_records_that_others_can_enter_is_refused(records: Path) -> None:
    records.mkdir(mode=0o755)
    records.chmod(0o755)
    with pytest.raises(ArenaFull, match="only its user"):
        segment.create(SIZE, "posix")


def test_a_killed_owners_segment_is_swept_and_a_living_ones_is_not() -> None:
    code = """
        arena = Arena(1 << 20, mechanism="posix")
        say(arena.address.name)
        hear()
    """
    with Child(code) as dead, Child(code) as living:
        names = dead.hear(), living.hear()
        assert sweep() == []
        dead.kill()
        assert sweep() == [names[0]]
        assert sweep() == []
        with pytest.raises(ArenaUnreachable):
            segment.open_at(PosixAddress(names[0]))
        segment.open_at(PosixAddress(names[1])).close()
        living.tell("end")
        assert living.wait() == 0
    # the arena was never closed: the end of the process was enough
    with pytest.raises(ArenaUnreachable):
        segment.open_at(PosixAddress(names[1]))


def test_a_segment_that_is_just_being_made_is_not_swept() -> None:
    """Workers of a pool start at one moment, and each sweeps before it makes its own."""
    failed: list[BaseException] = []

    def make() -> None:
        try:
            for _ in range(200):
                own = segment.create(4096, "posix")
                segment.open_at(own.address).close()
                own.close()
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_new_named_segment_sweeps_first() -> None:
    with Child('say(Arena(1 << 20, mechanism="posix").address.name); hear()') as child:
        name = child.hear()
        child.kill()
    with Arena(1 << 20, mechanism="posix"):
        assert sweep() == []
    with pytest.raises(ArenaUnreachable):
        segment.open_at(PosixAddress(name))


def test_a_forked_child_does_not_keep_its_parents_lock() -> None:
    code = """
        import time
        arena = Arena(1 << 20, mechanism="posix")
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            say(os.getpid())
            time.sleep(60)
        hear()
    """
    with Child(code) as owner:
        forked = owner.hear()
        owner.kill()
        try:
            assert len(sweep()) == 1
        finally:
            os.kill(forked, 9)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_limit_of_this_process_is_an_arena_that_is_full(mechanism: str) -> None:
    code = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        before = os.listdir("/dev/fd")
        try:
            Arena(64 << 20, mechanism="{mechanism}")
        except ArenaFull as error:
            say([error.errno, str(error), len(os.listdir("/dev/fd")) - len(before)])
    """
    with Child(code) as child:
        number, text, more = child.hear()
        assert number == errno.EFBIG
        assert "refuses" in text
        assert more == 0
        assert child.wait() == 0


def test_no_descriptor_left_is_an_arena_that_is_full() -> None:
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        try:
            Arena(1 << 20)
        except ArenaFull as error:
            say(error.errno)
    """
    with Child(code) as child:
        assert child.hear() == errno.EMFILE


SMALL = """
    arena = Arena(64 << 20, mechanism="posix")
    reader = ArenaReader.open(arena.offer(0))
    result = {}
    try:
        arena.reserve(8 << 20)
    except ArenaFull as error:
        result["errno"] = error.errno
    regions = []
    while (region := arena.reserve(256 << 10)) is not None:
        region.array((256 << 10,), "u1")[...] = 1
        regions.append(region)
        if len(regions) > 100:
            break
    result["regions"] = len(regions)
    slot = arena.publish(regions.pop(), [0])
    reader.release(slot)
    result["again"] = arena.reserve(256 << 10) is not None
    say(result)
"""


@linux
def test_a_small_file_system_is_found_full_before_a_page_is_touched() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small /dev/shm")
    mount = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=4m tmpfs /dev/shm && "$@"']
    tried = subprocess.run(
        [*mount, "-", "true"], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    if tried.returncode:
        pytest.skip(f"a mount namespace cannot be had here: {tried.stderr.strip()}")
    with Child(SMALL, *mount, "-") as child:
        found = child.hear()
        assert child.wait() == 0
    assert found["errno"] == errno.ENOSPC
    # what the system did give is used to the end, and used again
    assert 8 <= found["regions"] <= 16
    assert found["again"]


@linux
def test_a_size_that_lies_is_refused_before_it_is_mapped() -> None:
    fd = os.memfd_create("coverslip-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with Arena(1 << 20) as arena:
        assert isinstance(arena.address, MemfdAddress)
        with mmap.mmap(arena.address.fd, 4096, access=mmap.ACCESS_READ) as front:
            os.write(fd, front[:4096])
        os.ftruncate(fd, segment.GRANULARITY)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 7)
        offer = arena.offer(0)
        lying = type(offer)(address=MemfdAddress(os.getpid(), fd), nonce=offer.nonce, lane=0)
        with pytest.raises(ArenaUnreachable, match="header says"):
            ArenaReader.open(lying)
    os.close(fd)
