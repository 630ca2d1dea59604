"""A server's process: launched, ready, stopped; and never another's."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from coverslip.transport import (
    Identity,
    LaunchError,
    StopError,
    die_with_parent,
    find,
    identify,
    is_alive,
    is_serving,
    launch,
    launching_parent,
    list_connections,
    log_folder,
    new_launch_id,
    new_log,
    ping,
    runtime_folder,
    stop,
    wait_ready,
    write_connection,
)
from tests.transport.echo_viewer import EchoViewer
from tests.waiting import DEADLINE, eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run():
    """Launch a line of Python; ended and reaped with the test."""
    started = []

    def start(code, **words):
        words.setdefault("detached", False)
        words.setdefault("log", new_log("test", new_launch_id()))
        launched = launch([sys.executable, "-c", code], **words)
        started.append(launched)
        return launched

    yield start
    for launched in started:
        if launched.poll() is None:
            os.kill(launched.pid, signal.SIGKILL)
        launched.wait(DEADLINE)


FOREVER = "import threading; threading.Event().wait(60)"


# Launch.


def test_output_goes_to_a_private_log(run):
    launched = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert launched.wait(DEADLINE) == launched.poll() == 3
    assert sorted(launched.log_tail().splitlines()) == ["err", "out"]
    assert stat.S_IMODE(launched.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(launched.log.parent.stat().st_mode) == 0o700


def test_the_tail_is_the_end(run):
    launched = run("for n in range(100000): print(n)")
    launched.wait(DEADLINE)
    assert launched.log_tail(2) == "99998\n99999"
    launched.log.unlink()
    assert launched.log_tail() == ""


def test_it_is_reaped_without_being_asked(run):
    launched = run("")
    eventually(lambda: not psutil.pid_exists(launched.pid), "no zombie")
    eventually(lambda: launched.poll() == 0, "its exit status")


@pytest.mark.parametrize("detached", [False, True])
def test_a_session_of_its_own_and_the_parents_name(run, detached):
    code = (
        "import os; print(os.getsid(0) == os.getpid(), os.environ.get('COVERSLIP_PARENT'),"
        " os.environ['EXTRA'])"
    )
    launched = run(code, detached=detached, env={"EXTRA": "x"})
    assert launched.wait(DEADLINE) == 0
    me = identify()
    assert me is not None
    parent = None if detached else f"{me.pid}:{me.start_time}"
    assert launched.log_tail() == f"True {parent} x"


def test_who_launched_this_process(monkeypatch):
    monkeypatch.delenv("COVERSLIP_PARENT", raising=False)
    assert launching_parent() is None
    monkeypatch.setenv("COVERSLIP_PARENT", "12:3456.0")
    assert launching_parent() == Identity(12, 3456.0)
    monkeypatch.setenv("COVERSLIP_PARENT", "junk")
    assert launching_parent() is None
    assert launching_parent({"COVERSLIP_PARENT": "13:1.5"}) == Identity(13, 1.5)
    assert launching_parent({}) is None


def test_a_program_that_is_not_there():
    with pytest.raises(LaunchError, match="cannot start '/no/such/program'"):
        launch(["/no/such/program"], detached=True, log=new_log("test", "x"))
    with pytest.raises(LaunchError, match="cannot start"):
        launch([sys.executable], detached=True, log=Path("/no/such/folder/log"))


def test_old_logs_go_but_for_those_of_servers_that_live(free_port):
    with EchoViewer(port=free_port(), log=log_folder() / "test-3.log"):
        for number in range(60):
            path = new_log("test", str(number))
            os.utime(path, (number, number))
        kept = {path.stem for path in log_folder().iterdir()}
    assert len(kept) == 51
    assert {"test-3", "test-59"} <= kept
    assert "test-8" not in kept


# Ready.


def test_ready_is_a_file_and_a_pong(launch_viewer):
    launched, connection = launch_viewer()
    assert connection.identity == launched.identity
    assert ping(connection.endpoint, DEADLINE).state == "ready"


def test_an_early_end_shows_the_log(run):
    launched = run("print('no display'); raise SystemExit(7)")
    with pytest.raises(LaunchError, match=r"(?s)ended with exit status 7 .*no display"):
        wait_ready(launched, "id", DEADLINE)


def test_an_end_by_a_signal_is_named(run):
    launched = run("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(LaunchError, match="ended with signal SIGKILL"):
        wait_ready(launched, "id", DEADLINE)


def test_never_ready_shows_the_log_and_what_was_seen(run):
    launched = run(f"print('busy', flush=True); {FOREVER}")
    eventually(launched.log_tail, "its words")
    with pytest.raises(LaunchError, match=r"(?s)not ready within 0.2 s \(it wrote no .*busy"):
        wait_ready(launched, "id", 0.2)
    assert launched.poll() is None


def test_a_state_that_is_waited_for(run, free_port):
    launched = run(FOREVER)
    with EchoViewer(port=free_port(), launch_id="id", starting=True) as server:
        server.start()
        assert wait_ready(launched, "id", DEADLINE, state=None) == server.connection
        with pytest.raises(LaunchError, match="its state was 'starting'"):
            wait_ready(launched, "id", 0.3)
        threading.Timer(0, server.set_state, ["ready"]).start()
        assert wait_ready(launched, "id", DEADLINE) == server.connection


# Stop.


def test_stop_asks_first(launch_viewer):
    launched, connection = launch_viewer()
    stop(connection)
    assert launched.wait(DEADLINE) == 0
    assert list(runtime_folder().glob("*.json")) == []
    stop(connection)


def test_stop_climbs_to_kill(launch_viewer):
    launched, connection = launch_viewer("stubborn_viewer.py")
    stop(connection, timeout=0.3)
    assert launched.wait(DEADLINE) == -signal.SIGKILL
    assert list(runtime_folder().glob("*.json")) == []


def test_stop_of_a_frozen_one(launch_viewer):
    launched, connection = launch_viewer()
    os.kill(connection.pid, signal.SIGSTOP)
    stop(connection, timeout=0.3)
    assert launched.wait(DEADLINE) == -signal.SIGKILL


def test_force_kills_at_once(launch_viewer):
    launched, connection = launch_viewer()
    stop(connection, force=True)
    assert launched.wait(DEADLINE) == -signal.SIGKILL


GUEST = """
import threading
from tests.transport.{module} import {viewer}
guest = {viewer}(guest=True, launch_id={launch_id!r})
guest.start()
guest.stopped.wait({patience})
guest.close()
threading.Event().wait(60)  # the user's own work goes on
"""


def start_guest(run, module, viewer):
    launch_id = new_launch_id()
    words = {"module": module, "viewer": viewer, "launch_id": launch_id, "patience": DEADLINE}
    launched = run(GUEST.format(**words), env={"PYTHONPATH": str(ROOT)})
    connection = wait_ready(launched, launch_id, DEADLINE)
    assert is_serving(connection)
    return launched, connection


@pytest.mark.parametrize("force", [False, True])
def test_a_guest_stops_and_the_process_that_it_is_in_goes_on(run, force):
    launched, connection = start_guest(run, "echo_viewer", "EchoViewer")
    stop(connection, timeout=DEADLINE, force=force)
    assert not is_serving(connection)
    assert list_connections() == []
    assert launched.poll() is None


@pytest.mark.parametrize("force", [False, True])
def test_a_guest_that_does_not_stop_is_not_signalled(run, force):
    launched, connection = start_guest(run, "stubborn_viewer", "StubbornViewer")
    with pytest.raises(StopError, match="close it there"):
        stop(connection, timeout=0.2, force=force)
    assert launched.poll() is None
    assert is_serving(connection)


def test_stop_of_one_in_this_process(viewer):
    stop(viewer.connection)
    assert viewer.stopped.is_set()
    with pytest.raises(StopError, match="still there"), EchoViewer(port=None) as deaf:
        stop(deaf.connection, timeout=0.1)


@pytest.mark.parametrize("force", [False, True])
def test_another_process_with_the_pid_is_left_alone(run, launch_viewer, force):
    bystander = run(FOREVER)
    _, connection = launch_viewer()
    stop(connection)
    identity = bystander.identity
    assert identity is not None
    mistaken = msgspec.structs.replace(
        connection, pid=identity.pid, start_time=identity.start_time - 1
    )
    write_connection(mistaken)
    stop(mistaken, timeout=0.2, force=force)
    assert is_alive(identity)
    assert bystander.poll() is None
    assert list_connections() == []


# Life and death of the parent.


@pytest.fixture
def pipeline():
    """Start a process that launches a viewer of its own; return both."""
    started = []

    def start(how):
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "launching.py"), how],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        pid, start_time, port = process.stdout.readline().split()
        return process, Identity(int(pid), float(start_time)), int(port)

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=DEADLINE)


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_a_child_dies_with_its_parent(pipeline, how):
    process, identity, _ = pipeline("child")
    assert is_alive(identity)
    process.kill() if how == "killed" else process.communicate(timeout=DEADLINE)
    eventually(lambda: not is_alive(identity), "the viewer's end")
    eventually(lambda: list_connections() == [], "its file's end")


def test_a_detached_one_outlives_its_parent(pipeline):
    process, identity, port = pipeline("detached")
    os.killpg(process.pid, signal.SIGKILL) if os.getpgid(process.pid) == process.pid else (
        process.kill()
    )
    process.wait(DEADLINE)
    connection = find("echo", port)
    assert ping(connection.endpoint, DEADLINE).pid == identity.pid
    stop(connection)
    assert not is_alive(identity)


def test_die_with_one_that_is_gone_already():
    called = threading.Event()
    thread = die_with_parent(Identity(os.getpid(), 1.0), called.set)
    assert thread is not None
    assert called.wait(DEADLINE)
    thread.join(DEADLINE)
    assert die_with_parent(None, called.set) is None


def test_without_process_descriptors_it_is_looked_at(launch_viewer, monkeypatch):
    """As in a Python or on a kernel that has no pidfd_open, and elsewhere than on Linux."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    launched, connection = launch_viewer("stubborn_viewer.py")
    gone = threading.Event()
    thread = die_with_parent(connection.identity, gone.set)
    assert thread is not None
    stop(connection, timeout=0.3)
    assert launched.wait(DEADLINE) == -signal.SIGKILL
    assert gone.wait(DEADLINE)
    thread.join(DEADLINE)


def test_deadlines_do_not_follow_the_clock(run, monkeypatch):
    launched = run(FOREVER)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    with pytest.raises(LaunchError, match="not ready within"):
        wait_ready(launched, "id", 0.1)
    assert is_alive(launched.identity)
