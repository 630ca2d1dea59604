"""Whether there is a display is known before Qt is asked, and a virtual one is made on demand."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from coverslip.viewers.cli.display import VirtualDisplay, display_problem
from coverslip.viewers.errors import NoDisplay

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="X is asked on Linux only")


def test_no_display_named() -> None:
    problem = display_problem({})
    assert problem is not None
    assert "DISPLAY is not set" in problem


@pytest.mark.parametrize("name", [":98765", "nonsense", ":", "127.0.0.1:59000"])
def test_a_display_that_does_not_answer(name: str) -> None:
    assert display_problem({"DISPLAY": name}) == f"no X server answers at DISPLAY={name}"


@pytest.mark.parametrize(
    "environment",
    [{"WAYLAND_DISPLAY": "wayland-0"}, {"QT_QPA_PLATFORM": "offscreen"}],
    ids=lambda environment: next(iter(environment)),
)
def test_other_places_to_draw(environment: dict[str, str]) -> None:
    assert display_problem(environment) is None


def test_a_virtual_display_answers_while_it_runs_and_not_after() -> None:
    before = dict(os.environ)
    with VirtualDisplay() as virtual:
        assert os.environ["DISPLAY"] == virtual.name
        assert display_problem(os.environ) is None
        assert display_problem({"DISPLAY": f"{virtual.name}.0"}) is None
    assert dict(os.environ) == before
    assert display_problem({"DISPLAY": virtual.name}) is not None


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
