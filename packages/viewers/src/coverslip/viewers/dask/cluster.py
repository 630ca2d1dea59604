"""`stream_to`: every worker of a cluster gets a stream to the viewers of a view."""

from __future__ import annotations

import logging
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from distributed import Client
from rich.console import Console

from coverslip.transport import (
    Counts,
    Delivery,
    Endpoint,
    Report,
    Status,
    TransportError,
    request,
)
from coverslip.viewers.dask.accounts import Accounts
from coverslip.viewers.dask.cautions import KeysInTheClear, OutOfReach, in_the_clear, out_of_reach
from coverslip.viewers.dask.farewell import Farewell
from coverslip.viewers.dask.plugin import StreamPlugin, WorkerStream, look_at
from coverslip.viewers.dask.progress import Progress, draw, watch
from coverslip.viewers.dask.reach import endpoints_of
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.memory.budget import size_setting
from coverslip.viewers.seconds import as_seconds
from coverslip.viewers.view import View
from coverslip.viewers.visualizer import START_TIMEOUT, StreamVisualizer

__all__ = ["ClusterStream", "stream_to"]

logger = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 0.05
_PATIENCE: Final = 2.0
"""Seconds that a viewer has to say what it has shown."""


def stream_to(
    client: Client,
    view: View,
    *,
    at: str | None = None,
    budget: str | int | None = None,
    timeout: float = START_TIMEOUT,
) -> ClusterStream:
    """Let the tasks of a Dask cluster show planes in the viewers of a view.

    Each worker gets a stream of its own, laid out and drawn as the view is: `current_stream` in its
    tasks, and what ``save_batch`` of the backends sends to. So do workers that are restarted or
    come later. Pixels lie in shared memory where the viewer proves that it can read the worker's,
    and travel over the network where not. It ends with `ClusterStream.close`, or with the client.

    The viewer's keys travel with the plugin, by way of the scheduler, to every worker: who else can
    listen there is the cluster's affair. Use TLS (`distributed.Security`) on a network with others.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster; a synchronous one.
    view : View
        Of the viewers, from `connect`. One without any switches streaming off: tasks need not know.
    at : str, optional
        The host name or address at which workers reach the viewer's machine, where they reach it
        at none that this machine has.
    budget : str or int, optional
        What planes may take on each worker while they wait for the viewer, such as ``"256MiB"`` or
        a number of bytes: an eighth of its memory limit, 1 GiB at most, unless said otherwise.
    timeout : float, default 60.0
        Seconds until a viewer that is starting must be on screen.

    Returns
    -------
    ClusterStream
        The counts, and how far it is. A second call adds streams, which tasks take from then on.

    Raises
    ------
    ViewerGone
        A viewer does not answer, or no worker reaches it; the message says what to do.
    coverslip.transport.TransportError
        It did not start.
    TypeError
        The client is asynchronous, or closed; the `timeout` is no number.
    ValueError
        The `budget` is nothing, or no size.

    Warns
    -----
    KeysInTheClear
        The cluster's connections are not encrypted, and not this machine's alone. Once, as Python
        does with warnings, for each line that calls this.
    OutOfReach
        Some workers cannot reach the viewer. Of those that come later the log tells.
    """
    if client.asynchronous or client.scheduler is None:
        raise TypeError(
            "stream_to needs a client that is open, and not made with asynchronous=True"
        )
    if isinstance(budget, str):
        budget = size_setting("budget", budget)
    if budget is not None and budget < 1:
        raise ValueError(f"budget={budget}: how many bytes planes may take on each worker")
    timeout = as_seconds("timeout", timeout)
    scheduler = str(client.scheduler.address)
    for visualizer in view.visualizers:
        if not visualizer.wait_for_ready(timeout):
            raise ViewerGone(f"{visualizer.kind} was not on screen within {timeout:g} s")
    viewers = [endpoints_of(visualizer, scheduler, at) for visualizer in view.visualizers]
    if viewers and (exposed := in_the_clear([scheduler, *client.nthreads()])) is not None:
        warnings.warn(
            f"the viewer's keys travel to the workers unencrypted ({exposed}): who can listen on "
            "that network could show planes in the viewer, and see what it shows. Use TLS: "
            "Client(…, security=distributed.Security(…))",
            KeysInTheClear,
            stacklevel=2,
        )
    made = ClusterStream(client, view, f"coverslip-{uuid.uuid4().hex[:12]}")
    client.register_plugin(StreamPlugin(made.name, viewers, view.looks, budget))
    try:
        _close_with(client, made.name)
        lost = _unreached(viewers, made.workers())
        if lost:
            warnings.warn("; ".join(lost), OutOfReach, stacklevel=2)
    except BaseException:
        made.close()
        raise
    client.subscribe_topic(made.name, _tell)
    return made


def _unreached(
    viewers: Sequence[tuple[Endpoint, ...]], workers: Mapping[str, WorkerStream]
) -> list[str]:
    """Return what to say of each viewer that some workers do not reach.

    Raises
    ------
    ViewerGone
        None of them reaches it.
    """
    told = []
    for number, endpoints in enumerate(viewers):
        lost = [address for address, one in workers.items() if not one.reached[number]]
        if lost:
            told.append(out_of_reach(endpoints, lost))
            if len(lost) == len(workers):
                raise ViewerGone(told[-1])
    return told


def _close_with(client: Client, name: str) -> None:
    """Have the scheduler end the streams when the client goes, closed or killed."""
    try:
        client.register_plugin(Farewell(name, client.id))
    except (ImportError, ValueError) as error:
        logger.warning(
            "the streams of the workers do not end with the client, call close(): the scheduler "
            "takes no plugin of ours (%s); is coverslip-viewers installed there?",
            error,
        )


def _tell(event: tuple[float, Any]) -> None:
    """Log what a worker that came later has to say."""
    logger.warning("%s", event[1])


class ClusterStream:
    """The streams of a cluster's workers: each at most once and in order; every plane is counted.

    From any thread, one at a time. Closing it, as a context manager does, or closing the client
    closes the workers' streams; the viewers stay.
    """

    def __init__(self, client: Client, view: View, name: str) -> None:
        self.name = name
        """Of the plugin, and what the ids of its streams end with."""
        self._client = client
        self._view = view
        self._accounts = Accounts()
        self._turn = threading.Lock()
        self._closed = False

    def workers(self) -> dict[str, WorkerStream]:
        """Return how each worker's stream stands, by the worker's address."""
        if self._closed or self._client.status != "running":
            return {}
        try:
            # One that ends at this moment has nothing to say any more.
            found = self._client.run(look_at, self.name, on_error="ignore")
        except OSError as error:
            logger.debug("the scheduler has gone: %s", error)
            return {}
        return {address: worker for address, worker in found.items() if worker is not None}

    def delivery(self) -> Delivery:
        """Return what became of all planes so far, without waiting for any.

        Those of workers that were killed, and of processes that tasks have started, are counted as
        the viewers met them.
        """
        with self._turn:
            told = {one.stream: one.delivery for one in self.workers().values()}
            return self._accounts.take(told, [self._seen_by(one) for one in self._view.visualizers])

    def _seen_by(self, visualizer: StreamVisualizer) -> dict[str, Counts]:
        try:
            report = request(visualizer.endpoint, Status(), Report, timeout=_PATIENCE)
        except (TransportError, ViewerGone) as error:
            logger.debug("asking %s for its counts: %s", visualizer.kind, error)
            return {}
        return {name: one for name, one in report.streams.items() if name.endswith(self.name)}

    def flush(self, timeout: float = 10.0) -> Delivery:
        """Wait until every plane that was sent is shown, dropped or failed; see `View.flush`.

        Parameters
        ----------
        timeout : float, default 10.0
            Seconds to wait at most; `Delivery.pending` says how many planes remain.
        """
        deadline = time.monotonic() + as_seconds("timeout", timeout)
        pause = threading.Event()
        while (delivery := self.delivery()).pending and time.monotonic() < deadline:
            pause.wait(_LOOK_AGAIN)
        return delivery

    def watch(self, futures: Any) -> Iterator[Progress]:
        """Yield how far tasks and planes are, four times a second, until all have ended.

        Parameters
        ----------
        futures : Future, or any collection of them
            Also a Dask collection that was persisted.
        """
        return watch(self._client.futures_of(futures), self.delivery)

    def progress(self, futures: Any, *, console: Console | None = None) -> Progress:
        """Draw tasks done and planes shown, one bar below the other, until all have ended.

        Parameters
        ----------
        futures : Future, or any collection of them
            As for `watch`.
        console : rich.console.Console, optional
            Where to draw; the terminal or notebook that this runs in by default.

        Returns
        -------
        Progress
            How it ended. A task's error is raised by its future, not here.
        """
        return draw(self.watch(futures), console)

    def close(self) -> None:
        """Close the workers' streams, once their planes are shown or five seconds are over.

        The cluster and the viewers stay. Tasks that go on are told nothing: their planes are
        dropped.
        """
        if self._closed or self._client.status != "running":
            return
        self.delivery()  # what the workers alone know, while they do
        self._closed = True
        for forget in (
            self._client.unsubscribe_topic,
            self._client.unregister_scheduler_plugin,
            self._client.unregister_worker_plugin,
        ):
            try:
                forget(self.name)
            except (ValueError, OSError) as error:
                # It did not come so far, or the scheduler was quicker, or has gone.
                logger.debug("%s: %s", self.name, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        kinds = " and ".join(one.kind for one in self._view.visualizers) or "no viewer"
        return f"<{type(self).__name__} to {kinds}, from {self._client!r}>"
