"""A virtual display is there while its block runs, and nothing of it is after."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from coverslip.viewers.cli.xvfb import VirtualDisplay
from coverslip.viewers.display import find_display
from coverslip.viewers.errors import NoDisplay
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Xvfb is X's")


@pytest.mark.usefixtures("display")  # fails, with words, where Xvfb is missing
def test_a_virtual_display_answers_while_it_runs_and_not_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    before = dict(os.environ)
    with VirtualDisplay() as virtual:
        assert find_display() == (virtual.name, "")
        assert os.environ["DISPLAY"] == virtual.name != before.get("DISPLAY")
    assert dict(os.environ) == before
    monkeypatch.setenv("DISPLAY", virtual.name)
    assert find_display()[0] is None


IN_ANOTHER_PROCESS = """
import sys
from coverslip.viewers.cli.xvfb import VirtualDisplay

with VirtualDisplay() as virtual:
    print(virtual.name, flush=True)
    sys.stdin.read()
"""


@pytest.mark.usefixtures("display")
def test_a_killed_process_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", IN_ANOTHER_PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        monkeypatch.setenv("DISPLAY", process.stdout.readline().strip())
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert find_display() == (os.environ["DISPLAY"], "")
        process.kill()
    # That no Xvfb is left the suite sees to, as of every process.
    eventually(lambda: find_display()[0] is None, "its display ended, too")


def test_without_xvfb_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert not VirtualDisplay.available()
    with pytest.raises(NoDisplay, match="apt-get install xvfb"), VirtualDisplay():
        pass


def test_an_xvfb_that_ends_at_once_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    useless = shutil.which("false")
    monkeypatch.setattr(shutil, "which", lambda _name: useless)
    with pytest.raises(NoDisplay, match="named no display"), VirtualDisplay():
        pass
