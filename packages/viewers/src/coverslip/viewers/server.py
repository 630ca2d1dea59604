"""What every viewer's process shares: planes from the inbox into layers, questions to the GUI.

Two threads, and each owns what it touches:

- the **server thread** (`ZMQServer`'s) receives, see `coverslip.viewers.receiving`;
- the **GUI thread** calls `ViewerServer.tick` from its event loop. That inserts what the inbox
  holds for as long as its budget lasts, settles each plane's account, and answers the questions
  that only a GUI thread may answer.

A subclass draws: `NapariViewerServer`, `FijiViewerServer`.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from coverslip.transport import (
    AddressError,
    Answer,
    Clear,
    Done,
    Endpoint,
    Picture,
    Refused,
    Reply,
    Request,
    Screenshot,
)
from coverslip.viewers.following import Follower
from coverslip.viewers.inbox import Arrival
from coverslip.viewers.layering import MAX_LAYERS
from coverslip.viewers.memory import Entry, HeldPlane
from coverslip.viewers.messages import (
    AbortMacro,
    DescribeLayers,
    Follow,
    Layers,
    RaiseWindow,
    RunMacro,
    Unfollow,
)
from coverslip.viewers.receiving import ReceivingServer
from coverslip.viewers.snapshot import LayerSnapshot

__all__ = ["Arrival", "ViewerServer"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_FOLLOWED: Final = 64


class ViewerServer(ReceivingServer):
    """Shows planes exactly as its streams published them, in order within a stream.

    Each plane that arrives ends in its stream's ledger as shown (it is in the layer that is drawn),
    dropped or failed (with the reason). When the GUI lags, the data socket is not read; nothing is
    discarded here for want of room.

    `tick` and the abstract methods run on the GUI thread.

    Parameters
    ----------
    max_layers : int
        Layers of which no more are made: `insert` asks `coverslip.viewers.layering.admit`, since
        whoever draws knows which there are.
    **options
        `ReceivingServer`'s.
    """

    def __init__(self, *, max_layers: int = MAX_LAYERS, **options: Any) -> None:
        super().__init__(**options)
        self.max_layers = max_layers
        self._calls: deque[Callable[[], None]] = deque()
        self._followers: dict[str, Follower] = {}
        # Checksums of a full viewer take seconds: neither thread may wait for them.
        self._clerk = ThreadPoolExecutor(1, thread_name_prefix="coverslip-clerk")

    # ---- server thread ----------------------------------------------------------------

    def handlers(self) -> Mapping[type[Request], Answer]:
        """Return what this server answers, by request type."""
        return {
            **super().handlers(),
            Clear: lambda _: self.on_gui(self.clear_own),
            Screenshot: lambda _: self.on_gui(lambda: Picture(png=self.take_screenshot())),
            DescribeLayers: self._describe,
            RaiseWindow: lambda _: self.on_gui(self._raise),
            RunMacro: self.run_macro,
            AbortMacro: self.abort_macro,
            Follow: self._follow,
            Unfollow: self._unfollow,
        }

    # ---- any thread -------------------------------------------------------------------

    def on_gui(self, call: Callable[[], T]) -> Future[T]:
        """Run `call` in the next `tick`; its result or exception is the future's."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call())
            except Exception as error:
                logger.exception("a request to the GUI failed")
                future.set_exception(error)

        self._calls.append(run)
        self.arrived()
        return future

    @property
    def waiting(self) -> int:
        """Planes received and not yet inserted."""
        return len(self._inbox)

    # ---- GUI thread -------------------------------------------------------------------

    def tick(self, budget: float = 0.02) -> int:
        """Insert what has arrived; GUI thread only.

        Parameters
        ----------
        budget : float, default 0.02
            Seconds after which no further plane is begun. One is always done.

        Returns
        -------
        int
            Planes inserted.
        """
        while self._calls:
            self._calls.popleft()()
        for lost in self.memory.take_lost():
            self.drop_lost(lost)
        deadline = time.monotonic() + budget
        inserted = freed = 0
        held_back = not self.accepts_data()
        while (arrival := self._inbox.take()) is not None:
            freed += arrival.pixels.nbytes
            ledger = self.ledgers.get(arrival.stream)
            if ledger is not None and not ledger.draw(arrival.sequence):
                continue  # its stream was closed without waiting, and counts it as dropped
            held: Any = arrival.pixels
            if isinstance(held, HeldPlane) and held.lost:
                if ledger is not None:
                    ledger.dropped(arrival.sequence, held.lost)
                continue
            try:
                self.insert(arrival)
            except Exception as error:  # noqa: BLE001  # the burst logs it
                reason = f"{type(error).__name__}: {error}"
                self.failures.count(reason, exc_info=True)
                self.report_failure(reason)
                if ledger is not None:
                    ledger.failed(arrival.sequence, reason)
            else:
                inserted += 1
                if ledger is not None:
                    ledger.shown(arrival.sequence)
            if time.monotonic() >= deadline:
                break
        if freed:
            self._inbox.settle(freed)
            if held_back and self.accepts_data():
                self.wake()
        return inserted

    @abstractmethod
    def insert(self, arrival: Arrival) -> None:
        """Put one plane into its layer; raise to fail that plane."""

    def drop_lost(self, lost: Entry) -> None:
        """Take a plane whose pixels are lost out of its layer, unless another has its place.

        Its tag is its layer's key and its coordinates there.
        """

    @abstractmethod
    def clear_layers(self) -> None:
        """Take away every layer of ours; the user's own stay."""

    @abstractmethod
    def take_screenshot(self) -> bytes:
        """Return the whole window as PNG."""

    def raise_window(self) -> None:
        """Bring the window to the front; GUI thread."""

    @abstractmethod
    def snapshot(self) -> list[LayerSnapshot]:
        """Return what each layer of ours holds, bottom first."""

    # ---- requests ---------------------------------------------------------------------

    def run_macro(self, request: RunMacro) -> Future[Reply]:
        """Run a macro; `Refused` by viewers that run none."""
        raise Refused(f"{self.kind} runs no macros")

    def abort_macro(self, request: AbortMacro) -> Future[Reply] | Done:
        """End the macro that runs; `Refused` by viewers that run none."""
        raise Refused(f"{self.kind} runs no macros")

    def _follow(self, request: Follow) -> Done:
        endpoint = _endpoint(request.line)
        known = self._followers.get(endpoint.server_key)
        if known is not None:
            known.begin()
            return Done()
        if len(self._followers) >= _MOST_FOLLOWED:
            raise Refused(f"it has followed {_MOST_FOLLOWED} relays: start another viewer")
        self._followers[endpoint.server_key] = Follower(self, endpoint, newest=request.newest)
        return Done()

    def _unfollow(self, request: Unfollow) -> Done:
        follower = self._followers.get(_endpoint(request.line).server_key)
        if follower is not None:
            follower.end()
        return Done()

    def clear_own(self) -> Done:
        """Take away every layer of ours, and know none of them any more; GUI thread."""
        self.clear_layers()
        self.first_looks.forget()
        return Done()

    def _raise(self) -> Done:
        self.raise_window()
        return Done()

    def _describe(self, request: DescribeLayers) -> Future[Reply]:
        answer: Future[Reply] = Future()

        def hand_on(done: Future[list[LayerSnapshot]]) -> None:
            try:
                self._clerk.submit(describe, done.result())
            except Exception as error:
                logger.debug("layers cannot be described", exc_info=True)
                answer.set_exception(error)

        def describe(snapshots: list[LayerSnapshot]) -> None:
            try:
                layers = tuple(
                    one.described(self.read if request.checksums else None) for one in snapshots
                )
                answer.set_result(Layers(layers=layers))
            except Exception as error:
                logger.exception("describing layers")
                answer.set_exception(error)

        self.on_gui(self.snapshot).add_done_callback(hand_on)
        return answer

    def close(self) -> None:
        """Stop receiving, and let go of everything. Idempotent."""
        for follower in list(self._followers.values()):
            follower.end()
        # From here on no request begins another.
        super().close()
        for follower in self._followers.values():
            follower.close()
        self._clerk.shutdown(wait=True, cancel_futures=True)


def _endpoint(line: str) -> Endpoint:
    try:
        return Endpoint.from_url(line)
    except AddressError as error:
        raise Refused(str(error)) from None
