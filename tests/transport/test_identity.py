"""Which process that is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import msgspec
import pytest

from coverslip.transport import Identity, identify, is_alive
from tests.waiting import DEADLINE, eventually


def test_this_process():
    me = identify()
    assert me == identify(os.getpid())
    assert me is not None
    assert is_alive(me)


def test_another_process_with_the_pid_is_another():
    me = identify()
    assert me is not None
    assert not is_alive(msgspec.structs.replace(me, start_time=me.start_time - 1))


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**40])
def test_no_process(pid):
    assert identify(pid) is None
    assert not is_alive(Identity(pid, 1.0))


def test_a_zombie_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identify(child.pid)
    assert identity is not None
    child.kill()
    eventually(lambda: not is_alive(identity), "death, before it is reaped")
    child.communicate(timeout=DEADLINE)
    assert identify(child.pid) is None


def test_a_name_full_of_parentheses(tmp_path):
    program = tmp_path / "a) Z (b"
    shutil.copy("/bin/cat", program)
    child = subprocess.Popen([program], stdin=subprocess.PIPE)
    identity = identify(child.pid)
    assert identity is not None
    assert is_alive(identity)
    child.communicate(timeout=DEADLINE)
    assert not is_alive(identity)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, which takes a descriptor")
def test_who_has_no_descriptor_left_gives_nobody_up_and_is_sure_of_nobody():
    code = """
        import os, resource
        from coverslip.transport import Identity, identify, is_alive
        me = identify()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        print(is_alive(me), is_alive(Identity(2**22 + 1, 1.0)), identify())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.stdout == "True False None\n", done.stderr
