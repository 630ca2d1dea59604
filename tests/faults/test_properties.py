"""What decodes is well formed; what is not raises the one error that there is for it."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coverslip.payload import (
    Arena,
    ArenaReader,
    Batch,
    Inline,
    InvalidMessage,
    PayloadError,
    Plane,
    Slot,
    Source,
    decode,
    decode_offer,
    encode,
)
from coverslip.transport import (
    Attach,
    Ping,
    ProtocolError,
    Refused,
    Request,
    Status,
    decode_request,
)
from coverslip.transport.delivery import Ledger
from tests.faults.case import picture
from tests.faults.mutations import EVIL, mutated, mutated_frames
from tests.faults.recordings import record_data, record_requests

PIXELS = picture(0, 4).astype("<u2")
REQUESTS = record_requests()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[list[bytes]]:
    """Real data messages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_RUNTIME_DIR", str(tmp_path_factory.mktemp("recording")))
        return record_data()


PROPERTIES = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([evil for evil in EVIL if not isinstance(evil, str) or len(evil) < 1000]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


class TestProperties:
    """What decodes is well formed; what is not raises the one error that there is for it."""

    @PROPERTIES
    @given(seed=st.integers(0, 2**32))
    def test_a_data_message_decodes_or_is_invalid(
        self, recorded: list[list[bytes]], seed: int
    ) -> None:
        rng = random.Random(seed)
        frames = mutated_frames(rng.choice(recorded), recorded, rng)
        with contextlib.suppress(InvalidMessage):
            batch = decode(frames)
            assert all(0 <= extent < 2**31 for plane in batch.planes for extent in plane.shape)

    @PROPERTIES
    @given(seed=st.integers(0, 2**32))
    def test_a_request_decodes_or_is_a_protocol_error(self, seed: int) -> None:
        rng = random.Random(seed)
        body = mutated(rng.choice(REQUESTS), REQUESTS, rng)
        with contextlib.suppress(ProtocolError):
            assert isinstance(decode_request(body, [Ping, Status, Attach]), Request)

    @PROPERTIES
    @given(junk=JUNK)
    def test_any_message_pack_is_a_message_or_refused(self, junk: Any) -> None:
        body = msgspec.msgpack.encode(junk)
        for read in (lambda: decode([body]), lambda: decode_offer(body)):
            with contextlib.suppress(InvalidMessage):
                read()
        with contextlib.suppress(ProtocolError):
            decode_request(body, [Ping, Status, Attach])

    @PROPERTIES
    @given(
        index=st.integers(0, 2**31 - 1) | st.integers(0, 3),
        offset=st.integers(0, 2**63 - 1) | st.integers(0, 5000),
        length=st.integers(0, 2**63 - 1) | st.just(PIXELS.nbytes),
        generation=st.integers(0, 2**63 - 1) | st.integers(0, 3),
    )
    def test_a_slot_is_read_within_the_segment_or_not_at_all(
        self, index: int, offset: int, length: int, generation: int
    ) -> None:
        with Arena(4096, slots=4) as arena, ArenaReader.open(arena.offer(0)) as reader:
            region = arena.reserve(PIXELS.nbytes)
            assert region is not None
            np.copyto(region.array(PIXELS.shape, PIXELS.dtype), PIXELS)
            arena.publish(region, [0])
            plane = Plane((4, 4), "<u2", Slot(index, offset, length, generation))
            with contextlib.suppress(PayloadError):
                assert reader.copy(plane).nbytes == PIXELS.nbytes
                assert offset + length <= 4096

    @PROPERTIES
    @given(
        steps=st.lists(
            st.tuples(
                st.sampled_from(["attach", "receive", "shown", "dropped", "failed", "close"]),
                st.integers(0, 2**62) | st.integers(0, 20),
                st.integers(0, 3) | st.integers(0, 2**62),
            ),
            max_size=30,
        )
    )
    def test_an_account_adds_up_whatever_is_asked_of_it(
        self, steps: list[tuple[str, int, int]]
    ) -> None:
        ledger = Ledger()
        pending: set[int] = set()
        ended = Counter[str]()
        for what, sequence, epoch in steps:
            with contextlib.suppress(Refused, ValueError):
                match what:
                    case "attach":
                        ledger.attach(epoch, sequence)
                    case "receive":
                        if ledger.receive(epoch, sequence, 3):
                            pending.update(range(sequence, sequence + 3))
                    case "close":
                        ledger.close(sequence)
                        pending.clear()
                    case _:
                        reason = () if what == "shown" else ("a reason",)
                        getattr(ledger, what)(sequence, *reason)
                        pending.remove(sequence)
                        ended[what] += 1
            counts = ledger.counts()
            assert counts.pending == len(pending)
            assert (counts.shown, counts.failed) == (ended["shown"], ended["failed"])
            assert counts.dropped >= ended["dropped"]  # gaps, and what a close leaves, beside them
            assert counts.first <= counts.next

    @PROPERTIES
    @given(
        components=st.dictionaries(
            st.text(min_size=1, max_size=6), st.text(max_size=6) | st.integers() | st.floats()
        )
    )
    def test_components_that_travel_come_back_as_they_went(
        self, components: dict[str, Any]
    ) -> None:
        plane = Plane((4, 4), "<u2", Inline(1), components)
        batch = Batch("stream", 1, 0, Source(), (plane,))
        try:
            frames = encode(batch, [PIXELS.tobytes()])
            again = decode(frames)
        except (InvalidMessage, OverflowError):
            return
        assert again.planes[0].components == components
