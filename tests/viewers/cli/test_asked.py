"""What a user has configured, and what stands in a command, as it reaches a viewer with planes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from coverslip.payload import Display, Source, decode
from coverslip.transport import Report, Status, list_connections, request
from coverslip.viewers import View, connect, kinds
from coverslip.viewers.cli import window
from tests.viewers.cli.program import Command, QuietVisualizer
from tests.viewers.headless import HeadlessServer, driving

WELLS = ("A01", "A02")
OWN = {"y": 0.325, "x": 0.25}
"""Micrometers between pixels, as the files say."""


class Fiji(HeadlessServer):
    """Draws nothing; remembers what it was asked."""

    kind = "fiji"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sources: list[Source] = []

    def handle_data(self, frames: list[memoryview]) -> None:
        self.sources.append(decode(frames).source)
        super().handle_data(frames)

    @property
    def last(self) -> Source:
        return self.sources[-1]


class FijiVisualizer(QuietVisualizer):
    kind = "fiji"


@pytest.fixture
def fiji(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fiji]:
    monkeypatch.setitem(kinds._OURS, "fiji", f"{__name__}:{FijiVisualizer.__name__}")
    with driving(Fiji(port=free_port())) as server:
        yield server


@pytest.fixture
def plate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two wells of calibrated files, and nothing that was watched or configured before."""
    monkeypatch.setenv("COVERSLIP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COVERSLIP_CONFIG", str(tmp_path / "coverslip.toml"))
    (tmp_path / "coverslip.toml").touch()
    folder = tmp_path / "plate"
    folder.mkdir()
    for well in WELLS:
        tifffile.imwrite(
            folder / f"{well}.ome.tif",
            np.full((8, 9), 7, np.uint16),
            metadata={
                "axes": "YX",
                **{f"PhysicalSize{axis.upper()}": step for axis, step in OWN.items()},
                **{f"PhysicalSize{axis.upper()}Unit": "µm" for axis in OWN},
            },
        )
    return folder


COMMANDS = pytest.mark.parametrize("send", ["view", "watch"])


@pytest.fixture
def show(command: Command, fiji: Fiji, plate: Path) -> Callable[..., None]:
    """Send the plate by one of the commands, and see that all was shown."""

    def run(send: str, *words: object) -> None:
        end = ("--idle", 0.2) if send == "watch" else ()
        pattern = ("--pattern", "{well}.ome.tif")
        done = command(send, plate, *pattern, "--viewer", "fiji", *end, *words)
        assert done.status == 0, done

    return run


@COMMANDS
def test_what_is_configured_wins_over_the_file_and_what_is_left_open_is_the_file_s(
    send: str, show: Callable[..., None], fiji: Fiji, plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(send)
    # No colormap: each channel has the colour of its name.
    assert (fiji.last.modes, fiji.last.display) == ({}, Display(scale=OWN, unit="um"))

    plate.with_name("coverslip.toml").write_text(
        'streaming.keep = 3\n[fiji]\nlut = "Fire"\nwell_mode = "stack"\nscale = { y = 0.5 }\n'
    )
    monkeypatch.setenv("COVERSLIP_FIJI_SITE_MODE", "stack")
    show(send)
    assert fiji.last.modes.items() >= {"well": "stack", "site": "stack"}.items()
    assert fiji.last.display.colormap == "Fire"
    assert (fiji.last.display.scale, fiji.last.display.unit) == ({**OWN, "y": 0.5}, "um")
    assert fiji.last.keep == 3


@COMMANDS
def test_modes_of_the_command_win_over_the_configuration(
    send: str, show: Callable[..., None], fiji: Fiji, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_FIJI_WELL_MODE", "slice")
    show(send, "--mode", "well=Stack", "--mode", "site=separate")
    assert fiji.last.modes.items() >= {"well": "stack", "site": "separate"}.items()


@COMMANDS
@pytest.mark.parametrize("mode", ["well", "well=", "=stack", "well=stacked", "y=stack"])
def test_a_mode_that_is_none_is_refused_before_anything_is_sent(
    command: Command, plate: Path, send: str, mode: str
) -> None:
    done = command(send, plate, "--mode", mode)
    assert done.status == 2
    assert f"'{mode}': write COMPONENT=MODE, as in well=stack; a mode is one" in done.err


@COMMANDS
def test_a_mode_of_what_no_file_has_is_said_to_be_for_nothing(
    command: Command, fiji: Fiji, plate: Path, send: str
) -> None:
    end = ("--idle", 0.2) if send == "watch" else ()
    names = ("--pattern", "{well}.ome.tif", "--viewer", "fiji")
    modes = ("--mode", "wel=stack", "--mode", "well=stack")
    done = command(send, plate, *names, *end, *modes)
    assert done.status == 0
    said = "--mode wel=… is for nothing: no file has a component 'wel'; they have plate, well"
    assert done.err.count(said) == 1
    assert "--mode well=" not in done.err
    told = json.loads(command(send, plate, *names, *end, *modes, "--json").out)
    assert told["unused_modes"] == ["wel"]


@COMMANDS
def test_what_planes_may_take_while_they_wait_is_the_stream_s(
    show: Callable[..., None], send: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    views: list[View] = []

    def connecting(*kinds: str, **options: Any) -> View:
        views.append(connect(*kinds, **options))
        return views[-1]

    monkeypatch.setattr(window, "connect", connecting)
    show(send, "--budget", "100MiB")
    assert [view.stream.budget for view in views] == [100 << 20]


def test_too_many_layers_are_made_fewer_by_what_the_command_says(
    command: Command, fiji: Fiji, plate: Path
) -> None:
    fiji.max_layers, port = 1, fiji.connection.endpoint.port
    words = ("view", plate, "--pattern", "{well}.ome.tif", "--viewer", "fiji")
    full = command(*words, "--mode", "well=slice", "--max-layers", 2)
    assert full.status == 1
    assert f"fiji on port {port} runs already and stays as it was started" in full.err
    said = '1 layer is the most that this viewer shows: give well the mode "stack" (--mode well='
    assert said in full.err
    assert f"`coverslip clear {port}` makes room" in full.err
    assert command("clear", port).status == 0
    assert command(*words, "--mode", "well=stack").status == 0


def test_a_viewer_that_does_not_outlive_the_command_is_not_said_to_stay(
    command: Command, no_window: None, plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kinds._OURS, "headless", kinds._OURS["napari"])
    plate.with_name("coverslip.toml").write_text("[streaming]\npersistent = false\n")
    done = command("view", plate, "--pattern", "{well}.ome.tif", "--viewer", "headless")
    assert done.status == 0
    assert "ends with this command, as persistent=false is configured" in done.err
    assert "stays open" not in done.err


def test_a_viewer_that_is_started_has_as_many_layers_and_as_much_memory_as_is_said(
    command: Command, no_window: None, plate: Path
) -> None:
    room = ("--max-layers", 1, "--memory", "1GB")
    names = ("--pattern", "{well}.ome.tif")
    done = command("view", plate, *names, "--mode", "well=slice", *room)
    assert done.status == 1
    assert "--max-layers" in done.err
    (connection,) = list_connections()
    report = request(connection.endpoint, Status(), Report, timeout=20)
    assert report.usage.budget == 10**9
    line = connection.endpoint.to_url()
    assert "leave out --memory and --max" in command("view", plate, *room, "--connection", line).err
