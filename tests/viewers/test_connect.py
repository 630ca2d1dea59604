"""What `connect` takes, and what it refuses before anything is started."""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.transport import list_connections
from coverslip.viewers import (
    FijiStreamingConfig,
    LazyNapariStreamingConfig,
    NapariStreamingConfig,
    StreamingConfig,
    UnknownViewer,
    connect,
    scope,
)
from coverslip.viewers.errors import ConfigError, Reentered
from coverslip.viewers.stream import Image


@pytest.mark.parametrize(
    ("kinds", "options", "error", "words"),
    [
        (("napari", "fiji"), {"port": 5555}, ConfigError, "each port by a configuration"),
        (("napari", "napari"), {}, ConfigError, "each kind once; two of a kind are two views"),
        (("napari",), {"config": {"port": 5555}}, ConfigError, "is no configuration"),
        (("napari",), {"config": "napari"}, ConfigError, "is no configuration"),
        (("napari",), {"port": 99999}, ValueError, "out of range"),
        ((), {"connection": "nothing.line"}, ValueError, "no file 'nothing.line'"),
        ((), {"connection": f"overslip://{43 * 'k'}"}, ValueError, "no file of that name"),
        (("napary",), {}, UnknownViewer, "napary"),
        (("fiji", "napary"), {}, UnknownViewer, "napary"),
        ((["napari", "fiji"],), {}, ConfigError, "several are connect"),
        ((), {"connection": 5}, ValueError, "5 is neither a coverslip:// line"),
        (("napari",), {"budget": "1"}, ConfigError, "budget='1' is less than 64 MiB"),
        (("napari",), {"keep": 0}, ValueError, "keep=0: give"),
        (("napari",), {"modes": {"well": "x"}}, ConfigError, "modes: well='x'; there are"),
        (("napari",), {"max_layers": 0}, ConfigError, "max_layers=0: how many layers"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_started(
    runtime_folder: Path,
    kinds: tuple[str, ...],
    options: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        connect(*kinds, **options)
    assert list_connections() == []


def test_in_the_middle_of_another_call_it_raises_and_starts_nothing(runtime_folder: Path) -> None:
    # As a signal handler's or a finalizer's, which would wait for locks of its own thread.
    def images() -> Iterator[Image]:
        with pytest.raises(Reentered, match=r"connect\(\) was called by a signal handler"):
            connect("napari")
        yield Image({}, np.ones((4, 4), np.uint8))

    with connect("napari", start=False) as view:
        view.stream.send(images(), view.source())
        assert view.statistics().sent == 1
    assert list_connections() == []
    assert next(iter(inspect.signature(connect).parameters)) == "kind"


def test_each_viewer_has_its_own_configuration_and_arguments_win(runtime_folder: Path) -> None:
    configs = [
        LazyNapariStreamingConfig(napari_port=5701, persistent=False, viewer_title="mine"),
        FijiStreamingConfig(fiji_port=5702),
    ]
    with connect("napari", "fiji", config=configs, start=False) as view:
        napari, fiji = view.visualizers
        assert (napari.port, napari.persistent, napari.viewer_title) == (5701, False, "mine")
        assert (fiji.port, fiji.persistent, fiji.viewer_title) == (5702, True, None)
        (asked, _) = view.source()
        assert asked.display.colormap == "gray"
    with connect(
        "napari", config=configs, port=5703, persistent=True, title="its", start=False
    ) as view:
        napari = view.visualizer
        assert (napari.port, napari.persistent, napari.viewer_title) == (5703, True, "its")
    # Without a configuration nothing is asked for: the viewer colours channels by their names.
    with connect("napari", start=False) as view:
        assert view.source()[0].display.colormap is None
        assert (view.visualizer.port, view.visualizer.persistent) == (None, True)


def test_what_is_not_enabled_is_left_out(runtime_folder: Path) -> None:
    configs = [NapariStreamingConfig(enabled=False), FijiStreamingConfig(fiji_port=5702)]
    with connect("napari", "fiji", config=configs, start=False) as view:
        assert [one.kind for one in view.visualizers] == ["fiji"]
    with connect("napari", config=StreamingConfig(enabled=False)) as view:
        view.show([[1, 2], [3, 4]])
        assert view.visualizers == ()
        assert view.close() == (0, 0, 0, 0)


@pytest.fixture
def unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file or variable of the user's says anything."""
    for variable in os.environ:
        if variable.startswith(("COVERSLIP_NAPARI", "COVERSLIP_STREAMING", "COVERSLIP_CONFIG")):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))


def test_without_a_configuration_the_scope_holds_then_the_process(
    runtime_folder: Path, unset: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_NAPARI_PORT", "5801")
    Path("coverslip.toml").write_text(
        '[streaming]\npersistent = false\nviewer_title = "the lab\'s"\nmemory = "1GiB"\n'
        '[napari]\nsite_mode = "slice"\n'
    )
    with connect("napari", start=False) as view:
        napari = view.visualizer
        assert (napari.port, napari.persistent, napari.memory) == (5801, False, 1 << 30)
        assert napari.viewer_title == "the lab's"
        (asked,) = view.source()
        assert asked.modes["site"] == "slice"
        assert asked.display.colormap is None  # left open, so the viewer's choice
    with connect("napari", start=False, port=5802, persistent=True, title="mine") as view:
        napari = view.visualizer
        assert (napari.port, napari.persistent, napari.viewer_title) == (5802, True, "mine")
    with (
        scope(pipeline=LazyNapariStreamingConfig(napari_port=5803, keep="latest")),
        connect("napari", start=False) as view,
    ):
        assert (view.visualizer.port, view.visualizer.persistent) == (5803, False)
        assert view.source()[0].keep == 1
    monkeypatch.setenv("COVERSLIP_STREAMING_ENABLED", "false")
    with connect("napari", "fiji") as view:
        assert view.visualizers == ()
    monkeypatch.setenv("COVERSLIP_NAPARI_PORT", "none")
    with pytest.raises(ConfigError, match="COVERSLIP_NAPARI_PORT"):
        connect("napari", start=False)


def test_another_viewers_scope_says_nothing(runtime_folder: Path, unset: None) -> None:
    with (
        scope(pipeline=NapariStreamingConfig(persistent=False)),
        connect("fiji", start=False) as view,
    ):
        assert view.visualizer.persistent


@pytest.mark.parametrize(
    "decided",
    [
        {"kind": "fiji"},
        {"title": "mine"},
        {"persistent": True},
        {"memory": "1GiB"},
        {"port": 5555},
        {"host": "workstation"},
    ],
    ids=lambda decided: next(iter(decided)),
)
def test_what_a_line_decides_is_refused_beside_it(decided: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(decided))):
        connect(connection="coverslip://nowhere", **decided)


def test_what_planes_may_take_is_said_in_the_call_or_in_a_configuration(
    runtime_folder: Path,
) -> None:
    config = NapariStreamingConfig(budget="128MiB")
    with connect("napari", config=config, start=False) as view:
        assert view.stream.budget == 128 << 20
    with connect("napari", config=config, budget="0.25 GiB", start=False) as view:
        assert view.stream.budget == 256 << 20
        with pickle.loads(pickle.dumps(view)) as other:
            assert other.stream.budget == 256 << 20
    for wrong in ("large", 1000):
        with pytest.raises(ConfigError, match="budget="):
            connect("napari", budget=wrong, start=False)
        with pytest.raises(ConfigError, match="budget="):
            NapariStreamingConfig(budget=wrong)
