"""Whether there is a display is known before Qt is asked."""

from __future__ import annotations

import sys

import pytest

from coverslip.viewers.display import find_display, require_display
from coverslip.viewers.errors import NoDisplay

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="X is asked on Linux only")


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


def test_no_display_named() -> None:
    found, reason = find_display()
    assert found is None
    assert "neither DISPLAY nor WAYLAND_DISPLAY is set" in reason


@pytest.mark.parametrize("name", [":98765", "127.0.0.1:59000"])
def test_a_display_that_does_not_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", name)
    assert find_display() == (None, f"no X server answers at DISPLAY={name}")


@pytest.mark.parametrize("name", ["nonsense", ":", "host:x"])
def test_a_display_that_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", name)
    with pytest.raises(NoDisplay, match=r"not of the form host:number.*xvfb-run"):
        require_display()


def test_a_qt_that_was_told_to_draw_nowhere_is_no_display(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    with pytest.raises(NoDisplay, match="QT_QPA_PLATFORM=offscreen draws nothing"):
        require_display()
