"""A viewer's process, seen from the pipeline: find it, start it, watch it, stop it.

A visualizer holds no planes. It is the `Target` that a stream's lane asks where
the viewer answers, and it keeps answering when that viewer was killed and
another took its port.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import time
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
    TransportError,
    check_port,
    is_serving,
    request,
    stop,
)
from coverslip.viewers.config.lazy import config_for
from coverslip.viewers.config.scope import configs_in
from coverslip.viewers.display import require_display
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.finding import LOCAL_HOSTS, PATIENCE, ask
from coverslip.viewers.living import Living
from coverslip.viewers.memory.budget import size_setting
from coverslip.viewers.starter import Starter
from coverslip.viewers.target import Presence
from coverslip.viewers.whereabouts import Whereabouts

__all__ = ["START_TIMEOUT", "StreamVisualizer"]

logger = logging.getLogger(__name__)

START_TIMEOUT = 60.0
"""Seconds: a cold napari takes five, a cold disk and shader compiler many more."""

_GRACE = 2.0

_CLEAR_TIMEOUT = 10.0
"""Seconds that a viewer's window has to empty itself: more only where it does not answer."""


class StreamVisualizer(Whereabouts):
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
        Data port, 1 to 64535; None takes a running viewer's, else the first free pair from the
        kind's default.
    host : str, default "localhost"
        ``localhost``: this machine. A viewer elsewhere is reached by its
        ``coverslip://`` line, see `coverslip.viewers.connect`.
    replace_layers : bool, default False
        Clear the viewer when this visualizer finds or starts it. One that does not answer in ten
        seconds is used as it is, with a warning.
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

    max_layers: int | None = None
    """The layers that a viewer started from here makes at most; None: as many as it likes."""

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
            if number is not None:
                check_port(number)
        self.filemanager = filemanager
        self.visualizer_config = visualizer_config
        self.viewer_title = _first(viewer_title, _get(config, "viewer_title"))
        self.persistent = bool(_first(persistent, _get(config, "persistent"), True))
        self.host = str(_first(host, _get(config, "host"), "localhost"))
        self._wanted_port = _first(port, _get(config, "port"))
        self.replace_layers = bool(_first(replace_layers, _get(config, "replace_layers")))
        wanted = _first(memory, _get(config, "memory"))
        self.memory = None if wanted is None else size_setting("memory", wanted)
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
            else:
                # A window has to answer before it is empty, which no pipeline waits for.
                later = async_mode and reuse and self._will_clear()
                if reuse and not later and self._adopt():
                    self._starter = None
                else:
                    self._starter = self._start(timeout, reuse=reuse, look_first=later)
        # The starter's own deadline comes first: its error says what was seen.
        if not async_mode and not self.wait_for_ready(timeout + _GRACE):
            raise LaunchError(
                f"the {self.kind} viewer on port {self.port} was not ready within {timeout:g} s; "
                f"it goes on starting, and stop_viewer() ends it"
            )

    def _start(self, timeout: float, *, reuse: bool, look_first: bool) -> Starter:
        if not look_first:
            self._require_place()
        return Starter(
            self.kind,
            port=self._wanted_port,
            default_port=self.default_port,
            timeout=timeout,
            detached=self.persistent,
            command=self._command,
            adopt=self._adopt if reuse else lambda: False,
            look_first=look_first,
            found=self._started,
            ready=self._clear_own if self.replace_layers else lambda: None,
        )

    @classmethod
    def starting(
        cls,
        *,
        port: int | None = None,
        host: str | None = None,
        title: str | None = None,
        persistent: bool | None = None,
        memory: str | int | None = None,
        max_layers: int | None = None,
    ) -> Self | None:
        """Return the visualizer of this process whose viewer is on its way and is what is asked.

        A second one would find no viewer yet, and start another. What is None is not asked for.
        """
        for one in _visualizers.all():
            if (
                isinstance(one, cls)
                and one.presence() is Presence.STARTING
                and port in {None, one.port}
                and host in {None, one.host}
                and title in {None, one.viewer_title}
                and persistent in {None, one.persistent}
                and (memory is None or size_setting("memory", memory) == one.memory)
                and max_layers in {None, one.max_layers}
            ):
                return one
        return None

    def _require_place(self) -> None:
        """Raise where no viewer can be started from here."""
        if self.host not in LOCAL_HOSTS:
            raise NoServer(
                f"a viewer on {self.host} cannot be started from here: start it there "
                f"and connect with the line that `coverslip connection show` prints"
            )
        if self.needs_display:
            require_display()

    def find_viewer(self) -> bool:
        """Take a running viewer that fits, without starting one; whether there was one."""
        with self._lock:
            return self._adopt()

    def _started(self, connection: Connection) -> None:
        """Reach the viewer as soon as its sockets are bound: planes may come before the window."""
        with self._connecting:
            self._connection = connection

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        asked = {
            "--launch-id": launch_id,
            "--log": log,
            "--port": port,
            "--host": self.bind,
            "--title": self.viewer_title or None,
            "--memory": self.memory,
            "--max-layers": self.max_layers,
        }
        given = ((name, str(value)) for name, value in asked.items() if value is not None)
        return [sys.executable, "-m", self.module, *(word for pair in given for word in pair)]

    def _adopt(self) -> bool:
        """Take a running viewer, if one fits and answers; never raises because of one."""
        seen = self._connection
        if seen is not None and ask(seen):
            return True
        for connection in self._candidates():
            if ask(connection):
                if self.replace_layers:
                    self._clear(connection.endpoint)
                self._connect(seen, connection)
                return True
        return False

    def _will_clear(self) -> bool:
        """Whether a viewer is there that would be emptied before it is taken."""
        if not self.replace_layers or self.is_running:
            return False
        return bool(self._candidates())

    def _clear(self, endpoint: Endpoint) -> None:
        try:
            request(endpoint, Clear(), Done, timeout=_CLEAR_TIMEOUT)
        except TransportError as error:
            logger.warning("the %s viewer keeps the layers that it has: %s", self.kind, error)

    def _clear_own(self) -> None:
        self._clear(self.endpoint)

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


_visualizers = Living(StreamVisualizer._renew_locks)
"""Those of this process."""
