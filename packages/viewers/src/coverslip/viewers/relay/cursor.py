"""One viewer's way through what a relay holds: what it has had, and what comes next."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from coverslip.payload import Inline, decode
from coverslip.transport import Counts, Enclosed, Refused
from coverslip.viewers.relay.history import Frame, History, Record, headed
from coverslip.viewers.relay.messages import Fetch, Fetched, Passed, Reader

__all__ = ["Cursor"]

_MOST_UNCONFIRMED: Final = 8
"""Answers: what is under way to a viewer is the relay's memory, until the viewer has it."""

_MOST_FRAMES: Final = 1 << 15
"""In an answer, beyond which no further message is put into it."""

_MESSAGE: Final = 1 << 8
"""Bytes that a message counts for in an answer besides its pixels."""


class _Step(NamedTuple):
    """Some planes of a message, or planes that are gone."""

    number: int
    """The message's; -1 for what was held no more when the viewer came to it."""
    planes: int
    chosen: tuple[int, ...] | None = None
    """Which of the message's planes; None for all."""
    late: bool = False
    """Newer planes were sent before."""


class _Sent(NamedTuple):
    """A step that the viewer has not confirmed."""

    sequence: int
    step: _Step
    missed: bool


class Cursor:
    """Sends one viewer each message once while both live, in order or the newest first.

    A viewer whose connection broke goes on where it was: what it did not confirm comes again, with
    the same numbers. One thread calls `answer`; the history's lock guards the rest.

    Parameters
    ----------
    history : History
        What there is.
    viewer : str
        The viewer's instance.
    newest : bool
        First what comes from now on, then what is there, the newest first. Planes that newer ones
        have replaced are left out then. Those that ask to replace others, or that few of them be
        kept, mean something else out of order: they come first, and in order.
    """

    def __init__(self, history: History, viewer: str, *, newest: bool) -> None:
        self.viewer = viewer
        self.account = uuid.uuid4().hex
        self.title = ""
        self.counts: Counts | None = None
        self._history = history
        self._session = ""
        self._sequence = self._sent = self._replaced = self._missed = 0
        self._unconfirmed: deque[_Sent] = deque()
        self._ends: deque[int] = deque()
        """Of each answer that the viewer has not confirmed, the number of the plane after it."""
        self._again: deque[_Step] = deque()
        self._back: list[_Step] = []
        with history.changed:
            self._next, self._next_plane = history.oldest, history.first_held()
            self._clears = history.clears
            if newest:
                held = history.records.values()
                self._next, self._next_plane = history.end, history.total
                self._again += [_Step(one.number, one.planes) for one in held if one.ordered]
                self._back = [
                    _Step(one.number, one.planes, late=True) for one in held if not one.ordered
                ]
                self._back[-1:] = [step._replace(late=False) for step in self._back[-1:]]
        self._tells_clear = False
        self._cleared_at = -1

    @property
    def has_more(self) -> bool:
        """Whether an answer would tell something."""
        return (
            self._next < self._history.end
            or bool(self._again or self._back)
            or self._clears != self._history.clears
            or self._tells_clear
        )

    def reader(self, *, here: bool) -> Reader:
        """Return how it stands with the viewer."""
        waiting = self._history.total - self._next_plane
        waiting += sum(step.planes for step in (*self._again, *self._back))
        return Reader(
            viewer=self.viewer,
            title=self.title,
            here=here,
            sent=self._sent,
            replaced=self._replaced,
            missed=self._missed,
            waiting=waiting,
            counts=self.counts,
        )

    def answer(self, request: Fetch) -> Enclosed:
        """Return what comes next. What lies on disk is read without the history's lock.

        Raises
        ------
        coverslip.transport.Refused
            The viewer asks on and on, and confirms nothing.
        """
        with self._history.changed:
            self._heed(request)
            if len(self._ends) >= _MOST_UNCONFIRMED:
                raise Refused(f"{_MOST_UNCONFIRMED} answers to that viewer are not confirmed yet")
            cleared = self._take_clear()
            first = self._sequence
        messages: list[Passed] = []
        frames: list[Frame] = []
        size = 0
        while size < request.limit and len(frames) < _MOST_FRAMES:
            with self._history.changed:
                # What is cleared in between is told of first.
                step = None if self._clears != self._history.clears else self._take()
                record = None if step is None else self._history.records.get(step.number)
            if step is None:
                break
            message = None if record is None else self._message(record, step)
            with self._history.changed:
                self._note(step, missed=message is None)
            messages.append(Passed(step.planes, len(message or ()), step.late))
            frames += message or ()
            size += sum(map(len, message or ())) + _MESSAGE
        if messages:
            with self._history.changed:
                self._ends.append(self._sequence)
        told = Fetched(
            account=self.account, sequence=first, messages=tuple(messages), cleared=cleared
        )
        return Enclosed(told, frames)

    # ---- the history's lock is held ---------------------------------------------------

    def _heed(self, request: Fetch) -> None:
        """Take in what the viewer says that it has."""
        received = request.received if request.account == self.account else 0
        self.title, self.counts = request.title, request.counts
        while self._unconfirmed and self._unconfirmed[0].sequence < received:
            self._unconfirmed.popleft()
        while self._ends and self._ends[0] <= received:
            self._ends.popleft()
        if request.session == self._session:
            return
        self._session = request.session
        # The connection is another: what was under way is lost.
        for sent in reversed(self._unconfirmed):
            if sent.missed:
                self._missed -= sent.step.planes
            else:
                self._sent -= sent.step.planes
            self._sequence = sent.sequence
            self._again.appendleft(sent.step)
        self._unconfirmed.clear()
        self._ends.clear()
        self._tells_clear = self._tells_clear or received <= self._cleared_at
        self._leave_cleared()

    def _take_clear(self) -> bool:
        history = self._history
        cleared = self._tells_clear or self._clears != history.clears
        if cleared:
            self._leave_cleared()
            self._clears, self._cleared_at = history.clears, self._sequence
            self._tells_clear = False
        return cleared

    def _leave_cleared(self) -> None:
        """Leave out what was taken away by its pipeline."""
        end = self._history.cleared_end
        self._again = deque(step for step in self._again if not 0 <= step.number < end)
        self._back = [step for step in self._back if not 0 <= step.number < end]
        if self._next < end:
            self._next, self._next_plane = end, self._history.cleared_total

    def _take(self) -> _Step | None:
        """Return what comes next, None where there is nothing."""
        history = self._history
        if self._again:
            return self._again.popleft()
        if self._next < history.oldest:
            first = history.first_held()
            missed = _Step(-1, first - self._next_plane)
            self._next, self._next_plane = history.oldest, first
            return missed
        if self._next < history.end:
            record = history.records[self._next]
            self._next, self._next_plane = record.number + 1, record.first + record.planes
            return _Step(record.number, record.planes)
        while self._back:
            step = self._back.pop()
            behind = history.records.get(step.number)
            if behind is None:
                return step
            chosen = tuple(
                plane for plane in range(behind.planes) if not history.superseded(behind, plane)
            )
            self._replaced += behind.planes - len(chosen)
            if len(chosen) == behind.planes:
                return step
            if chosen:
                return step._replace(planes=len(chosen), chosen=chosen)
        return None

    def _note(self, step: _Step, *, missed: bool) -> None:
        self._unconfirmed.append(_Sent(self._sequence, step, missed))
        self._sequence += step.planes
        if missed:
            self._missed += step.planes
        else:
            self._sent += step.planes

    # ---- without it -------------------------------------------------------------------

    def _message(self, record: Record, step: _Step) -> Sequence[Frame] | None:
        """Return a message's frames, header first; None where they are gone."""
        frames = self._history.load(record)
        if frames is None:
            return None
        if step.chosen is None:
            return [record.header, *frames]
        batch = decode([record.header, *frames])
        planes = []
        pixels: list[Frame] = []
        for number in step.chosen:
            plane = batch.planes[number]
            assert isinstance(plane.pixels, Inline)  # the relay takes no other
            start = plane.pixels.frame
            mine = frames[start - 1 : start - 1 + plane.pixels.frames]
            where = msgspec.structs.replace(plane.pixels, frame=len(pixels) + 1)
            planes.append(msgspec.structs.replace(plane, pixels=where))
            pixels += mine
        return [headed(batch, planes), *pixels]
