"""What comes out of a relay is what went in: in which order, how often, and byte by byte."""

from __future__ import annotations

import random
import zlib

import pytest

from coverslip.payload import CODEC, Display, Source, compress
from coverslip.transport import (
    Clear,
    Done,
    Endpoint,
    Ping,
    Pong,
    Publisher,
    PublisherState,
    RequestRefused,
    request,
)
from coverslip.viewers.relay import server as served
from coverslip.viewers.relay.messages import Fetch, Fetched
from coverslip.viewers.relay.server import RelayServer
from tests.viewers.relay.conftest import Relay, audience
from tests.viewers.relay.ends import Sender, Taker
from tests.waiting import DEADLINE, eventually

MIB = 1 << 20


def noise(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)


def where(server: RelayServer) -> Endpoint:
    return server.connection.endpoint


def test_frames_come_out_as_they_went_in_and_headers_without_what_is_the_producers(
    relay: Relay,
) -> None:
    server = relay()
    pixels = bytes(range(256)) * 4096
    room = memoryview(bytearray(len(pixels)))
    packed = bytes(room[: compress(memoryview(pixels), 1, room)])
    assert 0 < len(packed) < len(pixels)
    source = Source(name="raw", step_name="blur", display=Display(colormap="green"))
    with Sender(where(server)) as sender, Taker(where(server)) as taker:
        assert (sender.attached.transfer, sender.attached.codecs) == ("inline", [CODEC])
        sender.send([packed], shape=(1024, 1024), codec="blosc2", z_index=0, source=source)
        sender.send([noise(1, 300_000), noise(2, 5)], z_index=1, well="A01")
        sender.settle()
        first, second = taker.everything()
    assert first.frames == [packed]
    assert second.frames == [noise(1, 300_000), noise(2, 5)]
    assert first.batch is not None
    assert first.batch.source == source
    assert first.batch.planes[0].pixels.codec == "blosc2"  # type: ignore[union-attr]  # inline
    assert (first.batch.stream, first.batch.epoch) == ("relay", 0)
    assert second.batch is not None
    assert second.batch.planes[0].components == {"z_index": 1, "well": "A01"}


def test_the_newest_first_without_what_newer_planes_replaced(relay: Relay) -> None:
    server = relay()
    with Sender(where(server)) as sender:
        for number in range(6):
            sender.send([noise(number, 100)], z_index=number)
        sender.send([noise(99, 100)], z_index=2)
        sender.settle()
        with Taker(where(server), newest=True) as taker:
            (newest,) = taker.fetch(limit=1)
            assert (newest.number, newest.frames) == (2, [noise(99, 100)])
            # What comes now is newer still.
            sender.send([noise(7, 100)], z_index=7)
            sender.settle()
            found = taker.everything()
            assert [got.number for got in found] == [7, 5, 4, 3, 1, 0]
            # Whoever looks at the newest plane is not to be led to these.
            assert [got.number for got in (newest, *found) if got.late] == [5, 4, 3, 1, 0]
    (reader,) = audience(server)
    assert (reader.sent, reader.replaced, reader.waiting) == (7, 1, 0)


@pytest.mark.parametrize("source", [Source(keep=2), Source(replace="run 2")])
def test_what_asks_for_its_order_keeps_it(relay: Relay, source: Source) -> None:
    server = relay()
    with Sender(where(server)) as sender:
        for number in range(3):
            sender.send([b"plain"], z_index=number)
            sender.send([b"order"], z_index=10 + number, source=source)
        sender.settle()
        with Taker(where(server), newest=True) as taker:
            assert [got.number for got in taker.everything()] == [10, 11, 12, 2, 1, 0]


def test_who_comes_back_goes_on_where_it_was(relay: Relay) -> None:
    server = relay()
    with Sender(where(server)) as sender:
        for number in range(10):
            sender.send([noise(number, 100)], z_index=number)
        sender.settle()
        with Taker(where(server)) as taker:
            assert [got.number for got in taker.fetch(limit=600)] == [0, 1]
            # An answer that is under way when the connection ends.
            taker.received = 1
            taker.ask(limit=600)
            eventually(lambda: audience(server)[0].sent == 4, "it was sent")
        with Taker(where(server)) as back:
            back.account, back.received = taker.account, 1
            found = back.everything()
            assert [got.number for got in found] == list(range(1, 10))
            assert [got.sequence for got in found] == list(range(1, 10))
        # Another viewer gets everything, and so does one that knows of another account.
        with Taker(where(server), "other") as other:
            other.account, other.received = "of a relay that was", 7
            assert [got.sequence for got in other.everything()] == list(range(10))


def test_over_the_budget_planes_lie_on_disk_and_come_back_as_they_were(relay: Relay) -> None:
    server = relay(memory=64 * MIB)
    sums = {}
    with Sender(where(server)) as sender:
        for number in range(150):
            frames = [noise(number, MIB - 1000), noise(-number, 900)]
            sums[number] = [zlib.crc32(frame) for frame in frames]
            sender.send(frames, z_index=number)
            if number % 20 == 19:
                sender.settle()
        sender.settle()
        usage = server.usage()
        assert usage.memory <= 64 * MIB
        assert usage.disk > 80 * MIB
        assert (usage.in_memory + usage.on_disk, usage.dropped) == (150, 0)
        with Taker(where(server)) as taker:
            for number, got in enumerate(taker.everything()):
                assert got.number == number
                assert [zlib.crc32(frame) for frame in got.frames] == sums.pop(number)
    assert not sums


def test_over_the_budget_of_both_the_oldest_are_dropped_and_counted(relay: Relay) -> None:
    server = relay(memory=64 * MIB, disk=16 * MIB)
    with Sender(where(server)) as sender, Taker(where(server)) as early:
        sender.send([noise(0, MIB)], z_index=0)
        sender.settle()
        assert [got.number for got in early.fetch()] == [0]
        for number in range(1, 120):
            sender.send([noise(number, MIB)], z_index=number)
            if number % 20 == 19:
                sender.settle()
        sender.settle()
        eventually(lambda: server.usage().memory < 50 * MIB, "nothing is to be written any more")
        usage = server.usage()
        assert usage.disk <= 16 * MIB
        assert usage.in_memory + usage.on_disk + usage.dropped == 120
        assert usage.dropped > 40
        # One that was there is told how many it missed; one that comes now gets what is there.
        gone, *rest = early.everything()
        assert gone.batch is None
        assert gone.sequence == 1
        assert rest[0].sequence - gone.sequence == usage.dropped - 1
        assert [got.number for got in rest] == list(range(usage.dropped, 120))
        with Taker(where(server), "late") as late:
            assert [got.number for got in late.everything()] == list(range(usage.dropped, 120))
    told = {one.viewer: (one.sent, one.missed, one.waiting) for one in audience(server)}
    left = 120 - usage.dropped
    assert told == {"taker": (1 + left, usage.dropped - 1, 0), "late": (left, 0, 0)}


def test_cleared_by_a_pipeline_it_is_empty_and_viewers_are_told_once(relay: Relay) -> None:
    server = relay()
    with Sender(where(server)) as sender, Taker(where(server)) as taker:
        for number in range(4):
            sender.send([noise(number, 100)], z_index=number)
        sender.settle()
        assert [got.number for got in taker.fetch(limit=1)] == [0]
        request(where(server), Clear(), Done, timeout=DEADLINE)
        sender.send([noise(4, 100)], z_index=4)
        sender.settle()
        assert [got.number for got in taker.fetch()] == [4]
        taker.fetch()
        assert taker.cleared == [False, True, False]
        with Taker(where(server), "late") as late:
            assert [got.number for got in late.everything()] == [4]
    assert server.usage().dropped == 0


def test_junk_is_refused_and_counted_and_the_rest_goes_on(relay: Relay) -> None:
    server = relay()
    with Sender(where(server)) as sender, Taker(where(server)) as taker:
        publisher = Publisher.acquire(where(server))
        try:
            eventually(lambda: publisher.poll() is PublisherState.LISTENING, "subscribed")
            for number in range(50):
                publisher.send([noise(number, number * 7), b"pixels"])
            # A frame that nobody names; a stream that never attached.
            sender.name = "unknown"
            sender.send([b"pixels"], z_index=0)
        finally:
            publisher.release()
        eventually(lambda: request(where(server), Ping(), Pong, timeout=20).refused == 51, "all")
        sender.name, sender.sent = "sender", 0
        sender.send([b"pixels"], z_index=0)
        sender.settle()
        assert [got.number for got in taker.everything()] == [0]
        for _ in range(20):
            taker._channel.ask(Fetch(viewer="greedy", session="s"))
        with pytest.raises(RequestRefused, match="open already"):
            list(iter(lambda: taker._channel.receive(Fetched, timeout=DEADLINE), None))


def test_who_confirms_nothing_is_sent_no_more_than_so_much(relay: Relay) -> None:
    server = relay()
    with Sender(where(server)) as sender, Taker(where(server)) as taker:
        for number in range(20):
            sender.send([noise(number, 100)], z_index=number)
        sender.settle()
        for number in range(8):
            (got,) = taker.fetch(limit=1)
            assert got.number == number
            taker.received = 0
        with pytest.raises(RequestRefused, match="not confirmed"):
            taker.fetch(limit=1)
        taker.received = 8
        assert [got.number for got in taker.everything()] == [*range(8, 20)]
    (reader,) = audience(server)
    assert (reader.sent, reader.missed, reader.waiting) == (20, 0, 0)


def test_a_frame_that_no_viewer_could_receive_fails_and_the_next_arrive(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "LARGEST_REPLY", MIB)
    server = relay()
    with Sender(where(server)) as sender, Taker(where(server)) as taker:
        sender.send([noise(0, MIB + 1)], z_index=0)
        sender.send([noise(1, MIB)], z_index=1)
        eventually(lambda: sender.counts().shown == 1, "the relay has what it can pass on")
        counts = sender.counts()
        assert (counts.failed, counts.dropped) == (1, 0)
        assert "cut it" in " ".join(counts.reasons)
        assert [got.number for got in taker.everything()] == [1]


def test_only_viewers_that_are_away_make_room_for_others(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "_MOST_VIEWERS", 2)
    monkeypatch.setattr(served, "_PATIENCE", DEADLINE)
    server = relay()
    with Sender(where(server)) as sender, Taker(where(server), "away") as away:
        sender.send([b"pixels"], z_index=0)
        sender.settle()
        assert len(away.fetch()) == 1
        away.ask()
        eventually(lambda: server._seats["away"].questions, "it waits for what comes next")
        with Taker(where(server), "here") as here, Taker(where(server), "new") as new:
            assert len(here.fetch()) == 1
            with pytest.raises(RequestRefused, match="2 viewers are served"):
                new.fetch()
            monkeypatch.setattr(served, "_HERE", 0.0)
            assert len(new.fetch()) == 1
            with pytest.raises(RequestRefused, match="others have come"):
                away.answer()
            assert [one.viewer for one in audience(server)] == ["here", "new"]
