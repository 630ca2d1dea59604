"""The leak checks themselves: each kind is noticed, and nothing is noticed where nothing is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from tests import leaks

NOTHING: frozenset[str] = frozenset()
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="compared through /proc")


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "GRACE", 0.1)


def test_nothing_is_found_where_nothing_is_left() -> None:
    assert leaks.left_behind(leaks.footprint(), NOTHING) == {}


def test_a_thread_is_noticed_and_an_allowed_kind_is_not() -> None:
    before = leaks.footprint()
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="lost", daemon=True)
    thread.start()
    try:
        assert leaks.left_behind(before, NOTHING) == {"threads": ["lost (daemon)"]}
        assert leaks.left_behind(before, frozenset({"threads"})) == {}
    finally:
        done.set()
        thread.join(10)


@needs_proc
def test_a_socket_is_noticed() -> None:
    before = leaks.footprint()
    with socket.socket():
        assert leaks.left_behind(before, NOTHING) == {"files": ["socket"]}


@needs_proc
def test_a_child_is_noticed_and_so_is_one_that_detached() -> None:
    before = leaks.footprint()
    # The child hands its pid's end of the pipe on to a grandchild in a session of its own and ends.
    code = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'],"
        " start_new_session=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.wait(30)
        found = leaks.left_behind(before, frozenset({"files"}))
        assert list(found) == ["processes"]
        assert str(child.pid) not in "".join(found["processes"])
        child.stdin.close()
    assert wait_until_clean(before) == {}


@needs_proc
def test_a_segment_of_ours_is_noticed_and_a_stranger_is_not() -> None:
    before = leaks.footprint()
    ours = os.memfd_create("coverslip-test")
    strange = os.memfd_create("something-else")
    try:
        found = leaks.left_behind(before, NOTHING)
        assert found == {"files": ["/memfd:coverslip-test (deleted)"]}
    finally:
        os.close(ours)
        os.close(strange)


def wait_until_clean(before: leaks.Footprint) -> dict[str, list[str]]:
    leaks.GRACE = 30.0  # put back by short_grace
    return leaks.left_behind(before, NOTHING)
