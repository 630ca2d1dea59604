"""Long work: a bar on a terminal, a line now and then where there is none, nothing with --json."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from coverslip.viewers.cli import report
from tests.waiting import eventually


@pytest.fixture
def somewhere(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where standard error goes: no terminal."""
    text = io.StringIO()
    monkeypatch.setattr(report, "_err", Console(file=text, force_terminal=False))
    monkeypatch.setattr(report, "EVERY", 0.02)
    return text


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where standard error goes: a terminal."""
    text = io.StringIO()
    monkeypatch.setattr(report, "_err", Console(file=text, force_terminal=True, width=100))
    monkeypatch.setattr(report, "EVERY", 0.02)
    return text


def test_a_line_says_how_far_it_is_and_says_it_once(somewhere: io.StringIO) -> None:
    with report.bar(7) as progress:
        (task,) = progress.task_ids
        progress.update(task, completed=3, description="a.tif")
        eventually(lambda: "3/7 a.tif\n" in somewhere.getvalue(), "the first line")
        progress.update(task, completed=4, description="b.tif")
        eventually(lambda: "4/7 b.tif\n" in somewhere.getvalue(), "the second line")
    assert somewhere.getvalue().count("3/7") == 1


def test_the_last_line_is_how_it_ended(somewhere: io.StringIO) -> None:
    with report.bar(7) as progress:
        (task,) = progress.task_ids
        progress.update(task, completed=3, description="a.tif")
        eventually(lambda: "3/7 a.tif\n" in somewhere.getvalue(), "the first line")
        progress.update(task, completed=7, description="shown")
    assert somewhere.getvalue().endswith("7/7 shown\n")


def test_waiting_says_for_how_long(somewhere: io.StringIO) -> None:
    with report.waiting("starting napari …"):
        eventually(lambda: "starting napari … (0 s)\n" in somewhere.getvalue(), "a line")


def test_a_terminal_has_a_bar(terminal: io.StringIO) -> None:
    with report.bar(7) as progress:
        progress.update(progress.task_ids[0], completed=7, description="a.tif")
    assert "━" in terminal.getvalue()
    assert "7/7" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_a_terminal_has_a_spinner(terminal: io.StringIO) -> None:
    with report.waiting("starting napari …"):
        eventually(lambda: "starting napari …" in terminal.getvalue(), "it turns")


@pytest.mark.parametrize("where", ["somewhere", "terminal"])
def test_quiet_is_nothing(where: str, request: pytest.FixtureRequest) -> None:
    text: io.StringIO = request.getfixturevalue(where)
    with report.bar(7, quiet=True) as progress, report.waiting("x", quiet=True):
        progress.update(progress.task_ids[0], completed=7)
    assert text.getvalue() == ""
