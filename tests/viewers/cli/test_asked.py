"""What a user has configured, and what stands in a command, as it reaches a viewer with planes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from coverslip.payload import Display, Source, decode
from coverslip.viewers import kinds
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
