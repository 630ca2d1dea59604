"""What a user is warned of when a cluster's workers are to stream, by types to filter by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from distributed.comm.addressing import get_address_host, parse_address

from coverslip.transport import Endpoint, is_loopback
from coverslip.viewers.dask.reach import PATIENCE
from coverslip.viewers.words import plural

__all__ = ["KeysInTheClear", "OutOfReach", "in_the_clear", "out_of_reach"]

_ENCRYPTED: Final = frozenset({"tls", "wss"})
_NO_NETWORK: Final = frozenset({"inproc"})


class KeysInTheClear(UserWarning):
    """The viewer's keys travel to the workers over connections that are not encrypted."""


class OutOfReach(UserWarning):
    """Workers cannot reach the viewer: what they send is dropped, and counted."""


def in_the_clear(addresses: Iterable[str]) -> str | None:
    """Return the first of a cluster's addresses that others on the network could listen to.

    Parameters
    ----------
    addresses : iterable of str
        As distributed writes them: ``tls://10.0.0.5:8786``.
    """
    for address in addresses:
        scheme, _ = parse_address(address)
        if scheme not in _ENCRYPTED and not _stays_here(address):
            return address
    return None


def _stays_here(address: str) -> bool:
    """Tell whether what goes to an address of a cluster's leaves no machine."""
    scheme, _ = parse_address(address)
    return scheme in _NO_NETWORK or _is_own(get_address_host(address))


def _is_own(host: str) -> bool:
    return host == "localhost" or is_loopback(host)


def out_of_reach(endpoints: Sequence[Endpoint], workers: Sequence[str]) -> str:
    """Return what to say of workers that reach a viewer at none of its endpoints."""
    kind = endpoints[0].kind
    tried = ", ".join(dict.fromkeys(one.data_address for one in endpoints))
    told = (
        f"{plural(len(workers), 'worker')} cannot reach the {kind} viewer ({', '.join(workers[:4])}"
        f"{', …' if len(workers) > 4 else ''}; tried {tried}, and the ports 1000 above, for "
        f"{PATIENCE:g} s): "
    )
    if all(_is_own(one.host) for one in endpoints):
        if all(map(_stays_here, workers)):
            return f"{told}it is busy or frozen, as `coverslip list` says; a busy one answers later"
        return (
            f"{told}it listens on its own machine's loopback alone. Start one that others reach "
            f"with `coverslip launch --viewer {kind} --bind ADDRESS`, and connect to that. Workers "
            "on its own machine reach it once it is less busy"
        )
    return (
        f"{told}open both ports to them, or give stream_to(at=…) the address at which they reach "
        "the viewer's machine"
    )
