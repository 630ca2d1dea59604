"""What programs get from commands: JSON of each that prints, an exit status with a meaning."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from coverslip.transport import Endpoint, Report, Status, list_connections, request
from coverslip.viewers import connect
from coverslip.viewers.cli import servers
from coverslip.viewers.cli.app import STATUS, app
from tests.viewers.cli.program import Command, QuietVisualizer
from tests.viewers.headless import HeadlessServer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "command-line.md"
COMMANDS: dict[str, Any] = {}
for _name, _command in get_command(app).commands.items():  # type: ignore[attr-defined]  # a group
    for _below, _each in getattr(_command, "commands", {"": _command}).items():
        COMMANDS[f"{_name} {_below}".strip()] = _each
PRINTS_NOTHING = {"manager"}


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - PRINTS_NOTHING))
def test_each_command_that_prints_has_json(name: str) -> None:
    assert "--json" in options(COMMANDS[name])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_commands_help_says_what_its_exit_status_means(command: Command, name: str) -> None:
    said = command(*name.split(), "--help")
    assert said.status == 0
    assert " ".join(STATUS.split()) in " ".join(said.out.split())


def test_the_page_has_each_command_and_each_status() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `coverslip ([a-z]+(?: show)?)", text, re.M)) == COMMANDS.keys()
    statuses = re.findall(r"^\| (\d+) \|", text, re.M)
    assert statuses == re.findall(r"\b\d+\b", STATUS) == ["0", "1", "2", "130"]


@pytest.fixture
def viewer(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[QuietVisualizer]:
    one = QuietVisualizer(port=free_port(), viewer_title="mine")
    one.start_viewer()
    yield one
    one.stop_viewer()


def test_launch_says_where(command: Command, no_window: None, free_port: Callable[[], int]) -> None:
    port = free_port()
    told = json.loads(command("launch", "--port", port, "--title", "mine", "--json").out)
    (connection,) = list_connections()
    assert told == {
        "kind": "headless",
        "port": port,
        "control_port": port + 1000,
        "title": "mine",
        "pid": connection.pid,
        "log": str(connection.log),
    }


def test_launch_says_to_the_viewer_what_it_may_take(
    command: Command, no_window: None, free_port: Callable[[], int]
) -> None:
    port = free_port()
    assert command("launch", "--port", port, "--memory", "1GB", "--max-layers", 2).status == 0
    with connect("napari", port=port, modes={"well": "slice"}) as view:
        for well in ("A01", "A02", "A03"):
            view.show([[1, 2], [3, 4]], well=well)
        assert view.flush(20).failed == 1
        assert "2 layers are the most" in str(view.statistics().reasons)
    (connection,) = list_connections()
    report = request(connection.endpoint, Status(), Report, timeout=20)
    assert report.usage.budget == 10**9
    assert "is no size" in command("launch", "--memory", "much").err


def test_clear_and_logs_say_of_whom(command: Command, viewer: QuietVisualizer) -> None:
    pid, log = viewer.connection.pid, viewer.connection.log
    cleared = json.loads(command("clear", viewer.port, "--json").out)
    assert cleared == {"cleared": [{"kind": "headless", "port": viewer.port, "pid": pid}]}
    assert log is not None
    with Path(log).open("a", encoding="utf-8") as out:
        out.write("one\ntwo [2]\n")
    read = json.loads(command("logs", viewer.port, "-n", 2, "--json").out)
    assert read == {"port": viewer.port, "log": str(log), "lines": ["one", "two [2]"]}
    assert "leave out one" in command("logs", viewer.port, "--json", "--follow").err


def test_a_frozen_viewer_is_not_waited_for(
    command: Command, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "PING_TIMEOUT", 0.2)
    with HeadlessServer(port=free_port()) as deaf:
        deaf.bind()
        port = deaf.connection.endpoint.port
        done = command("clear", port)
        assert done.status == 2
        assert f"headless on port {port} (pid" in done.error
        assert f"end it with `coverslip stop {port}`" in done.error


def test_stop_says_who_has_ended(command: Command, viewer: QuietVisualizer) -> None:
    row = {"kind": "headless", "port": viewer.port, "pid": viewer.connection.pid}
    done = command("stop", viewer.port, "--json")
    assert (done.status, json.loads(done.out)) == (0, {"stopped": [row], "not_stopped": []})
    done = command("stop", "--all", "--json")
    assert (done.status, json.loads(done.out)) == (0, {"stopped": [], "not_stopped": []})
    assert done.err == ""


def test_the_line_is_json_where_it_may_be_read_by_its_user_alone(
    command: Command, viewer: QuietVisualizer, tmp_path: Path
) -> None:
    port, endpoint = viewer.port, viewer.connection.endpoint
    line = tmp_path / "line"
    told = json.loads(command("connection", "show", port, "--file", line, "--json").out)
    assert told["file"] == str(line)
    assert "line" not in told
    assert Endpoint.from_url(line.read_text()) == endpoint
    refused = command("connection", "show", port, "--json")
    assert refused.status == 2
    assert "--file" in refused.error
    private = tmp_path / "told.json"
    private.touch(mode=0o600)
    program = [sys.executable, "-m", "coverslip.viewers", "connection", "show", str(port), "--json"]
    with private.open("w") as out:
        subprocess.run(program, stdout=out, stderr=subprocess.DEVNULL, check=True)
    assert Endpoint.from_url(json.loads(private.read_text())["line"]) == endpoint


@pytest.mark.skipif(sys.platform == "win32", reason="a signal to one process alone")
def test_ctrl_c_is_130(viewer: QuietVisualizer) -> None:
    follower = subprocess.Popen(
        [sys.executable, "-m", "coverslip.viewers", "logs", str(viewer.port), "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    follower.stdout.readline()  # it is at work
    follower.send_signal(signal.SIGINT)
    _, said = follower.communicate(timeout=30)
    assert follower.returncode == 130
    assert "Traceback" not in said


def test_a_viewer_that_does_not_stop_is_status_1(
    command: Command, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest in a process that is somebody's own is never signalled, so it may stay."""
    monkeypatch.setattr(servers, "STOP_TIMEOUT", 0.1)
    with HeadlessServer(port=free_port()) as deaf:
        deaf.bind()
        port = deaf.connection.endpoint.port
        done = command("stop", port, "--json")
        assert done.status == 1
        (left,) = json.loads(done.out)["not_stopped"]
        assert (left["port"], "still there" in left["reason"]) == (port, True)
        done = command("stop", port)
        assert done.status == 1
        assert f"headless on port {port} did not stop" in done.err
