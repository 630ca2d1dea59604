"""Connection files: private, whole, swept when stale, never another's."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading

import msgspec
import pytest

from coverslip.transport import (
    Connection,
    Endpoint,
    KeyPair,
    NoServer,
    PortTaken,
    TransportError,
    connection,
    find,
    identify,
    is_alive,
    list_connections,
    log_folder,
    read_connection,
    remove_connection,
    runtime_folder,
    write_connection,
)
from tests.waiting import DEADLINE


def make(port=5555, kind="napari", identity=None, instance="one", host="127.0.0.1"):
    identity = identity or identify()
    endpoint = Endpoint(
        kind=kind,
        host=host,
        port=port,
        server_key=KeyPair.new().public,
        client_secret=KeyPair.new().secret,
    )
    return Connection(
        endpoint=endpoint,
        pid=identity.pid,
        start_time=identity.start_time,
        title="t",
        instance=instance,
    )


@pytest.fixture
def stranger():
    """A living process that is none of ours."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(timeout=DEADLINE)


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identify(process.pid)
    process.communicate(timeout=DEADLINE)
    return identity


def names():
    return sorted(entry.name for entry in runtime_folder().iterdir())


def test_write_read_remove():
    made = make()
    path = write_connection(made)
    assert path == runtime_folder() / "napari-5555.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_connection(path) == made
    assert names() == ["napari-5555.json"]
    remove_connection(made)
    assert read_connection(path) is None
    assert names() == []
    remove_connection(made)


def test_list_and_find():
    made = [make(5556, "fiji"), make(5555), make(5600)]
    for each in made:
        write_connection(each)
    assert [each.endpoint.port for each in list_connections()] == [5556, 5555, 5600]
    assert list_connections("napari") == [made[1], made[2]]
    assert find("napari", 5600) == made[2]
    assert find(None, 5556) == made[0]
    with pytest.raises(
        NoServer, match=r"no fiji server on port 5555.*napari viewer 't' on port 5555"
    ):
        find("fiji", 5555)


def test_a_dead_process_is_swept(dead):
    path = write_connection(make(identity=dead))
    assert list_connections() == []
    assert not path.exists()


def test_a_pid_that_is_another_process_now_is_swept_and_that_one_left_alone(stranger):
    other = identify(stranger.pid)
    assert other is not None
    was = msgspec.structs.replace(other, start_time=other.start_time - 5)
    path = write_connection(make(identity=was))
    with pytest.raises(NoServer, match="none at all"):
        find("napari", 5555)
    assert not path.exists()
    assert is_alive(other)


def test_never_over_the_file_of_another_living_process(stranger):
    first = make(identity=identify(stranger.pid), host="127.0.0.2")
    write_connection(first)
    with pytest.raises(PortTaken, match=r"could be bound, but coverslip napari viewer 't'"):
        write_connection(make(instance="two"))
    assert find("napari", 5555) == first
    assert names() == ["napari-5555.json"]


@pytest.mark.parametrize("what", ["dead", "own", "junk"])
def test_over_what_is_stale(what, dead):
    if what == "junk":
        (runtime_folder() / "napari-5555.json").write_text("junk")
    else:
        write_connection(make(identity=dead if what == "dead" else None, instance="old"))
    new = make(instance="new")
    write_connection(new)
    assert find("napari", 5555) == new


def test_only_ones_own_file_is_removed():
    old, new = make(instance="old"), make(instance="new")
    write_connection(new)
    remove_connection(old)
    assert find("napari", 5555) == new


def test_a_sweep_puts_back_what_it_did_not_judge(dead):
    path = write_connection(make(identity=dead))
    judged = path.read_bytes()
    path.unlink()
    new = make(instance="new")
    write_connection(new)
    connection._discard(path, judged)
    assert find("napari", 5555) == new
    assert names() == ["napari-5555.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b"x" * 200_000,
        msgspec.json.encode(msgspec.structs.replace(make(), version=2)),
        msgspec.json.encode(make(port=5557)),
        msgspec.json.encode(make()).replace(b'"port":5555', b'"port":99999'),
    ],
)
def test_junk_is_ignored_with_a_warning_and_stays(content, caplog):
    path = runtime_folder() / "napari-5555.json"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert list_connections() == []
    assert "ignoring" in caplog.text
    assert path.read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipe has a name here")
def test_a_pipe_of_such_a_name_is_not_waited_for(caplog):
    os.mkfifo(runtime_folder() / "napari-5556.json")
    write_connection(make())
    assert [each.endpoint.port for each in list_connections()] == [5555]
    assert "ignoring" in caplog.text


def test_other_files_are_nobodys_business(caplog):
    (runtime_folder() / "notes.txt").write_text("mine")
    assert log_folder().is_dir()
    assert list_connections() == []
    assert not caplog.records


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused_and_stays_as_it_is(own_runtime_folder, mode):
    """It may be /tmp, or a home: whoever names that by mistake must not find it closed."""
    own_runtime_folder.chmod(mode)
    with pytest.raises(TransportError, match=r"others may write to .*COVERSLIP_RUNTIME_DIR"):
        runtime_folder()
    assert stat.S_IMODE(own_runtime_folder.stat().st_mode) == mode


def test_a_folder_that_others_may_look_into_stays_as_it_is(own_runtime_folder):
    own_runtime_folder.chmod(0o755)
    path = write_connection(make())
    assert stat.S_IMODE(own_runtime_folder.stat().st_mode) == 0o755
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(own_runtime_folder):
    os.chown(own_runtime_folder, 12345, -1)
    with pytest.raises(TransportError, match=r"belongs to user 12345.*COVERSLIP_RUNTIME_DIR"):
        runtime_folder()
    os.chown(own_runtime_folder, 0, -1)


def test_a_folder_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COVERSLIP_RUNTIME_DIR", str(tmp_path / "file" / "folder"))
    with pytest.raises(TransportError, match="cannot use the folder"):
        list_connections()


@pytest.mark.parametrize("kind", ["../x", "a/b", "", "a-b", "a b"])
def test_a_kind_that_cannot_name_a_file(kind):
    with pytest.raises(TransportError):
        write_connection(make(kind=kind))


def test_readers_see_all_or_nothing():
    done = threading.Event()
    odd: list[Connection] = []

    def look():
        while not done.is_set():
            odd.extend(each for each in list_connections() if each.title != "t")

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(100):
        made = make(instance=str(number))
        write_connection(made)
        remove_connection(made)
    done.set()
    thread.join()
    assert odd == []
    assert names() == []
