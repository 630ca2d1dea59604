"""Peers with the key that send junk, and peers without it: nobody else suffers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coverslip.transport import (
    Ping,
    Pong,
    Report,
    Status,
    request,
)
from coverslip.viewers import View
from coverslip.viewers.relay.visualizer import RelayVisualizer
from tests.faults.case import Case, picture, settled_at
from tests.faults.fuzz import RELAY_MEMORY, fuzz_control, fuzz_data, honest, honest_through
from tests.faults.intruders import HOW, intruding
from tests.viewers.headless import HeadlessVisualizer

MESSAGES = 2_000
"""On each socket; `hatch run fuzz` sends a hundred thousand."""


@pytest.fixture
def relay(
    runtime_folder: Path,
    tmp_path: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RelayVisualizer]:
    """A relay in a process of its own."""
    monkeypatch.setenv("COVERSLIP_SCRATCH", str(tmp_path / "scratch"))
    made = RelayVisualizer(port=free_port(), persistent=False, memory=RELAY_MEMORY)
    made.start_viewer()
    yield made
    made.stop_viewer()


class TestFuzz:
    @pytest.mark.fault(
        "bad input", f"{MESSAGES:,} changed data messages, by a key's holder", holds=(2, 4)
    )
    def test_the_data_socket(self, viewer: HeadlessVisualizer, case: Case) -> None:
        seed = secrets.randbits(32)
        outcome = fuzz_data(viewer.endpoint, viewer.connection.pid, MESSAGES, seed)
        assert outcome.refused > MESSAGES // 4, f"{outcome}, seed {seed}"
        case.notes = [f"{outcome.refused:,} of {outcome.sent:,} refused"]
        self._honest(viewer, case)

    @pytest.mark.fault("bad input", f"{MESSAGES:,} changed requests, by a key's holder", holds=(4,))
    def test_the_control_socket(self, viewer: HeadlessVisualizer, case: Case) -> None:
        seed = secrets.randbits(32)
        outcome = fuzz_control(viewer.endpoint, viewer.connection.pid, MESSAGES, seed)
        assert outcome.failures > MESSAGES // 2, f"{outcome}, seed {seed}"
        case.notes = [f"{outcome.failures:,} of {outcome.sent:,} answered with a failure"]
        self._honest(viewer, case)

    @pytest.mark.fault(
        "bad input", f"{MESSAGES:,} changed data messages and requests to a relay", holds=(2, 4)
    )
    def test_both_sockets_of_a_relay(
        self, relay: RelayVisualizer, viewer: HeadlessVisualizer, case: Case
    ) -> None:
        seed, pid = secrets.randbits(32), relay.connection.pid
        data = fuzz_data(relay.endpoint, pid, MESSAGES, seed)
        assert data.refused > MESSAGES // 4, f"{data}, seed {seed}"
        control = fuzz_control(relay.endpoint, pid, MESSAGES, seed)
        assert control.failures > MESSAGES // 2, f"{control}, seed {seed}"
        case.notes = [
            f"{data.refused:,} of {data.sent:,} refused",
            f"{control.failures:,} of {control.sent:,} answered with a failure",
        ]
        assert request(relay.endpoint, Ping(), Pong, timeout=20).state == "ready"
        with View(relay) as view:
            honest_through(relay, viewer, view, 50)
            case.check(view.close(), settled_at(relay.endpoint, view.stream.id))

    def _honest(self, viewer: HeadlessVisualizer, case: Case) -> None:
        assert request(viewer.endpoint, Ping(), Pong, timeout=20).state == "ready"
        with View(viewer) as view:
            honest(view, 50)
            case.check(view.close(), settled_at(viewer.endpoint, view.stream.id))


class TestWithoutTheKey:
    """Who does not hold the key does not get in, and takes nothing from those who do."""

    @pytest.mark.parametrize(
        "how",
        [
            pytest.param(
                how,
                marks=pytest.mark.fault("bad input", f"a crowd of peers with {how}", holds=(2, 6)),
            )
            for how in HOW
        ],
    )
    def test_none_gets_in(self, viewer: HeadlessVisualizer, case: Case, how: str) -> None:
        with intruding(viewer.endpoint, how, peers=10), View(viewer) as view:
            for number in range(200):
                case.show(view, picture(number), z_index=number)
            case.check(view.flush(30), settled_at(viewer.endpoint, view.stream.id))
        assert (case.sent, case.shown) == (200, 200)
        streams = request(viewer.endpoint, Status(), Report, timeout=20).streams
        assert set(streams) == {view.stream.id}
