"""The line for pipelines elsewhere: who sees it, what it says, and a viewer that they reach."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from coverslip.transport import Endpoint, LaunchError, list_connections, outward_addresses, ping
from coverslip.viewers import ViewerGone, connect
from coverslip.viewers.cli.app import main
from coverslip.viewers.remote import RemoteVisualizer
from tests.viewers.cli.program import Command
from tests.viewers.headless import HeadlessServer, serving


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessServer]:
    with serving(port=free_port(), title="mine") as running:
        yield running


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run ``coverslip`` with its standard output on a terminal; return what that shows."""

    def run(*arguments: object) -> str:
        master, slave = os.openpty()
        try:
            with os.fdopen(slave, "w") as screen, monkeypatch.context() as patch:
                patch.setattr(sys, "stdout", screen)
                patch.setattr("sys.argv", ["coverslip", *map(str, arguments)])
                with pytest.raises(SystemExit) as ended:
                    main()
                assert ended.value.code == 0
                screen.flush()
                return os.read(master, 1 << 16).decode()
        finally:
            os.close(master)

    return run


def an_image(folder: Path) -> Path:
    path = folder / "scan_A01_s1_w1.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint16))
    return path


def test_the_line_goes_to_a_terminal_with_a_warning(
    server: HeadlessServer, terminal: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint = server.connection.endpoint
    shown = terminal("connection", "show", endpoint.port)
    assert Endpoint.from_url(shown) == endpoint
    said = capfd.readouterr().err
    assert "it holds the keys of" in said
    assert "listens on 127.0.0.1 only" in said
    assert f"ports {endpoint.port} and {endpoint.control_port}" in said


def test_the_line_goes_to_no_pipe(server: HeadlessServer, command: Command) -> None:
    ended = command("connection", "show", server.connection.endpoint.port)
    assert ended.status == 2
    assert "--file" in ended.error
    assert server.connection.endpoint.client_secret not in ended.err


def test_the_line_goes_to_a_file_that_only_its_user_reads(
    server: HeadlessServer, tmp_path: Path
) -> None:
    file = tmp_path / "line"
    port = server.connection.endpoint.port
    program = [sys.executable, "-m", "coverslip.viewers", "connection", "show", str(port)]
    for mode, status in ((0o640, 2), (0o600, 0)):
        file.touch()
        file.chmod(mode)
        with file.open("w") as out:
            done = subprocess.run(program, stdout=out, stderr=subprocess.PIPE, check=False)
        assert done.returncode == status, done.stderr
    assert Endpoint.from_url(file.read_text()) == server.connection.endpoint


def test_a_file_is_made_that_only_its_user_reads_and_none_is_written_over(
    server: HeadlessServer, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "line"
    port = server.connection.endpoint.port
    ended = command("connection", "show", port, "--file", file)
    assert ended.status == 0, ended.err
    assert ended.out == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with connect(connection=file) as view:
        view.show([[1, 2], [3, 4]])
        assert view.flush(20).shown == 1
    again = command("connection", "show", port, "--file", file)
    assert again.status == 2
    assert "is not written over: --force" in again.error
    file.write_text("of a viewer that has ended")
    file.chmod(0o644)
    assert command("connection", "show", port, "--file", file, "--force").status == 0
    assert Endpoint.from_url(file.read_text()) == server.connection.endpoint
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_others_may_read_is_not_taken(
    server: HeadlessServer, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "line"
    file.write_text(server.connection.endpoint.to_url())
    file.chmod(0o644)
    ended = command("view", an_image(tmp_path), "--connection", file)
    assert ended.status == 2
    assert "chmod 600" in ended.err


@pytest.mark.parametrize(
    ("at", "host", "port"),
    [
        ("login3.example.org", "login3.example.org", None),
        ("localhost:7555", "localhost", 7555),
        ("[2001:db8::7]:7555", "2001:db8::7", 7555),
        ("2001:db8::7", "2001:db8::7", None),
    ],
)
def test_where_others_reach_it_can_be_said(
    server: HeadlessServer,
    command: Command,
    tmp_path: Path,
    at: str,
    host: str,
    port: int | None,
) -> None:
    endpoint = server.connection.endpoint
    file = tmp_path / "line"
    assert command("connection", "show", endpoint.port, "--at", at, "--file", file).status == 0
    read = Endpoint.from_url(file.read_text())
    assert (read.host, read.port) == (host, port or endpoint.port)
    assert read.server_key == endpoint.server_key


@pytest.mark.skipif(not outward_addresses(), reason="this machine has no address but loopback")
def test_a_viewer_on_every_address_says_one_that_others_reach(
    runtime_folder: Path, free_port: Callable[[], int], command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "line"
    with serving(port=free_port(), host="0.0.0.0") as server:
        endpoint = server.connection.endpoint
        assert endpoint.host == "127.0.0.1"
        assert command("connection", "show", endpoint.port, "--file", file).status == 0
        read = Endpoint.from_url(file.read_text())
        assert read.host == outward_addresses()[0]
        assert ping(read, 5).instance == server.instance


def test_launch_binds_what_it_is_told(
    command: Command, no_window: None, free_port: Callable[[], int]
) -> None:
    port = free_port()
    ended = command("launch", "--bind", "127.0.0.2", "--port", port, "--title", "over there")
    assert ended.status == 0, ended.err
    assert f"coverslip connection show {port}" in ended.err
    (connection,) = list_connections()
    assert ping(connection.endpoint, 5).host == "127.0.0.2"
    assert connection.title == "over there"
    again = command("launch", "--bind", "127.0.0.2", "--port", port)
    assert again.status == 2
    assert "coverslip headless viewer 'over there'" in again.error


def test_a_line_and_a_port_contradict_each_other(command: Command, tmp_path: Path) -> None:
    ended = command("view", tmp_path, "--connection", "coverslip://x", "--port", 5555)
    assert ended.status == 2
    assert "leave out --port" in ended.err


def test_help_shows_no_key(
    command: Command, monkeypatch: pytest.MonkeyPatch, server: HeadlessServer
) -> None:
    monkeypatch.setenv("COVERSLIP_CONNECTION", server.connection.endpoint.to_url())
    ended = command("view", "--help")
    assert "--connection" in ended.out
    assert "client=" not in ended.out


def test_a_line_that_is_cut_never_shows_its_key(
    command: Command, server: HeadlessServer, tmp_path: Path
) -> None:
    line = server.connection.endpoint.to_url()
    ended = command("view", an_image(tmp_path), "--connection", line[:-9])
    assert ended.status == 2
    assert "was it cut?" in ended.err
    assert line[-30:-9] not in ended.err


def test_nobody_at_the_line(runtime_folder: Path, free_port: Callable[[], int]) -> None:
    with serving(port=free_port()) as server:
        line = server.connection.endpoint.to_url()
    with pytest.raises(ViewerGone, match="see that it runs there"):
        connect(connection=line, timeout=5)
    view = connect(connection=line, start=False)
    view.show([[1, 2], [3, 4]])
    assert view.close(0).dropped == 1


def test_a_remote_one_keeps_the_contract_of_a_local_one(
    runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    with serving(port=free_port()) as server:
        server.set_state("starting")
        visualizer = RemoteVisualizer(server.connection.endpoint)
        with pytest.raises(LaunchError, match="was not ready within"):
            visualizer.start_viewer(timeout=0.3)
        visualizer.start_viewer(async_mode=True)
    visualizer.stop_viewer()  # it is gone: there is nothing to stop
