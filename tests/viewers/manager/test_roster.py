"""What the manager knows of the viewers, without a window."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from coverslip.transport import AddressError, TransportError, stop
from coverslip.viewers import View
from coverslip.viewers.manager.deeds import ask_to_end, kill
from coverslip.viewers.roster import Health, Roster, ViewerState
from tests.viewers.headless import HeadlessVisualizer, serving

pytest.importorskip("PyQt6")

PLANE = np.arange(64, dtype=np.uint16).reshape(8, 8)


@pytest.fixture
def roster(runtime_folder: Path) -> Iterator[Roster]:
    """A roster that sees this test's viewers alone."""
    roster = Roster()
    yield roster
    roster.close()


def only(states: list[ViewerState]) -> ViewerState:
    (state,) = states
    return state


def test_nobody(roster: Roster) -> None:
    assert roster.look() == []


def test_counts_and_rate_are_the_viewers(roster: Roster) -> None:
    with serving(title="plate 3") as server:
        view = View(HeadlessVisualizer(port=server.connection.endpoint.port))
        roster.look()
        for z in range(5):
            view.show(PLANE, z_index=z)
        view.show(PLANE, well="unlucky")
        assert view.flush().shown == 5
        state = only(roster.look())
        view.close()
    assert (state.kind, state.title, state.health) == ("headless", "plate 3", Health.READY)
    assert (state.shown, state.waiting, state.dropped, state.failed) == (5, 0, 0, 1)
    assert state.rate > 0
    assert state.uptime > 0
    assert "unlucky" in state.last_error


def test_many_are_asked_at_once(roster: Roster) -> None:
    with serving() as one, serving() as two, serving() as three:
        ports = [server.connection.endpoint.port for server in (one, two, three)]
        assert sorted(state.port for state in roster.look()) == sorted(ports)


def test_a_frozen_viewer_is_red_and_keeps_its_counts_and_can_be_killed(roster: Roster) -> None:
    visualizer = HeadlessVisualizer(persistent=False)
    visualizer.start_viewer()
    view = View(visualizer)
    view.show(PLANE, z_index=1)
    assert view.flush().shown == 1
    view.close()
    before = only(roster.look())
    pid = visualizer.connection.pid
    os.kill(pid, signal.SIGSTOP)
    state = only(roster.look())
    assert (state.health, state.shown) == (Health.SILENT, before.shown)
    assert "no answer" in state.last_error
    ended = ask_to_end(state, patience=0.5)
    assert not ended.gone
    assert ended.last is None
    kill(state)
    visualizer.stop_viewer()
    assert roster.look() == []


def test_asked_to_end_it_says_goodbye_and_goes(roster: Roster) -> None:
    visualizer = HeadlessVisualizer(persistent=False)
    visualizer.start_viewer()
    ended = ask_to_end(only(roster.look()))
    assert ended.gone
    assert ended.last is not None
    assert ended.last.state == "ready"
    visualizer.stop_viewer()


def test_a_pasted_line_is_watched_until_it_is_forgotten(
    roster: Roster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(title="over there") as server:
        line = server.connection.endpoint.to_url()
        # As from another machine: its connection file is not here.
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        monkeypatch.setenv("COVERSLIP_RUNTIME_DIR", str(elsewhere))
        roster.add_remote(f"  {line}\n")
        state = only(roster.look())
        assert (state.title, state.health, state.connection) == ("over there", Health.READY, None)
        monkeypatch.undo()
    monkeypatch.setenv("COVERSLIP_RUNTIME_DIR", str(elsewhere))
    assert only(roster.look()).health is Health.SILENT
    roster.forget_remote(state.key)
    assert roster.look() == []


def test_what_is_no_line_is_refused(roster: Roster) -> None:
    with pytest.raises(AddressError):
        roster.add_remote("https://example.org")


def test_a_viewer_elsewhere_is_never_killed_from_here(roster: Roster) -> None:
    with serving() as server:
        state = only(roster.look())._replace(connection=None)
        with pytest.raises(TransportError, match="only be asked"):
            kill(state)
        assert not server.stopped.is_set()
        stop(server.connection)
