"""A relay's process, from its options to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable

from coverslip.transport import Connection
from coverslip.viewers.descriptors import allow_descriptors
from coverslip.viewers.ending import end_with_parent, stop_on_signals
from coverslip.viewers.memory.budget import default_budget
from coverslip.viewers.relay.server import RelayServer

__all__ = ["run_relay"]


def run_relay(
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    title: str | None = None,
    memory: int | None = None,
    disk: int | None = None,
    launch_id: str = "",
    log: str | None = None,
    serving: Callable[[Connection], object] = lambda _: None,
) -> None:
    """Run a relay until it is stopped, or until the process that launched it has died.

    Parameters
    ----------
    port, host, title, launch_id, log
        See `coverslip.transport.ZMQServer`.
    memory : int, optional
        Bytes; by default 4 GiB, or half of what is free.
    disk : int, optional
        Bytes; by default as many as leave some of the disk to others.
    serving : callable
        Called once it can be reached.

    Raises
    ------
    coverslip.transport.TransportError
        It could not start: the port is another program's, say.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("coverslip").setLevel(logging.INFO)
    allow_descriptors()
    budget = default_budget() if memory is None else memory
    relay = RelayServer(
        memory=budget, disk=disk, port=port, host=host, title=title, launch_id=launch_id, log=log
    )
    try:
        stop_on_signals(relay)
        end_with_parent(relay)
        serving(relay.bind())
        relay.serve_forever()
    finally:
        relay.close()
