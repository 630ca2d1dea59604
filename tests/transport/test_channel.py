"""Many requests over one connection: their answers, and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coverslip.transport import (
    Channel,
    Enclosed,
    KeyPair,
    NoServer,
    NotListening,
    Ping,
    Pong,
    ProtocolError,
    Refused,
    Reply,
    Request,
    RequestRefused,
    ZMQServer,
)
from tests.waiting import DEADLINE


class Copy(Request, frozen=True, kw_only=True):
    """Answered with frames; later, if asked so."""

    size: int = 0
    later: bool = False


class Copies(Reply, frozen=True, kw_only=True):
    size: int


class Copying(ZMQServer):
    kind = "copying"
    default_port = 5900

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.late: Future[Enclosed] = Future()
        self.taken: list[str] = []
        self.open = True

    def handlers(self) -> Any:
        return {**super().handlers(), Copy: self._copy}

    def handle_data(self, frames: list[memoryview]) -> None:
        raise Refused("none is wanted")

    def accepts_data(self) -> bool:
        return self.open

    def _copy(self, request: Copy) -> Enclosed | Future[Enclosed]:
        if request.later:
            return self.late
        pixels = memoryview(bytes(request.size))
        return Enclosed(Copies(size=request.size), [b"small", pixels, b""])


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[Copying]:
    with Copying(port=free_port()) as one:
        one.start()
        yield one


def test_answers_come_with_their_frames_as_the_server_gives_them(server: Copying) -> None:
    with Channel(server.connection.endpoint) as channel:
        late = channel.ask(Copy(later=True))
        soon = channel.ask(Copy(size=1 << 20))
        plain = channel.ask(Ping())
        answered = channel.receive(Copies, timeout=DEADLINE)
        assert answered is not None
        assert (answered.ticket, answered.reply) == (soon, Copies(size=1 << 20))
        assert [bytes(frame) for frame in answered.frames] == [b"small", bytes(1 << 20), b""]
        answered = channel.receive(Pong, timeout=DEADLINE)
        assert answered is not None
        assert (answered.ticket, answered.frames) == (plain, [])
        assert channel.receive(Copies, timeout=0.01) is None
        server.late.set_result(Enclosed(Copies(size=2), [b"la", b"te"]))
        answered = channel.receive(Copies, timeout=DEADLINE)
        assert answered is not None
        assert (answered.ticket, list(map(bytes, answered.frames))) == (late, [b"la", b"te"])


def test_a_failure_is_raised_and_the_next_answer_comes(server: Copying) -> None:
    with Channel(server.connection.endpoint) as channel:
        server.late.set_exception(Refused("not today"))
        channel.ask(Copy(later=True))
        with pytest.raises(RequestRefused, match="not today"):
            channel.receive(Copies, timeout=DEADLINE)
        channel.ask(Copy(size=1))
        answered = channel.receive(Copies, timeout=DEADLINE)
        assert answered is not None
        assert answered.reply == Copies(size=1)


def test_nobody_there_a_wrong_key_and_the_end_are_told_apart(server: Copying) -> None:
    endpoint = server.connection.endpoint
    with Channel(msgspec.structs.replace(endpoint, client_secret=KeyPair.new().secret)) as channel:
        channel.ask(Ping())
        with pytest.raises(ProtocolError, match="refused the handshake"):
            channel.receive(Pong, timeout=DEADLINE)
    with Channel(endpoint) as channel:
        channel.ask(Ping())
        assert channel.receive(Pong, timeout=DEADLINE) is not None
        server.close()
        with pytest.raises(NotListening, match="has ended"):
            channel.receive(Pong, timeout=DEADLINE)
    with Channel(endpoint) as channel:
        channel.ask(Ping())
        with pytest.raises(NoServer, match="nobody listens"):
            channel.receive(Pong, timeout=DEADLINE)


def test_what_is_handed_in_is_taken_in_turn_once_data_are(server: Copying) -> None:
    server.open = False
    done = threading.Event()

    def refuse() -> None:
        raise Refused("this one")

    for number in range(3):
        server.hand_in(lambda number=number: server.taken.append(str(number)))  # type: ignore[misc]  # a lambda's default has no type
    server.hand_in(refuse)
    server.hand_in(done.set)
    assert not done.wait(0.05)
    server.open = True
    server.wake()
    assert done.wait(DEADLINE)
    assert (server.taken, server.refused) == (["0", "1", "2"], 1)
