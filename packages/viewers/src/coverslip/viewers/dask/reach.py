"""At which of its addresses a viewer is reached: which to try, and on a worker, which answers."""

from __future__ import annotations

import asyncio
from typing import Final

from distributed.comm.addressing import get_address_host
from distributed.utils import get_ip

from coverslip.transport import Endpoint, TransportError, is_loopback, outward_addresses, ping
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["PATIENCE", "answering", "endpoints_of"]

_EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})
PATIENCE: Final = 10.0
"""Seconds for an address to answer: a worker's first task waits for this, once.

Of 64 workers that started at once on two cores 23 had no answer in three, and reached it well.
"""


def endpoints_of(
    visualizer: StreamVisualizer, scheduler: str, at: str | None
) -> tuple[Endpoint, ...]:
    """Return where a viewer may be reached, the nearest first.

    Parameters
    ----------
    visualizer : StreamVisualizer
        The viewer, which answers.
    scheduler : str
        The scheduler's address: what of this machine it sees, workers may see too.
    at : str or None
        The host at which workers reach the viewer's machine, besides where it is bound.

    Raises
    ------
    ViewerGone, coverslip.transport.TransportError
        The viewer does not answer.
    """
    endpoint = visualizer.endpoint
    if at is not None:
        return endpoint, endpoint.reached_at(at)
    if isinstance(visualizer, RemoteVisualizer) or not _listens_everywhere(endpoint):
        return (endpoint,)
    hosts = outward_addresses()
    host = get_address_host(scheduler)
    if not is_loopback(host) and not scheduler.startswith("inproc:"):
        hosts.insert(0, get_ip(host))
    return endpoint, *(endpoint.reached_at(host) for host in dict.fromkeys(hosts))


def _listens_everywhere(endpoint: Endpoint) -> bool:
    return ping(endpoint, PATIENCE).host in _EVERY_ADDRESS


async def answering(endpoints: tuple[Endpoint, ...]) -> Endpoint | None:
    """Return the first of a viewer's endpoints at which it answers from here, None for none.

    That it is this viewer its server key proves, whoever else has the port on this machine.
    """
    found = await asyncio.gather(*(asyncio.to_thread(_answers, one) for one in endpoints))
    return next((one for one, there in zip(endpoints, found, strict=True) if there), None)


def _answers(endpoint: Endpoint) -> bool:
    try:
        ping(endpoint, PATIENCE)
    except TransportError:
        return False
    return True
