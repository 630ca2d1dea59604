"""A queueing model of many producers and one viewer, played event by event.

A plane passes stations in turn; each is a thread or a cable, takes one plane at a time, in the
order in which they come, and holds it for as long as was measured. A thread needs one of its
machine's cores as well, where these are fewer than its threads. A producer has so many bytes under
way at most, as a stream has, and always one more plane to send: what is asked is what arrives when
everybody sends as fast as it goes.

Planes are not cut into frames here, as they are on their way: stations overlap by planes, of which
several are under way, so that rates are the same and only a plane's own latency is not.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Cores", "Outcome", "Station", "play"]

_SETTLED = 3
"""Times that all that may be under way has passed before rates are counted: queues have filled."""


@dataclass
class Cores:
    """What threads of one machine share."""

    free: int
    waiting: deque[Station] = field(default_factory=deque)


@dataclass
class Station:
    """A thread or a cable."""

    name: str
    cores: Cores | None = None
    """None where there are enough of them, and for a cable."""
    queue: deque[_Plane] = field(default_factory=deque)
    busy: bool = False
    held: bool = False
    """Whether it waits for a core."""
    worked: float = 0.0
    """Seconds, for the planes that were shown since rates are counted."""


@dataclass
class _Plane:
    producer: int
    step: int = 0


class Outcome(NamedTuple):
    """What became of it."""

    rate: float
    """Planes a second that were shown, of all producers."""
    slowest: float
    """Planes a second of the producer that got through least, over the mean of all."""
    busy: dict[str, float]
    """Part of the time that each station worked; the busiest of those with one name."""

    @property
    def bottleneck(self) -> str:
        """The name of the busiest station."""
        return max(self.busy, key=lambda name: self.busy[name])


class _Play:
    def __init__(self, ways: Sequence[Sequence[tuple[Station, float]]]) -> None:
        self.ways = ways
        self.now = 0.0
        self._events: list[tuple[float, int, Station]] = []
        self._order = 0
        self.shown = [0] * len(ways)

    def enter(self, plane: _Plane) -> None:
        """Put a plane before its next station."""
        station, _ = self.ways[plane.producer][plane.step]
        station.queue.append(plane)
        self._begin(station)

    def _begin(self, station: Station) -> None:
        if station.busy or station.held or not station.queue:
            return
        cores = station.cores
        if cores is not None:
            if not cores.free:
                station.held = True
                cores.waiting.append(station)
                return
            cores.free -= 1
        station.busy = True
        plane = station.queue[0]
        seconds = self.ways[plane.producer][plane.step][1]
        self._order += 1
        heapq.heappush(self._events, (self.now + seconds, self._order, station))

    def advance(self) -> int | None:
        """Let the next station finish; return the producer whose plane is shown by that."""
        self.now, _, station = heapq.heappop(self._events)
        plane = station.queue.popleft()
        station.busy = False
        if station.cores is not None:
            station.cores.free += 1
            if station.cores.waiting:
                freed = station.cores.waiting.popleft()
                freed.held = False
                self._begin(freed)
        self._begin(station)
        plane.step += 1
        if plane.step < len(self.ways[plane.producer]):
            self.enter(plane)
            return None
        self.shown[plane.producer] += 1
        return plane.producer


def play(
    ways: Sequence[Sequence[tuple[Station, float]]], window: int, planes: int = 2000
) -> Outcome:
    """Play until so many planes were shown.

    Parameters
    ----------
    ways : sequence of sequences of (Station, float)
        For each producer, the stations that its planes pass, and the seconds that each takes.
        Producers share a station by naming the same object.
    window : int
        Planes of one producer that may be under way.
    planes : int
        Of all producers together, that are counted.
    """
    state = _Play(ways)
    stations = {id(station): station for way in ways for station, _ in way}
    for _ in range(window):
        for producer in range(len(ways)):
            state.enter(_Plane(producer))
    began, already = 0.0, [0] * len(ways)
    settled = _SETTLED * window * len(ways)
    count = 0
    while count < settled + planes:
        shown = state.advance()
        if shown is None:
            continue
        count += 1
        if count > settled:
            # Not as it works: a queue that is still worked off would look like a bottleneck.
            for station, seconds in ways[shown]:
                station.worked += seconds
        state.enter(_Plane(shown))
        if count == settled:
            began, already = state.now, list(state.shown)
    took = state.now - began
    busy: dict[str, float] = {}
    for station in stations.values():
        busy[station.name] = max(busy.get(station.name, 0.0), min(1.0, station.worked / took))
    each = [now - before for now, before in zip(state.shown, already, strict=True)]
    return Outcome(
        rate=planes / took,
        slowest=min(each) / (sum(each) / len(each)),
        busy=busy,
    )
