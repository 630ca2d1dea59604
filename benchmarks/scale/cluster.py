"""Producer machines, cables and one viewer, from measured costs to stations of the model."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scale.costs import Cost
from benchmarks.scale.model import Cores, Outcome, Station, play

__all__ = ["FRAMING", "GBIT", "Site", "run", "same_machine"]

GBIT = 125e6
"""Bytes a second."""

_WINDOW = 8
"""Planes that a stream has under way: enough for all stations on their way to work at once."""

FRAMING = 1538 / 1448
"""Bytes on an Ethernet cable, the gap between frames among them, for each of a TCP stream."""


@dataclass(frozen=True)
class Site:
    """What is there, and what of it is turned.

    Attributes
    ----------
    producers : int
        Machines that send, each with a core for each of a stream's three threads.
    link : float
        Bytes a second of each machine's cable, the viewer's among them.
    viewers : int
        Workstations that the producers are shared out to, each with a cable of its own.
    network_threads : int
        ZeroMQ's threads in a viewer, over which connections are shared out.
    """

    producers: int
    link: float
    viewers: int = 1
    network_threads: int = 1


def run(site: Site, cost: Cost) -> Outcome:
    """Play a site whose producers all send as fast as it goes."""
    viewers = [_Viewer(site) for _ in range(site.viewers)]
    ways = []
    for number in range(site.producers):
        viewer = viewers[number % site.viewers]
        turn = number // site.viewers
        ways.append(_way(cost, site.link, viewer, turn))
    return play(ways, _WINDOW)


def same_machine(producers: int, link: float | None, cores: int, cost: Cost) -> Outcome:
    """Play producers and viewer on the cores of one machine, as they were measured."""
    shared = Cores(cores)
    viewer = _Viewer(Site(producers, link or float("inf")), shared)
    # One cable is between them, on which all of them wait.
    ways = [_way(cost, float("inf"), viewer, turn, shared) for turn in range(producers)]
    return play(ways, _WINDOW)


class _Viewer:
    """A workstation's stations, which all of its producers pass."""

    def __init__(self, site: Site, cores: Cores | None = None) -> None:
        self.link = site.link
        self.cable = Station("the viewer's link")
        self.network = [
            Station("the viewer's network thread", cores) for _ in range(site.network_threads)
        ]
        self.server = Station("the viewer's server thread", cores)
        self.drawer = Station("the viewer's GUI thread", cores)


def _way(
    cost: Cost, link: float, viewer: _Viewer, turn: int, cores: Cores | None = None
) -> list[tuple[Station, float]]:
    """Return the stations of one producer's planes; `turn` is its number among the viewer's."""
    wire = cost.wire * FRAMING
    return [
        (Station("the pipeline's thread", cores), cost.caller),
        (Station("a stream's packer", cores), cost.packer + cost.rest),
        (Station("a stream's network thread", cores), cost.sender),
        (Station("a producer's link"), wire / link),
        (viewer.cable, wire / viewer.link),
        (viewer.network[turn % len(viewer.network)], cost.receiver),
        (viewer.server, cost.server),
        (viewer.drawer, cost.drawer),
    ]
