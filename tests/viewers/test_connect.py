"""What `connect` takes, and what it refuses before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coverslip.transport import list_connections
from coverslip.viewers import (
    FijiStreamingConfig,
    LazyNapariStreamingConfig,
    NapariStreamingConfig,
    StreamingConfig,
    UnknownViewer,
    connect,
)
from coverslip.viewers.errors import ConfigError


@pytest.mark.parametrize(
    ("kinds", "options", "error", "words"),
    [
        (("napari", "fiji"), {"port": 5555}, ConfigError, "each port by a configuration"),
        (("napari", "napari"), {}, ConfigError, "each kind once"),
        (("napari",), {"config": {"port": 5555}}, ConfigError, "is no configuration"),
        (("napari",), {"config": "napari"}, ConfigError, "is no configuration"),
        (("napary",), {}, UnknownViewer, "napary"),
        (("fiji", "napary"), {}, UnknownViewer, "napary"),
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
