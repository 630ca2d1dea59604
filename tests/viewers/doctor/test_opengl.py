"""Qt and OpenGL, asked in a process of their own."""

from __future__ import annotations

import importlib.util

import pytest

from coverslip.viewers.doctor import State
from coverslip.viewers.napari import health

pytestmark = pytest.mark.extra


def test_without_napari_both_say_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for check in (health.check_qt, health.check_opengl):
        (found,) = check()
        assert found.state is State.WARN
        assert found.advice == 'pip install "coverslip-viewers[napari]"'


@pytest.mark.parametrize(
    ("renderer", "texture", "state"),
    [
        ("NVIDIA GeForce RTX 3060/PCIe/SSE2", 32768, State.OK),
        ("llvmpipe (LLVM 15.0.6, 256 bits)", 16384, State.WARN),
        ("Old card", 2048, State.WARN),
    ],
)
def test_what_draws_is_judged(renderer: str, texture: int, state: State) -> None:
    found = health._judge({"version": "4.5", "renderer": renderer, "texture": texture})
    assert found.state is state
    assert renderer in found.found
    assert bool(found.advice) == (state is not State.OK)


@pytest.mark.gui
def test_the_opengl_of_this_display_answers(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("napari", reason="without the extra napari")
    monkeypatch.setenv("DISPLAY", display)
    (found,) = health.check_opengl()
    assert found.state is not State.FAIL, found
    assert found.found.startswith("OpenGL ")
    (qt,) = health.check_qt()
    assert "napari" in qt.found


@pytest.mark.gui
def test_a_qt_that_does_not_start_fails_with_its_own_words(
    display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("napari", reason="without the extra napari")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("QT_QPA_PLATFORM", "no-such-platform")
    (found,) = health.check_opengl()
    assert found.state is State.FAIL
    assert "LIBGL_ALWAYS_SOFTWARE" in found.advice


def test_without_a_display_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("napari", reason="without the extra napari")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    (found,) = health.check_opengl()
    assert found.state is State.WARN
    assert "draws nothing" in found.found
