"""A relay between pipelines and viewers that come late, go, come back, or are slow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from coverslip.transport import Channel, Ledger
from coverslip.viewers import View, ViewerRefused
from coverslip.viewers.relay.messages import Fetch
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.server import Arrival
from tests.viewers.headless import HeadlessServer, serving
from tests.viewers.relay.conftest import (
    Relay,
    Viewer,
    audience,
    crc32,
    follow,
    held,
    numbered,
    producer,
    unfollow,
)
from tests.waiting import DEADLINE, eventually


def shows(server: HeadlessServer, expected: dict[int, int]) -> None:
    eventually(lambda: len(held(server)) == len(expected), "all are shown")
    assert held(server) == expected


def checksums(*numbers: int) -> dict[int, int]:
    return {number: crc32(numbered(number)) for number in numbers}


def account(server: HeadlessServer) -> Ledger:
    (ledger,) = server.ledgers.values()
    return ledger


def test_two_pipelines_two_viewers_and_one_that_comes_late(relay: Relay, viewer: Viewer) -> None:
    server = relay()
    early = viewer(server)
    with producer(server) as one, producer(server) as other:
        for number in range(40):
            (one, other)[number % 2].show(numbered(number), z_index=number)
        # To its pipeline a plane is shown once the relay has it.
        assert one.flush(DEADLINE) == (20, 20, 0, 0)
        assert other.flush(DEADLINE) == (20, 20, 0, 0)
    everything = checksums(*range(40))
    shows(early, everything)
    late = viewer(server)
    shows(late, everything)
    for each in (early, late):
        counts = account(each).counts()
        assert (counts.next - counts.first, counts.shown, counts.pending) == (40, 40, 0)
    eventually(
        lambda: (
            [one.counts is not None and one.counts.shown for one in audience(server)] == [40, 40]
        ),
        "the relay knows",
    )
    assert [(one.sent, one.waiting, one.missed) for one in audience(server)] == [(40, 0, 0)] * 2


def test_a_title_with_line_breaks_is_one_line_of_the_log(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "coverslip")
    fetch = Fetch(viewer="a\nviewer", session="one", title="mine\n2026-11-21 ERROR forged")
    with Channel(relay().connection.endpoint) as channel:
        channel.ask(fetch)
        eventually(lambda: "comes" in caplog.text, "it has come")
    (said,) = [message for message in caplog.messages if "comes" in message]
    assert said == r"viewer 'a\nviewer' 'mine\n2026-11-21 ERROR forged' comes"


def test_a_slow_viewer_holds_nobody_up(relay: Relay, viewer: Viewer) -> None:
    server = relay()
    fast, slow = viewer(server), viewer(server, slow=0.03)
    with producer(server) as view:
        for number in range(60):
            view.show(numbered(number), z_index=number)
        assert view.flush(DEADLINE) == (60, 60, 0, 0)
        shows(fast, checksums(*range(60)))
        assert len(held(slow)) < 60
    eventually(lambda: account(slow).counts().shown == 60, "in the end it has them all")
    assert held(slow) == checksums(*range(60))


def test_a_viewer_is_cleared_with_the_relay(relay: Relay, viewer: Viewer) -> None:
    server = relay()
    one = viewer(server)
    with producer(server) as view:
        for number in range(10):
            view.show(numbered(number), z_index=number)
        view.flush(DEADLINE)
        shows(one, checksums(*range(10)))
        view.clear()
        view.show(numbered(11), z_index=11)
        view.flush(DEADLINE)
        shows(one, checksums(11))
    assert account(one).counts().shown == 11


class Waiting(HeadlessServer):
    """Gives what comes from the relay a moment to come, while a plane named "last" is inserted."""

    def insert(self, arrival: Arrival) -> None:
        super().insert(arrival)
        if arrival.placement.layer.name == "last":
            eventually(lambda: self._calls, "it is to be cleared")
            for _ in range(100):
                if self.waiting:
                    break
                self._pause.wait(0.003)


def test_what_comes_after_a_clear_is_not_cleared(
    relay: Relay, running: ExitStack, free_port: Callable[[], int]
) -> None:
    server = relay()
    one = Waiting(port=free_port())
    running.callback(one.close)
    one.start()
    follow(one, server.connection.endpoint)
    with producer(server) as view, View(RemoteVisualizer(one.connection.endpoint)) as other:
        view.show(numbered(1), z_index=1)
        eventually(lambda: one.waiting == 1, "it is there")
        other.show(numbered(0), name="last", z_index=0)
        eventually(lambda: one.waiting == 2, "the other is there, too")
        view.clear()
        view.show(numbered(2), z_index=2)
        view.flush(DEADLINE)
        # One turn of the GUI: the first is shown, so the clear is due, while the last is inserted.
        one.tick(DEADLINE)
        eventually(lambda: one.tick() == 1, "what came after the clear is inserted")
        assert held(one) == checksums(2)


def test_it_follows_once_however_often_asked_until_it_is_asked_not_to(
    relay: Relay, viewer: Viewer
) -> None:
    server = relay()
    one = viewer(server)
    follow(one, server.connection.endpoint)
    with producer(server) as view:
        view.show(numbered(3), z_index=3)
        view.flush(DEADLINE)
        shows(one, checksums(3))
        assert len(audience(server)) == 1
        unfollow(one, server.connection.endpoint)
        view.show(numbered(4), z_index=4)
        view.flush(DEADLINE)
        # As the same viewer it goes on where it was.
        follow(one, server.connection.endpoint)
        shows(one, checksums(3, 4))
        assert account(one).counts().shown == 2


def test_nobody_waits_for_a_follower_that_is_begun_again_before_it_has_ended(
    running: ExitStack, relay: Relay, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = relay()
    where = ended.connection.endpoint
    ended.close()
    one = running.enter_context(serving(port=free_port()))
    told, may_go_on = threading.Event(), threading.Event()

    def hold_up(_: str) -> None:
        told.set()
        may_go_on.wait(DEADLINE)

    def followers() -> list[threading.Thread]:
        name = f"coverslip-follower-{where.port}"
        return [thread for thread in threading.enumerate() if thread.name == name]

    monkeypatch.setattr(one, "report_failure", hold_up)
    try:
        follow(one, where)
        assert told.wait(DEADLINE), "it tells that the relay is gone"
        unfollow(one, where)
        follow(one, where)
        (thread,) = followers()
    finally:
        may_go_on.set()
    assert thread.is_alive()
    unfollow(one, where)
    eventually(lambda: not followers(), "it has ended")
    told.clear()
    follow(one, where)
    assert told.wait(DEADLINE), "another has begun"


def test_what_the_relay_let_go_of_is_dropped_in_the_viewer(
    relay: Relay, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = relay(memory=1 << 20, disk=1 << 20)
    busy = viewer(server)
    with producer(server) as view, monkeypatch.context() as patch:
        patch.setattr(busy, "accepts_data", lambda: False)
        noise = np.random.default_rng(0)
        for number in range(200):
            view.show(noise.integers(0, 1 << 16, (128, 128), np.uint16), z_index=number)
        assert view.flush(DEADLINE) == (200, 200, 0, 0)
    busy.wake()
    eventually(lambda: busy.ledgers, "it takes planes in")
    eventually(lambda: account(busy).counts().next == 200, "it came to the last")
    eventually(lambda: account(busy).counts().pending == 0, "all have ended")
    counts = account(busy).counts()
    assert counts.shown + counts.dropped == 200
    assert 0 < counts.dropped <= server.usage().dropped
    assert counts.reasons == {"the relay had no room for it any more": counts.dropped}
    assert len(held(busy)) == counts.shown


def test_a_real_plate_goes_through_it(relay: Relay, viewer: Viewer, plates: Path) -> None:
    import tifffile

    server = relay()
    one = viewer(server)
    paths = sorted(
        path
        for path in (plates / "imagexpress-2wells-4channels").rglob("*.tif")
        if "thumb" not in path.name.lower()
    )[:8]
    expected = {}
    with producer(server) as view:
        for number, path in enumerate(paths):
            pixels = tifffile.imread(path)
            expected[number] = crc32(pixels)
            view.show(pixels, z_index=number)
        assert view.flush(DEADLINE).shown == len(paths)
        # On loopback, where that is not faster: what is kept and sent on is to be small.
        assert view.statistics().compressed > 0
    shows(one, expected)


def test_what_it_cannot_do_is_said_so(relay: Relay) -> None:
    with (
        producer(relay()) as view,
        pytest.raises(ViewerRefused, match=r"the relay viewer on port \d+ cannot do that: .*'Scr"),
    ):
        view.screenshot()
