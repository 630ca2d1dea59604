"""Display, shared memory, runtime folder, ports and packages, as they are and as they may be."""

from __future__ import annotations

import importlib.metadata
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coverslip.viewers import doctor
from coverslip.viewers.doctor import Finding, State, machine, packages, ports, worst
from coverslip.viewers.napari import NapariStreamVisualizer
from tests.viewers.headless import serving


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_no_display_fails_and_names_xvfb_run(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    found = only(machine.check_display())
    assert (found.state, found.found) == (
        State.FAIL,
        "neither DISPLAY nor WAYLAND_DISPLAY is set",
    )
    assert "xvfb-run -a" in found.advice


def test_another_process_opens_an_arena() -> None:
    found = only(machine.check_sharing())
    # Where little memory is free, that is what is told.
    told = {State.OK: "opened by another process", State.WARN: "free some"}
    assert told[found.state] in found.found + found.advice


def test_memory_that_no_other_process_can_open_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As where /proc hides the processes of others: what the neighbour says is what is told.
    monkeypatch.setattr(machine, "_NEIGHBOUR", "raise PermissionError('/proc/1/fd/3')")
    found = only(machine.check_sharing())
    assert found.state is State.WARN
    assert "cannot open it: PermissionError: /proc/1/fd/3" in found.found
    assert "socket" in found.advice


def test_keys_lie_in_a_folder_of_one_s_own(runtime_folder: Path) -> None:
    assert only(machine.check_runtime_folder()) == Finding(
        "runtime folder", State.OK, str(runtime_folder)
    )


def test_a_folder_that_is_none_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COVERSLIP_RUNTIME_DIR", str(tmp_path / "file"))
    found = only(machine.check_runtime_folder())
    assert found.state is State.FAIL
    assert "COVERSLIP_RUNTIME_DIR" in found.advice


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> int:
    """The default port of napari, for this test."""
    number = free_port()
    monkeypatch.setattr(NapariStreamVisualizer, "default_port", number)
    return number


def of_napari() -> Finding:
    return {finding.name: finding for finding in ports.check_ports()}["ports of napari"]


def test_free_ports_are_said_to_be(port: int, runtime_folder: Path) -> None:
    assert of_napari() == Finding("ports of napari", State.OK, f"{port} and {port + 1000} are free")


def test_a_stranger_on_a_port_is_named_and_nothing_is_to_be_done(
    port: int, runtime_folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", port + 1000)):
        found = of_napari()
    assert found.state is State.WARN
    assert f"{port + 1000} is held by" in found.found
    assert str(os.getpid()) in found.found
    assert "the next free pair" in found.advice


def test_a_viewer_of_ours_is_where_it_should_be(port: int, runtime_folder: Path) -> None:
    with serving(port=port, title="mine"):
        found = of_napari()
    assert found.state is State.OK
    assert "mine" in found.found


def test_versions_are_told_and_a_missing_extra_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, *_ = packages.check_packages()
    assert first.state is State.OK
    assert f"coverslip-viewers {importlib.metadata.version('coverslip-viewers')}" in first.found
    monkeypatch.setitem(
        packages._EXTRAS,
        "fiji",
        ("numpy", "no-such-package"),
    )
    found = {finding.name: finding for finding in packages.check_packages()}["extra fiji"]
    assert found.state is State.WARN
    assert "no-such-package not installed" in found.found
    assert found.advice == 'pip install "coverslip-viewers[fiji]"'


def test_a_check_that_breaks_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("first", State.OK, "well")
        raise RuntimeError("no luck")

    monkeypatch.setattr(doctor, "CHECKS", (("thing", broken),))
    well, thing = doctor.examine()
    assert well.state is State.OK
    assert (thing.name, thing.state) == ("thing", State.FAIL)
    assert "RuntimeError: no luck" in thing.found


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ((), State.OK),
        ((State.OK, State.WARN, State.OK), State.WARN),
        ((State.WARN, State.FAIL), State.FAIL),
    ],
)
def test_the_worst_decides(states: tuple[State, ...], state: State) -> None:
    assert worst(Finding("", one, "") for one in states) is state
