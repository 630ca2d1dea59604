"""A lane's upkeep: find its viewer, attach to it, notice its end, fetch its counts.

A thread a lane, so that a frozen viewer holds up its own courier and nobody else. It never sends a
plane; it tells its lane when planes can be sent, and through which socket.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from coverslip.payload import Offer, encode_offer
from coverslip.transport import (
    Attach,
    Attached,
    Detach,
    Done,
    Endpoint,
    NotListening,
    Publisher,
    PublisherState,
    Reply,
    Report,
    Request,
    RequestRefused,
    Status,
    TransportError,
    request,
)
from coverslip.viewers.standing import LaneState
from coverslip.viewers.target import Presence, Target
from coverslip.viewers.turn import turn
from coverslip.viewers.whole import Whole

if TYPE_CHECKING:
    from coverslip.viewers.lane import Lane

__all__ = ["Courier"]

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Reply)

_BUSY_INTERVAL = 0.02
"""Seconds between two looks while something is awaited."""

_IDLE_INTERVAL = 0.1

_ABSENT_INTERVAL = 0.25
"""Looking for a viewer reads a folder: not too often."""

_REPORT_INTERVAL = 0.25
"""How often the viewer is asked for its counts while planes are under way."""

_REPORT_SHARE = 0.05
_LONGEST_REPORT_INTERVAL = 2.0
"""Asking is a handshake: where many streams ask one viewer, or it has no time, more rarely."""

_CONTROL_TIMEOUT = 2.0


class Courier:
    """Keeps one lane connected; a thread of its own, from the start until `close`.

    The socket and the endpoint are this thread's to change; the lane is told under its lock.

    Parameters
    ----------
    lane : Lane
        Whose viewer it looks after.
    target : Target
        Where the viewer is.
    offer : callable
        Returns how the viewer may reach the stream's arena now.
    limit : float
        Seconds after which a viewer that does not listen counts as absent.
    producer : str
        Who sends, for the viewer's log and window.

    Attributes
    ----------
    abandoned : callable or None
        Lets go of the stream; set when nobody has it any more.
    """

    def __init__(
        self,
        lane: Lane,
        target: Target,
        offer: Callable[[], Offer],
        *,
        limit: float,
        producer: str,
    ) -> None:
        self.abandoned: Callable[[], object] | None = None
        self._lane = lane
        self._target = target
        self._offer = offer
        self._offered: Offer | None = None
        self._secret = secrets.token_bytes(16)
        self._limit = limit
        self._producer = producer
        self._endpoint: Endpoint | None = None
        self._publisher: Publisher | None = None
        self._connection = 0
        self._since = time.monotonic()
        self._reported = 0.0
        self._report_interval = _REPORT_INTERVAL
        self._closing = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"coverslip-courier-{lane.index}", daemon=True
        )
        self._thread.start()

    # ---- any thread -------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where the viewer is, for people to read."""
        endpoint = self._endpoint
        return "?" if endpoint is None else endpoint.data_address

    def kick(self) -> None:
        """Have it look now."""
        self._wanted.set()

    def ask(self, message: Request, reply: type[R], timeout: float) -> R:
        """Ask the viewer; raises as `coverslip.transport.request`, `NotListening` without one."""
        endpoint = self._endpoint
        if endpoint is None:
            raise NotListening("the lane has no viewer")
        return request(endpoint, message, reply, timeout=timeout)

    def close(self, *, goodbye: bool, drop: bool) -> None:
        """End the thread and close the socket; with `goodbye`, detach and fetch the counts.

        With `drop` the viewer drops what it has not shown by then.
        """
        publisher = self._publisher
        if publisher is not None:
            # libzmq ends a connection in two steps: what this begins is seen once the thread ended.
            publisher.poll()
        self._closing.set()
        self._wanted.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_CONTROL_TIMEOUT * 2)
        publisher = self._publisher
        # One that has frozen meanwhile is not waited for once more.
        if goodbye and publisher is not None and publisher.poll() is PublisherState.LISTENING:
            try:
                sequence = self._lane.account.published if drop else None
                detach = Detach(stream=self._lane.stream, secret=self._secret, sequence=sequence)
                self.ask(detach, Done, _CONTROL_TIMEOUT)
                # The last word on what was shown: what is not settled in it counts as dropped.
                self._report()
            except TransportError as error:
                logger.debug("detaching from %s: %s", self.address, error)
        self._let_go()

    # ---- its own thread ---------------------------------------------------------------

    def _run(self) -> None:
        with turn():
            self._tend()

    def _tend(self) -> None:
        level = logging.ERROR
        while not self._closing.is_set():
            try:
                self._advance()
            except Exception as error:
                # What fails may fail at each look, as a runtime folder that is gone: said once.
                logger.log(level, "the courier of lane %d goes on", self._lane.index, exc_info=True)
                level = logging.DEBUG
                if self._lane.state is LaneState.WAITING:
                    self._lane.lose(f"the viewer cannot be looked for: {error}")
            else:
                level = logging.ERROR
            self._wanted.wait(self._interval())
            self._wanted.clear()
            if self.abandoned is not None:
                # Not from this thread: what is under way may need it.
                name = f"coverslip-closer-{self._lane.index}"
                threading.Thread(target=self.abandoned, name=name, daemon=True).start()
                self.abandoned = None

    def _interval(self) -> float:
        if not self._lane.wants:
            return _ABSENT_INTERVAL
        return _IDLE_INTERVAL if self._lane.live and not self._lane.busy else _BUSY_INTERVAL

    def _advance(self) -> None:
        lane = self._lane
        if not lane.live:
            self._find()
        publisher = self._publisher
        if publisher is None:
            return
        if publisher.poll() is PublisherState.LISTENING:
            if not lane.live or publisher.connections != self._connection:
                self._attach(publisher.connections, *lane.begin_epoch())
            elif self._offered != self._offer():
                # There is a segment now where there was none: the same attachment, offered again.
                self._attach(publisher.connections, *lane.begun)
            elif lane.tend():
                self._fetch_counts()
        elif lane.live:
            lane.lose("the viewer does not answer (ended or frozen)")
        elif lane.state is LaneState.CONNECTING and self._overdue():
            lane.lose(f"the viewer at {self.address} did not answer in {self._limit:g} s")
        if not lane.live and self._target.presence() is Presence.GONE:
            self._bury()

    def _find(self) -> None:
        endpoint = self._target.locate()
        if endpoint is None:
            presence = self._target.presence()
            if self._lane.state is LaneState.WAITING and presence is Presence.GONE:
                self._lane.lose("there is no viewer")
            elif presence is Presence.STARTING:
                self._lane.expect()
        elif endpoint != self._endpoint or self._publisher is None:
            self._bury()
            publisher = Publisher.acquire(endpoint)
            self._endpoint, self._publisher = endpoint, publisher
            self._since = time.monotonic()
            self._lane.connect(publisher)

    def _bury(self) -> None:
        """Close the account and the socket of a viewer whose process ended."""
        self._lane.disconnect()
        self._let_go()

    def _let_go(self) -> None:
        with Whole():
            publisher, self._publisher, self._endpoint = self._publisher, None, None
            if publisher is not None:
                publisher.release()

    def _attach(self, connection: int, epoch: int, sequence: int) -> None:
        offer = self._offer()
        message = Attach(
            stream=self._lane.stream,
            epoch=epoch,
            sequence=sequence,
            producer=self._producer,
            offer=encode_offer(offer),
            secret=self._secret,
        )
        try:
            attached = self.ask(message, Attached, _CONTROL_TIMEOUT)
        except TransportError as error:
            logger.debug("attaching to %s: %s", self.address, error)
            if self._lane.state is LaneState.CONNECTING and self._overdue():
                what = "refuses" if isinstance(error, RequestRefused) else "has not taken"
                self._lane.lose(f"the viewer at {self.address} {what} the stream: {error}")
            return
        if attached.transfer == "inline":
            logger.info("pixels travel inline to %s: %s", self.address, attached.reason)
        self._connection = connection
        self._offered = offer
        self._lane.go_live(attached)

    def _overdue(self) -> bool:
        return time.monotonic() - self._since > self._limit

    def _fetch_counts(self) -> None:
        interval = _BUSY_INTERVAL if self._lane.inline_under_way else self._report_interval
        if time.monotonic() - self._reported <= interval:
            return
        try:
            self._report()
        except RequestRefused:
            # Too many streams came after it. Lost, it is attached anew.
            self._lane.lose("the viewer no longer knows the stream")
        except TransportError as error:
            logger.debug("asking %s for its counts: %s", self.address, error)

    def _report(self) -> None:
        asked = time.monotonic()
        report = self.ask(Status(stream=self._lane.stream), Report, _CONTROL_TIMEOUT)
        self._reported = time.monotonic()
        patience = (self._reported - asked) / _REPORT_SHARE
        self._report_interval = min(max(_REPORT_INTERVAL, patience), _LONGEST_REPORT_INTERVAL)
        self._lane.take(report)
