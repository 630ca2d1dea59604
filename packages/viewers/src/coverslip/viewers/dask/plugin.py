"""What travels to every worker: its stream to the viewer, opened and closed with the worker.

The plugin is the only carrier of the viewer's keys: the scheduler hands it to each worker that is
there or comes. `setup` and `teardown` run in the worker's event loop; tasks show from their own
threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, NamedTuple

from distributed import Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from coverslip.transport import Delivery, Endpoint
from coverslip.viewers.dask.cautions import out_of_reach
from coverslip.viewers.dask.reach import answering
from coverslip.viewers.given import give, take_back
from coverslip.viewers.look import Look
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Statistics, Stream, default_budget
from coverslip.viewers.view import View

__all__ = ["StreamPlugin", "WorkerStream", "look_at"]

logger = logging.getLogger(__name__)

_SHARE: Final = 8
"""A stream may hold this part of its worker's memory limit: Dask counts it as the worker's own."""

_LINGER: Final = 5.0
"""Seconds that a worker which ends waits for its last planes."""


class WorkerStream(NamedTuple):
    """How one worker's stream stands.

    Attributes
    ----------
    stream : str
        Its id, as the viewer knows it.
    host : str
        The worker's machine.
    reached : tuple of bool
        Whether each viewer answered when the worker began.
    statistics : Statistics
        Its counts, and how pixels travel.
    """

    stream: str
    host: str
    reached: tuple[bool, ...]
    statistics: Statistics

    @property
    def delivery(self) -> Delivery:
        """What became of its planes."""
        return Delivery(*self.statistics[:4])


class StreamPlugin(WorkerPlugin):
    """Gives a worker a stream to the viewers.

    Parameters
    ----------
    name : str
        The plugin's, and what its streams' ids end with.
    viewers : sequence of tuple of Endpoint
        For each viewer, where it may be reached, the nearest first.
    looks : sequence of Look
        For each viewer, how planes are laid out and drawn.
    budget : int or None
        Bytes of planes that may wait on each worker; None for a part of its memory limit.
    """

    def __init__(
        self,
        name: str,
        viewers: Sequence[tuple[Endpoint, ...]],
        looks: Sequence[Look],
        budget: int | None,
    ) -> None:
        self.name = name
        self._viewers = tuple(viewers)
        self._looks = tuple(looks)
        self._budget = budget
        # The worker's own, from `setup` on: what travels has none of it.
        self._view: View | None = None
        self._reached: tuple[bool, ...] = ()
        self._host = ""

    async def setup(self, worker: Worker) -> None:
        """Open the stream. What is wrong with the viewer is told, and fails no worker."""
        found = [await answering(endpoints) for endpoints in self._viewers]
        for endpoints, endpoint in zip(self._viewers, found, strict=True):
            if endpoint is None:
                told = out_of_reach(endpoints, [worker.address])
                logger.warning("%s", told)
                worker.log_event(self.name, told)
        self._reached = tuple(endpoint is not None for endpoint in found)
        self._host = worker.ip
        # One that does not answer yet is tried at the address that others reach.
        visualizers = [
            RemoteVisualizer(endpoint or endpoints[-1])
            for endpoints, endpoint in zip(self._viewers, found, strict=True)
        ]
        stream = Stream(
            visualizers,
            budget=self._budget or _budget_of(worker),
            producer=f"dask worker {worker.name} on {worker.ip}",
            group=self.name,
            lent=True,
        )
        view = self._view = View(visualizers, stream, looks=self._looks)
        # A nanny's process is its worker's alone, and so are threads that a task starts.
        give(view, lambda: worker.nanny is not None or _runs_here(worker))

    async def teardown(self, worker: Worker) -> None:
        """Close the stream, once its planes are shown or `_LINGER` is over."""
        view = self._view
        if view is not None:
            # What may never come is not waited for: a cluster gives a worker few seconds to end.
            linger = _LINGER if "live" in view.statistics().state else 0.0
            await asyncio.to_thread(take_back, view, linger)

    def state(self) -> WorkerStream | None:
        """Return how the stream stands; None before it is open."""
        view = self._view
        if view is None:
            return None
        return WorkerStream(view.stream.id, self._host, self._reached, view.statistics())


def look_at(name: str, dask_worker: Worker) -> WorkerStream | None:
    """Return how a worker's stream stands; None while the worker has not opened it yet.

    Runs in the worker's event loop, whatever its tasks do (`distributed.Client.run`).
    """
    plugin = dask_worker.plugins.get(name)
    return plugin.state() if isinstance(plugin, StreamPlugin) else None


def _runs_here(worker: Worker) -> bool:
    """Tell whether the thread that asks runs a task of that worker: a process may have several."""
    try:
        return get_worker() is worker
    except ValueError:
        return False


def _budget_of(worker: Worker) -> int:
    limit = worker.memory_manager.memory_limit
    return min(default_budget(), limit // _SHARE) if limit else default_budget()
