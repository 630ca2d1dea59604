"""Both ends of a relay, as they are on the wire: what goes in is compared with what comes out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from coverslip.payload import Batch, Inline, Offer, Plane, Source, encode, encode_offer
from coverslip.payload import decode as decode_message
from coverslip.transport import (
    Attach,
    Attached,
    Channel,
    Counts,
    Endpoint,
    Publisher,
    PublisherState,
    Report,
    Status,
    request,
)
from coverslip.viewers.relay.messages import LARGEST_FETCH, Fetch, Fetched
from tests.waiting import DEADLINE, eventually

__all__ = ["Got", "Sender", "Taker"]


class Sender:
    """A pipeline that sends frames as they are: one plane a message."""

    def __init__(self, endpoint: Endpoint, name: str = "sender") -> None:
        self.endpoint = endpoint
        self.name = name
        self.sent = 0
        attach = Attach(
            stream=name,
            epoch=1,
            sequence=0,
            offer=encode_offer(Offer(address=None, nonce=b"", lane=0)),
            secret=b"own",
        )
        self.attached = request(endpoint, attach, Attached, timeout=DEADLINE)
        self._publisher = Publisher.acquire(endpoint)
        eventually(lambda: self._publisher.poll() is PublisherState.LISTENING, "subscribed")

    def send(
        self,
        frames: Sequence[bytes],
        *,
        shape: tuple[int, ...] | None = None,
        codec: Any = None,
        source: Source | None = None,
        **components: Any,
    ) -> None:
        """Send a plane of bytes that lies in these frames."""
        size = sum(map(len, frames))
        plane = Plane(
            shape=shape or (1, size),
            dtype="|u1",
            pixels=Inline(1, len(frames), codec),
            components=components,
        )
        batch = Batch(
            stream=self.name,
            epoch=1,
            sequence=self.sent,
            source=source or Source(),
            planes=(plane,),
        )
        self._publisher.send(encode(batch, frames))
        self.sent += 1

    def counts(self) -> Counts:
        """Return its account at the relay."""
        return request(self.endpoint, Status(stream=self.name), Report, timeout=DEADLINE).streams[
            self.name
        ]

    def settle(self) -> None:
        """Wait until the relay has all that was sent."""
        eventually(lambda: self.counts().shown == self.sent, "the relay has it")

    def close(self) -> None:
        self._publisher.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Got(NamedTuple):
    """A plane as it came out."""

    sequence: int
    batch: Batch | None
    frames: list[bytes]
    late: bool

    @property
    def number(self) -> Any:
        """Its z index; None for planes that the relay had let go of."""
        return None if self.batch is None else self.batch.planes[0].components["z_index"]


class Taker:
    """A viewer that fetches and keeps what it got as it came."""

    def __init__(self, endpoint: Endpoint, viewer: str = "taker", *, newest: bool = False) -> None:
        self._channel = Channel(endpoint)
        self._session = uuid.uuid4().hex
        self._viewer = viewer
        self._newest = newest
        self.account = ""
        self.received = 0
        self.cleared: list[bool] = []
        """Of each answer, whether it began with a clear."""

    def ask(self, limit: int = LARGEST_FETCH) -> None:
        """Ask for what comes next."""
        self._channel.ask(
            Fetch(
                viewer=self._viewer,
                session=self._session,
                account=self.account,
                received=self.received,
                newest=self._newest,
                limit=limit,
            )
        )

    def fetch(self, limit: int = LARGEST_FETCH) -> list[Got]:
        """Ask, and return the answer's planes; none where nothing came in a while."""
        self.ask(limit)
        return self.answer()

    def answer(self) -> list[Got]:
        """Return the next answer's planes."""
        answered = self._channel.receive(Fetched, timeout=DEADLINE)
        assert answered is not None
        fetched = answered.reply
        assert isinstance(fetched, Fetched)
        self.account = fetched.account
        self.cleared.append(fetched.cleared)
        sequence, frames = fetched.sequence, answered.frames
        got = []
        for one in fetched.messages:
            mine, frames = frames[: one.frames], frames[one.frames :]
            batch = decode_message(mine) if mine else None
            got.append(Got(sequence, batch, [bytes(frame) for frame in mine[1:]], one.late))
            sequence += one.planes
        assert not frames
        self.received = sequence
        return got

    def everything(self, limit: int = LARGEST_FETCH) -> list[Got]:
        """Fetch until nothing comes any more."""
        found: list[Got] = []
        while got := self.fetch(limit):
            found += got
        return found

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
