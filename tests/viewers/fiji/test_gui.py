"""What runs beside AppKit's loop on macOS, with JPype's two calls for it stood in for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import jpype
import pytest

from coverslip.viewers.fiji import gui
from coverslip.viewers.fiji.choice import ImageJUnavailable
from tests.waiting import DEADLINE


@pytest.fixture(autouse=True)
def appkit(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A loop of the main thread that ends when it is told to, as AppKit's does."""
    told = threading.Event()

    def run(begin: Callable[[], object]) -> None:
        begin()
        assert told.wait(DEADLINE)

    monkeypatch.setattr(gui, "_IS_MACOS", True)
    monkeypatch.setattr(jpype, "setupGuiEnvironment", run)
    monkeypatch.setattr(jpype, "shutdownGuiEnvironment", told.set)
    before = set(threading.enumerate())
    yield told
    for thread in set(threading.enumerate()) - before:
        thread.join(DEADLINE)


def test_the_main_thread_waits_for_work_beside_it() -> None:
    threads: list[threading.Thread] = []
    gui.beside_the_gui(lambda: threads.append(threading.current_thread()))
    assert threads != [threading.main_thread()]
    assert len(threads) == 1


def test_what_goes_wrong_beside_it_ends_the_process() -> None:
    def fail() -> None:
        raise ImageJUnavailable("it opened no window")

    with pytest.raises(ImageJUnavailable, match="no window"):
        gui.beside_the_gui(fail)
