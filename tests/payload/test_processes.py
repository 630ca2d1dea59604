"""Two real processes: whoever is killed, nothing stays behind and nobody else falls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from coverslip.payload import (
    Arena,
    ArenaReader,
    ArenaUnreachable,
    MemfdAddress,
    decode,
    decode_offer,
    encode,
    sweep,
)
from tests.payload.child import DEADLINE, Child, hex_offer
from tests.payload.planes import batch_of, picture, sent
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfd and /proc are Linux's")

STREAM = """
    import time
    arena = Arena(64 << 20)
    say([encode_offer(arena.offer(lane)).hex() for lane in (0, 1)])
    def send(count, publish=True):
        planes = []
        for number in range(count):
            region = arena.reserve(256 * 256 * 2)
            region.array((256, 256), "<u2")[...] = number
            if publish:
                slot = arena.publish(region, [0])
                planes.append(Plane((256, 256), "<u2", slot))
        return planes
"""

VIEWER = """
    reader = ArenaReader.open(decode_offer(bytes.fromhex(hear())))
    say("open")
"""


def inode_of(offer: str) -> int:
    """Return the number of the memory file that an offer names."""
    address = decode_offer(bytes.fromhex(offer)).address
    assert isinstance(address, MemfdAddress)
    return Path(f"/proc/{address.pid}/fd/{address.fd}").stat().st_ino


def holders(inode: int) -> list[str]:
    """Return who has the memory file mapped or open; when nobody has, the kernel has freed it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            maps = (process / "maps").read_text().splitlines()
            if any("memfd:coverslip" in line and int(line.split()[4]) == inode for line in maps):
                found.append(f"{process.name}: mapped")
            found += [
                f"{process.name}: open"
                for fd in (process / "fd").iterdir()
                if "memfd:coverslip" in str(fd.readlink()) and fd.stat().st_ino == inode
            ]
        except (OSError, ValueError):
            continue
    return found


def assert_freed(inode: int) -> None:
    """See that nobody has the memory any more; a killed process is given the time to end."""
    eventually(lambda: not holders(inode), "the kernel has freed the arena")


def test_planes_cross_to_another_process_and_the_slots_come_back() -> None:
    with (
        Arena(1 << 20) as arena,
        Child(
            VIEWER
            + """
    import zlib
    while (message := hear()) is not None:
        plane = decode([bytes.fromhex(message)]).planes[0]
        say(zlib.crc32(reader.copy(plane, allocate=kept)))
"""
        ) as viewer,
    ):
        viewer.tell(hex_offer(arena.offer(0)))
        assert viewer.hear() == "open"
        for seed in range(20):
            pixels = picture((300, 200), seed=seed)
            viewer.tell(bytes(encode(batch_of(sent(arena, pixels)))[0]).hex())
            assert viewer.hear() == zlib.crc32(pixels.tobytes())
            assert arena.collect() == 1
        viewer.tell(None)
        assert viewer.wait() == 0


@pytest.mark.parametrize("published", [True, False])
def test_a_stream_killed_with_100_slots_in_flight_leaves_nothing(published: bool) -> None:
    with Child(STREAM + f"    send(100, publish={published}); say('sent'); hear()") as stream:
        offer = stream.hear()[0]
        inode = inode_of(offer)
        reader = ArenaReader.open(decode_offer(bytes.fromhex(offer)))
        assert stream.hear() == "sent"
        assert len(holders(inode)) > 1
        stream.kill()
        # what was mapped can still be read, and is gone with the reader
        assert reader._open()[0].generations[0] == 1
        assert {holder.split(":")[0] for holder in holders(inode)} == {str(os.getpid())}
        reader.close()
        assert_freed(inode)
    with pytest.raises(ArenaUnreachable):
        ArenaReader.open(decode_offer(bytes.fromhex(offer)))


def test_what_a_killed_stream_published_can_still_be_copied() -> None:
    code = (
        STREAM
        + """
    batch = Batch("s", 0, 0, Source(), tuple(send(100)))
    say(encode(batch)[0].hex())
    hear()
"""
    )
    with Child(code) as stream:
        reader = ArenaReader.open(decode_offer(bytes.fromhex(stream.hear()[0])))
        planes = decode([bytes.fromhex(stream.hear())]).planes
        stream.kill()
        for number, plane in enumerate(planes):
            assert (reader.copy(plane) == number).all()
        reader.close()


def test_a_killed_viewers_slots_come_back_when_its_lane_is_cleared() -> None:
    with Arena(64 << 20) as arena, Child(VIEWER + "    hear()") as viewer:
        viewer.tell(hex_offer(arena.offer(0)))
        assert viewer.hear() == "open"
        with ArenaReader.open(arena.offer(1)) as other:
            planes = [sent(arena, picture(seed=seed), (0, 1)) for seed in range(100)]
            viewer.kill()
            assert arena.collect() == 0
            assert arena.clear_lane(0) == 100
            for seed, plane in enumerate(planes):
                assert np.array_equal(other.copy(plane), picture(seed=seed))
            assert arena.collect() == 100
            assert arena.bytes_in_flight == 0


def test_both_killed_at_once_leave_nothing() -> None:
    before = set(os.listdir("/dev/shm"))
    sending = STREAM + "    send(100); say('sent'); hear()"
    with Child(sending) as stream, Child(VIEWER + "    hear()") as viewer:
        offer = stream.hear()[0]
        inode = inode_of(offer)
        viewer.tell(offer)
        assert (stream.hear(), viewer.hear()) == ("sent", "open")
        pids = {str(stream.pid), str(viewer.pid)}
        assert {holder.split(":")[0] for holder in holders(inode)} == pids
        os.killpg(stream.pid, signal.SIGKILL)
        os.killpg(viewer.pid, signal.SIGKILL)
        assert (stream.wait(), viewer.wait()) == (-signal.SIGKILL, -signal.SIGKILL)
    assert_freed(inode)
    assert not {name for name in set(os.listdir("/dev/shm")) - before if "coverslip" in name}


def test_a_reader_of_a_frozen_stream_goes_on() -> None:
    code = (
        STREAM
        + """
    batch = Batch("s", 0, 0, Source(), tuple(send(10)))
    say(encode(batch)[0].hex())
    hear()
"""
    )
    with Child(code) as stream:
        offer = decode_offer(bytes.fromhex(stream.hear()[0]))
        planes = decode([bytes.fromhex(stream.hear())]).planes
        os.kill(stream.pid, signal.SIGSTOP)
        with ArenaReader.open(offer) as reader:
            for number, plane in enumerate(planes):
                assert (reader.copy(plane) == number).all()


def test_a_forked_child_has_no_part_in_the_arena() -> None:
    code = (
        STREAM
        + """
    array = arena.allocate((64, 64), "<u2")
    array[...] = 5
    slots = send(3)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        found = {"closed": arena.closed, "maps": None, "fds": None}
        try:
            arena.reserve(1)
        except ArenaClosed as error:
            found["error"] = str(error)
        arena.close()
        found["array"] = int(array.sum())
        del array
        found["maps"] = "memfd:coverslip" in open("/proc/self/maps").read()
        found["fds"] = [fd for fd in os.listdir("/proc/self/fd")
                        if "coverslip" in (os.readlink(f"/proc/self/fd/{fd}")
                                           if os.path.lexists(f"/proc/self/fd/{fd}") else "")]
        with Arena(1 << 20) as own:
            found["own"] = own.reserve(10) is not None
        say(found)
        os._exit(0)
    os.waitpid(child, 0)
    say([arena.closed, int(array.sum()), arena.leases(0), arena.reserve(10) is not None])
"""
    )
    with Child(code) as stream:
        stream.hear()
        found = stream.hear()
        assert "forked" in found.pop("error")
        assert found == {
            "closed": True, "maps": False, "fds": [], "array": 5 * 64 * 64, "own": True,
        }  # fmt: skip
        assert stream.hear() == [False, 5 * 64 * 64, 3, True]
        assert stream.wait() == 0


def test_a_fork_while_other_threads_reserve_does_not_hang() -> None:
    code = """
    import threading
    arena = Arena(1 << 20)
    stop = threading.Event()
    def work():
        while not stop.is_set():
            region = arena.reserve(100)
            if region is not None:
                arena.discard(region)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    statuses = []
    for _ in range(20):
        child = os.fork()
        if child == 0:
            try:
                arena.reserve(1)
            except ArenaClosed:
                arena.close()
                os._exit(7)
            os._exit(1)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in threads:
        thread.join(30)
    say(statuses)
"""
    with Child(
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
        + code.replace("\n    ", "\n")
    ) as stream:
        assert stream.hear() == [7] * 20
        assert stream.wait() == 0


def test_a_killed_parent_leaves_no_memory_with_its_forked_children() -> None:
    code = (
        STREAM
        + """
    send(100)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        say(os.getpid())
        time.sleep(60)  # lives on until its group is killed, or ends by itself
    hear()
"""
    )
    with Child(code) as stream:
        inode = inode_of(stream.hear()[0])
        forked = stream.hear()
        try:
            assert {holder.split(":")[0] for holder in holders(inode)} == {str(stream.pid)}
            stream.kill()
            assert_freed(inode)
        finally:
            os.kill(forked, signal.SIGKILL)


@pytest.mark.parametrize(
    "end", ["", "raise SystemExit(0)", "os._exit(0)", "os.kill(os.getpid(), 15)"]
)
@pytest.mark.parametrize("mechanism", ["memfd", "posix"])
def test_a_process_that_ends_without_close_leaves_nothing(
    end: str, mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Child(f"arena = Arena(1 << 20, mechanism='{mechanism}'); say(0); hear(); {end}") as child:
        child.hear()
        child.tell(0)
        child.wait()
    # only a named segment whose owner had no chance is left to whoever comes next
    killed = mechanism == "posix" and end.startswith("os.")
    assert len(sweep()) == int(killed)
    assert not [name for name in os.listdir("/dev/shm") if "coverslip" in name]


REFUSED = """
    offer = decode_offer(bytes.fromhex(hear()))
    if {user}:
        os.setgroups([])
        os.setgid({user})
        os.setuid({user})
    try:
        ArenaReader.open(offer)
        say("opened")
    except ArenaUnreachable as error:
        say(str(error))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process_cannot_open_the_arena() -> None:
    with Arena(1 << 20) as arena, Child(REFUSED.format(user=65534)) as stranger:
        stranger.tell(hex_offer(arena.offer(0)))
        assert "PermissionError" in stranger.hear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a process-id namespace")
def test_a_process_in_another_container_is_told_that_it_cannot() -> None:
    container = ["unshare", "--pid", "--fork", "--mount-proc"]
    tried = subprocess.run(
        [*container, "true"], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    if tried.returncode:
        pytest.skip(f"a process-id namespace cannot be had here: {tried.stderr.strip()}")
    with Arena(1 << 20) as arena, Child(REFUSED.format(user=0), *container) as viewer:
        viewer.tell(hex_offer(arena.offer(0)))
        assert "cannot be opened here" in viewer.hear()
        assert viewer.wait() == 0
