"""What every viewer's server makes of attachments and of planes that fail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import Arena, Batch, Inline, Plane, Source, encode, encode_offer
from coverslip.transport import Attach, Refused
from coverslip.viewers.entry import viewer_parser
from coverslip.viewers.messages import RunMacro
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Image, Stream
from tests.viewers.headless import HeadlessServer
from tests.waiting import eventually

SHAPE = (4, 6)
NBYTES = 24


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessServer]:
    """A server that is bound and that nothing drives: what it is handed, the test hands it."""
    with HeadlessServer(port=free_port()) as bound:
        yield bound


@pytest.fixture
def arenas() -> Iterator[tuple[Arena, Arena]]:
    with Arena(1 << 16) as one, Arena(1 << 16) as two:
        yield one, two


def attach(epoch: int, arena: Arena) -> Attach:
    return Attach(stream="s", epoch=epoch, sequence=0, offer=encode_offer(arena.offer(0)))


def message(planes: tuple[Plane, ...], pixels: tuple[bytes, ...] = (), **source: Any) -> list[Any]:
    batch = Batch("s", 2, 0, Source(**source), planes)
    return [memoryview(frame) for frame in encode(batch, pixels)]


def test_an_attach_that_is_refused_leaves_the_stream_its_arena(
    server: HeadlessServer, arenas: tuple[Arena, Arena]
) -> None:
    one, two = arenas
    assert server.attach(attach(2, one)).transfer == "shared_memory"
    with pytest.raises(Refused, match="epoch 1 is over"):
        server.attach(attach(1, two))
    region = one.reserve(NBYTES)
    assert region is not None
    region.array(SHAPE, np.uint8)[...] = 7
    server.handle_data(message((Plane(SHAPE, "|u1", one.publish(region, [0])),)))
    assert server.tick() == 1
    assert one.collect() == 1


@pytest.mark.parametrize("offer", [b"", b"\xc1", b"\x80" * 5000], ids=["none", "junk", "large"])
def test_an_offer_that_is_none_is_refused(server: HeadlessServer, offer: bytes) -> None:
    with pytest.raises(Refused, match=r"stream s: .*offer"):
        server.attach(Attach(stream="s", epoch=0, sequence=0, offer=offer))
    assert server.ledgers == {}


def test_of_many_planes_that_fail_one_is_logged_and_all_are_counted(
    server: HeadlessServer, arenas: tuple[Arena, Arena], caplog: pytest.LogCaptureFixture
) -> None:
    server.attach(attach(2, arenas[0]))
    planes = tuple(Plane(SHAPE, "|u1", Inline(n), {"well": n}) for n in range(1, 21))
    with caplog.at_level(logging.INFO):
        server.handle_data(message(planes, (bytes(NBYTES),) * 20, modes={"well": "pile"}))
    (record,) = (record for record in caplog.records if "failed" in record.message)
    assert record.exc_info
    counts = server.ledger("s").counts()
    assert (counts.failed, counts.pending) == (20, 0)
    assert "'pile'" in (server.last_error or "")


def test_all_but_the_drawing_is_done_while_the_gui_stands_still(server: HeadlessServer) -> None:
    server.start()  # and nobody ticks, as the GUI's thread would
    stream = Stream([RemoteVisualizer(server.connection.endpoint)])
    for number in range(20):
        pixels = np.full(SHAPE, number, np.uint8)
        stream.send([Image({"well": "A1", "z_index": number}, pixels)], Source())
    eventually(lambda: server.waiting == 20, "all were received and placed")
    eventually(lambda: not stream.statistics().bytes_in_flight, "copied, and their slots are free")
    assert stream.delivery() == (20, 0, 0, 0)
    assert server.tick(budget=60) == 20
    assert stream.close() == (20, 20, 0, 0)
    (layer,) = server.projection
    planes = layer.store.snapshot()
    assert [(key, int(server.read(pixels).max())) for key, pixels in planes] == [
        (("A1", number), number) for number in range(20)
    ]


def test_a_viewer_without_macros_says_so(server: HeadlessServer) -> None:
    with pytest.raises(Refused, match="headless runs no macros"):
        server.handlers()[RunMacro](RunMacro(text="1"))


def test_after_a_clear_each_layers_contrast_is_measured_exactly_anew(
    server: HeadlessServer, arenas: tuple[Arena, Arena]
) -> None:
    server.attach(attach(2, arenas[0]))
    spot = np.zeros((1024, 1024), np.uint8)
    spot[0, 0] = 255  # beside the grid of pixels that an estimate looks at
    sent = 0

    def limits() -> Any:
        nonlocal sent
        batch = Batch("s", 2, sent, Source(), (Plane(spot.shape, "|u1", Inline(1)),))
        sent += 1
        server.handle_data([memoryview(frame) for frame in encode(batch, (spot.tobytes(),))])
        arrival = server._inbox.take()
        assert arrival is not None
        return arrival.limits

    assert limits() == (0.0, 255.0)
    assert limits() is None
    server.on_gui(server.clear_own)
    server.tick()
    assert limits() == (0.0, 255.0)
    assert limits() is None


@pytest.mark.parametrize(("asked", "most"), [([], 100), (["--max-layers", "7"], 7)])
def test_the_most_layers_are_its_users_choice(asked: list[str], most: int) -> None:
    parser = viewer_parser(HeadlessServer, prog="viewer", description="")
    assert parser.parse_args(asked).max_layers == most


@pytest.mark.parametrize("asked", ["0", "-3", "many"])
def test_less_than_one_layer_is_refused(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = viewer_parser(HeadlessServer, prog="viewer", description="")
    with pytest.raises(SystemExit):
        parser.parse_args(["--max-layers", asked])
    assert "--max-layers: " in capsys.readouterr().err
