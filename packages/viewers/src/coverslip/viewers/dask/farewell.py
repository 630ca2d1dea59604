"""The scheduler's part: a client that leaves, however it does, takes its workers' streams along."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from distributed import Scheduler, Status
from distributed.diagnostics.plugin import SchedulerPlugin

__all__ = ["Farewell"]

_MOMENT = 2.0
"""Seconds after its client for which a cluster may end, too."""


class Farewell(SchedulerPlugin):
    """Takes a worker plugin away when the client that registered it is closed, or dies.

    Parameters
    ----------
    name : str
        Of the worker plugin, and of this one.
    client : str
        The client's id.
    """

    def __init__(self, name: str, client: str) -> None:
        self.name = name
        self._client = client
        self._ending: asyncio.Task[None] | None = None

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Take it away, if it was that client; the scheduler calls this in its event loop."""
        if client == self._client:
            # A cluster that a client has for itself is closed right after it: its workers end their
            # streams themselves, and would be asked while they do.
            asyncio.get_running_loop().call_later(_MOMENT, self._begin, scheduler)

    def _begin(self, scheduler: Scheduler) -> None:
        if scheduler.status is Status.running:
            # Kept: the loop itself holds a task weakly.
            self._ending = asyncio.get_running_loop().create_task(self._end(scheduler))

    async def _end(self, scheduler: Any) -> None:
        # Closed by hand before, or workers that end with the cluster at the same moment.
        with contextlib.suppress(ValueError, OSError):
            scheduler.remove_plugin(name=self.name)
            await scheduler.unregister_worker_plugin(None, name=self.name)
