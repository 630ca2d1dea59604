"""``coverslip logs``: a viewer's log, to its end and beyond."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coverslip.viewers.cli import logs
from tests.viewers.cli.program import Command, QuietVisualizer
from tests.waiting import eventually


@pytest.fixture
def viewer(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[QuietVisualizer]:
    """A viewer whose log ends in four lines of ours."""
    one = QuietVisualizer(port=free_port())
    one.start_viewer()
    write(one, "one\ntwo\nthree\nfour\n")
    yield one
    one.stop_viewer()


def write(viewer: QuietVisualizer, text: str) -> None:
    path = viewer.connection.log
    assert path is not None
    with Path(path).open("a", encoding="utf-8") as log:
        log.write(text)


def test_the_last_lines_are_printed(command: Command, viewer: QuietVisualizer) -> None:
    done = command("logs", viewer.port, "-n", 2)
    assert done.status == 0
    assert done.out == "three\nfour\n"


def test_a_port_without_a_viewer_is_one_line(
    command: Command, free_port: Callable[[], int]
) -> None:
    assert "no viewer of yours is on port" in command("logs", free_port()).error


def test_it_follows_until_the_viewer_ends(
    viewer: QuietVisualizer, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def heard(word: str) -> bool:
        said.append(capsys.readouterr().out)
        return word in "".join(said)

    port = viewer.port
    assert port is not None
    reader = threading.Thread(target=logs.run_logs, args=(port, 1), kwargs={"follow": True})
    reader.start()
    eventually(lambda: heard("four"), "the last line")
    write(viewer, "five\n")
    eventually(lambda: heard("five"), "a line that came later")
    viewer.stop_viewer()
    reader.join(30)
    assert not reader.is_alive()
    assert "three" not in "".join(said)
