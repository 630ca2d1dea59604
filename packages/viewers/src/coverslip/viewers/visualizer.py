"""A viewer's process, seen from the pipeline: find it, start it, watch it, stop it.

A visualizer holds no planes. It is the `Target` that a stream's lane asks where
the viewer answers, and it keeps answering when that viewer was killed and
another took its port.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

from coverslip.transport import (
    Clear,
    Connection,
    Done,
    Endpoint,
    LaunchError,
    NoServer,
    is_serving,
    request,
    stop,
)
from coverslip.viewers.config.lazy import config_for
from coverslip.viewers.config.scope import configs_in
from coverslip.viewers.display import require_display
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.finding import PATIENCE, ask, candidates, successor
from coverslip.viewers.memory.budget import parse_size
from coverslip.viewers.starter import Starter
from coverslip.viewers.target import Presence

__all__ = ["START_TIMEOUT", "StreamVisualizer"]

logger = logging.getLogger(__name__)

START_TIMEOUT = 60.0
"""Seconds: a cold napari takes five, a cold disk and shader compiler many more."""

_GRACE = 2.0
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


_visualizers: weakref.WeakSet[StreamVisualizer] = weakref.WeakSet()
"""Those of this process."""


class StreamVisualizer:
    """One viewer of one kind on this machine, started when it is not there.

    Safe from any thread.

    Parameters
    ----------
    filemanager : object, optional
        Accepted for pipelines that hand one to every component; not used here,
        since planes come by `StreamingBackend.save_batch` or `View.show`.
    visualizer_config : object, optional
        Settings, for what the arguments leave open: a `coverslip.viewers.config.StreamingConfig`,
        a Lazy one, an object that holds one as an attribute, or any with attributes of these
        names (``port``, ``host``, ``persistent``, ``viewer_title``, ``replace_layers``).
    viewer_title : str, optional
        The window's title. With no `port`, only a running viewer of that title is used.
    persistent : bool, default True
        The viewer outlives this process. Otherwise it ends with it, however it ends.
    port : int, optional
        Data port; None takes a running viewer's, else the first free pair from the kind's default.
    host : str, default "localhost"
        ``localhost``: this machine. A viewer elsewhere is reached by its
        ``coverslip://`` line, see `coverslip.viewers.connect`.
    replace_layers : bool, default False
        Clear the viewer when this visualizer finds or starts it.
    memory : str or int, optional
        What a viewer that is started may take, such as ``"2GiB"`` or a number of bytes; by
        default 4 GiB, or half of what is free then.
    """

    kind: ClassVar[str]
    module: ClassVar[str]
    """What ``python -m`` runs as the viewer's process."""

    default_port: ClassVar[int]
    """Where the viewer's own search for a free pair of ports begins."""

    bind: str | None = None
    """The address that a viewer started from here listens on; None: this machine's own alone.

    Any other lets every machine that reaches it try the key.
    """

    needs_display: ClassVar[bool] = True
    """Whether a missing display is an error here already, in the caller's terminal."""

    def __init__(
        self,
        filemanager: Any = None,
        visualizer_config: Any = None,
        *,
        viewer_title: str | None = None,
        persistent: bool | None = None,
        port: int | None = None,
        host: str | None = None,
        replace_layers: bool | None = None,
        memory: str | int | None = None,
    ) -> None:
        config = visualizer_config
        if configs_in(visualizer_config):
            config = config_for(self.kind, visualizer_config)
        for number in (port, _get(config, "port")):
            if number is not None and not isinstance(number, int):
                raise TypeError(f"port={number!r}: a port is a whole number, such as 5555")
        self.filemanager = filemanager
        self.visualizer_config = visualizer_config
        self.viewer_title = _first(viewer_title, _get(config, "viewer_title"))
        self.persistent = bool(_first(persistent, _get(config, "persistent"), True))
        self.host = str(_first(host, _get(config, "host"), "localhost"))
        self._wanted_port = _first(port, _get(config, "port"))
        self.replace_layers = bool(_first(replace_layers, _get(config, "replace_layers")))
        wanted = _first(memory, _get(config, "memory"))
        self.memory = None if wanted is None else parse_size(wanted)
        self._connection: Connection | None = None
        self._renew_locks()
        self._starter: Starter | None = None
        _visualizers.add(self)

    def _renew_locks(self) -> None:
        """Make the locks, also in a forked child, where its parent's threads never release them."""
        self._lock = threading.RLock()
        """Held by whoever starts or stops the viewer; may take seconds."""
        self._connecting = threading.Lock()
        """Guards `_connection`, which the lanes' threads change, too; never held for long."""

    # ---- start and stop ---------------------------------------------------------------

    def start_viewer(
        self, async_mode: bool = False, timeout: float = START_TIMEOUT, *, reuse: bool = True
    ) -> None:
        """Find the viewer or start it. Starting one that runs does nothing.

        Parameters
        ----------
        async_mode : bool, default False
            Return at once; planes sent meanwhile wait for the viewer. What goes
            wrong then is logged, and raised by `wait_for_ready`.
        timeout : float, default 60.0
            Seconds until the viewer must be ready.
        reuse : bool, default True
            Take a viewer that runs and fits. Otherwise one more is started.

        Raises
        ------
        NoDisplay
            There is nowhere to open a window.
        coverslip.transport.PortTaken
            The port that was asked for is another program's; the message names it.
        coverslip.transport.LaunchError
            The viewer's process ended or did not become ready; the message has
            the end of its log.
        """
        with self._lock:
            if self._starter is not None and self._starter.busy:
                if async_mode:
                    return
            elif not (reuse and self._adopt()):
                if self.host not in _LOCAL_HOSTS:
                    raise NoServer(
                        f"a viewer on {self.host} cannot be started from here: start it there "
                        f"and connect with the line that `coverslip connection show` prints"
                    )
                if self.needs_display:
                    require_display()
                self._starter = Starter(
                    self.kind,
                    port=self._wanted_port,
                    default_port=self.default_port,
                    timeout=timeout,
                    detached=self.persistent,
                    command=self._command,
                    adopt=self._adopt if reuse else lambda: False,
                    found=self._started,
                    ready=self._clear if self.replace_layers else lambda: None,
                )
        # The starter's own deadline comes first: its error says what was seen.
        if not async_mode and not self.wait_for_ready(timeout + _GRACE):
            raise LaunchError(
                f"the {self.kind} viewer on port {self.port} was not ready within {timeout:g} s; "
                f"it goes on starting, and stop_viewer() ends it"
            )

    @classmethod
    def starting(cls, title: str | None = None) -> Self | None:
        """Return the visualizer of this process whose viewer is on its way, of that title if given.

        A second one would find no viewer yet, and start another.
        """
        for visualizer in list(_visualizers):
            if (
                isinstance(visualizer, cls)
                and visualizer.presence() is Presence.STARTING
                and title in {None, visualizer.viewer_title}
            ):
                return visualizer
        return None

    def find_viewer(self) -> bool:
        """Take a running viewer that fits, without starting one; whether there was one."""
        with self._lock:
            return self._adopt()

    def _started(self, connection: Connection) -> None:
        """Reach the viewer as soon as its sockets are bound: planes may come before the window."""
        with self._connecting:
            self._connection = connection

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        command = [sys.executable, "-m", self.module, "--launch-id", launch_id]
        command += ["--log", str(log)]
        if port is not None:
            command += ["--port", str(port)]
        if self.bind is not None:
            command += ["--host", self.bind]
        if self.viewer_title:
            command += ["--title", self.viewer_title]
        if self.memory is not None:
            command += ["--memory", str(self.memory)]
        return command

    def _adopt(self) -> bool:
        """Take a running viewer, if one fits and answers."""
        seen = self._connection
        if seen is not None and ask(seen):
            return True
        for connection in self._candidates():
            if ask(connection):
                self._connect(seen, connection)
                if self.replace_layers:
                    self._clear()
                return True
        return False

    def _candidates(self) -> list[Connection]:
        return candidates(self.kind, self._wanted_port, self.viewer_title)

    def _connect(self, seen: Connection | None, found: Connection | None) -> Connection | None:
        """Take `found` unless another thread changed the connection since it was `seen`.

        Returns
        -------
        Connection or None
            The one that holds now.
        """
        with self._connecting:
            if self._connection is seen:
                self._connection = found
            return self._connection

    def _clear(self) -> None:
        request(self.endpoint, Clear(), Done, timeout=START_TIMEOUT)

    def wait_for_ready(self, timeout: float = START_TIMEOUT) -> bool:
        """Wait until the viewer is on screen.

        Returns
        -------
        bool
            False when `timeout` seconds have passed and it is still starting.

        Raises
        ------
        ViewerGone
            It was never started, or ended.
        NoDisplay, coverslip.transport.TransportError
            What went wrong when it was started in the background.
        """
        deadline = time.monotonic() + timeout
        starter = self._starter
        if starter is not None:
            if not starter.wait(timeout):
                return False
            if starter.error is not None:
                raise starter.error
        pause = threading.Event()
        while True:
            connection = self._connection
            if connection is None or self.presence() is Presence.GONE:
                raise ViewerGone(f"no {self.kind} viewer runs; start_viewer() starts one")
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            pong = ask(connection, min(left, PATIENCE))
            if pong is not None and pong.state == "ready":
                return True
            pause.wait(0.05)

    def stop_viewer(self, timeout: float = 10.0, *, force: bool = False) -> None:
        """Close the window and end its process: asked first, then terminated, then killed.

        Only the process that the connection file proves to be the viewer is
        touched. A napari that merely listens stops to, and stays open with what it shows.
        Stopping one that does not run does nothing.
        """
        with self._lock:
            starter = self._starter
            if starter is not None:
                starter.give_up()
        if starter is not None:
            starter.stop(timeout)
        with self._lock, self._connecting:
            connection, self._connection = self._connection, None
        if connection is not None:
            stop(connection, timeout=timeout, force=force)

    @property
    def is_running(self) -> bool:
        """Whether the viewer answers now."""
        connection = self._connection
        return connection is not None and ask(connection) is not None

    @property
    def connection(self) -> Connection:
        """The viewer's connection file.

        Raises
        ------
        ViewerGone
            There is none: it was not started, or has not bound its sockets yet.
        """
        if self._connection is None:
            raise ViewerGone(f"no {self.kind} viewer runs; start_viewer() starts one")
        return self._connection

    @property
    def endpoint(self) -> Endpoint:
        """Where the viewer answers; raises as `connection` does."""
        return self.connection.endpoint

    @property
    def port(self) -> int | None:
        """Data port: the viewer's, or the one that was asked for."""
        connection = self._connection
        return self._wanted_port if connection is None else connection.endpoint.port

    def wait_for_port(self, timeout: float = START_TIMEOUT) -> int | None:
        """Return `port`, once a viewer that is being started has one.

        Returns
        -------
        int or None
            None: no port was asked for, and no viewer is known, or none within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while self.port is None and self.presence() is Presence.STARTING:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            pause.wait(min(0.05, left))
        return self.port

    def again(self) -> Callable[[], StreamVisualizer]:
        """Return what makes another visualizer of this viewer, in another process.

        The viewer is found by its port there, which one that is being started has in a moment.
        """
        return functools.partial(type(self), port=self.wait_for_port(), host=self.host)

    # ---- Target -----------------------------------------------------------------------

    def locate(self) -> Endpoint | None:
        """Return where the viewer answers; finds one that took a dead one's port."""
        connection = self._connection
        if connection is None:
            # Not started from here: somebody may start one meanwhile.
            if self.presence() is Presence.STARTING:
                return None
            connection = self._connect(None, next(iter(self._candidates()), None))
            return None if connection is None else connection.endpoint
        if not is_serving(connection):
            heir = successor(connection)
            if heir is None:
                return None
            connection = self._connect(connection, heir)
        return None if connection is None else connection.endpoint

    def presence(self) -> Presence:
        """Return what is known of the viewer's process."""
        connection = self._connection
        if connection is not None and is_serving(connection):
            return Presence.THERE
        starter = self._starter
        if starter is not None and starter.busy:
            return Presence.STARTING
        return Presence.GONE


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _get(config: Any, field: str) -> Any:
    return None if config is None else getattr(config, field, None)


def _renew_after_fork() -> None:
    for visualizer in list(_visualizers):
        visualizer._renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
