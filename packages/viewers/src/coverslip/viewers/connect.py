"""The one call for the everyday case: find the viewer, or start it, and show."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from coverslip.payload import Mode
from coverslip.transport import Endpoint
from coverslip.viewers.config.base import Config
from coverslip.viewers.config.lazy import config_for, config_in_force
from coverslip.viewers.config.scope import configs_in
from coverslip.viewers.config.streaming import Keep, stream_budget, streaming_config
from coverslip.viewers.errors import ConfigError
from coverslip.viewers.kinds import visualizer_class
from coverslip.viewers.look import Look
from coverslip.viewers.remote import RemoteVisualizer, read_line
from coverslip.viewers.seconds import as_seconds
from coverslip.viewers.turn import with_turn
from coverslip.viewers.view import View
from coverslip.viewers.visualizer import START_TIMEOUT, StreamVisualizer

__all__ = ["connect"]

logger = logging.getLogger(__name__)


@with_turn
def connect(
    kind: str | None = None,
    *others: str,
    port: int | None = None,
    host: str | None = None,
    start: bool = True,
    persistent: bool | None = None,
    title: str | None = None,
    timeout: float = START_TIMEOUT,
    modes: Mapping[str, Mode | str] | None = None,
    memory: str | int | None = None,
    max_layers: int | None = None,
    keep: Keep | None = None,
    budget: str | int | None = None,
    config: object = None,
    connection: str | PathLike[str] | Endpoint | None = None,
) -> View:
    """Return a view of the running viewer, or of one that is started for it.

    Parameters
    ----------
    kind : str, default "napari"
        One of `viewer_kinds`.
    *others : str
        Further kinds: ``connect("napari", "fiji")`` sends one stream to both, which lies in
        shared memory once. They start at the same time.
    port : int, optional
        The viewer's data port. None takes what is configured; else the newest running one's (of
        that `title`, if given), else starts one at the first free pair of ports. Several viewers
        have their ports from configurations.
    host : str, optional
        This machine, ``"localhost"``, unless the `config` says otherwise. A viewer elsewhere has
        to be started there.
    start : bool, default True
        Start a viewer when none runs. Otherwise planes are dropped, and counted,
        until there is one.
    persistent : bool, optional
        A viewer that is started outlives this process: it does, unless the `config` says otherwise.
    title : str, optional
        The window's title.
    timeout : float, default 60.0
        Seconds until a viewer that is started must be on screen. With 0 the call
        returns at once, and planes wait in shared memory until it is.
    modes : mapping of str to Mode or str, optional
        How components are laid out, see `View`; wins over the `config`.
    memory : str or int, optional
        What a viewer that is started may take, such as ``"2GiB"`` or a number of bytes: 4 GiB, or
        half of what is free, unless the `config` says otherwise. Planes beyond it lie on disk.
    max_layers : int, optional
        Layers or windows of which a viewer that is started makes no more; 100, unless it is said.
    keep : {"all", "latest"} or int, optional
        How many planes of each layer the viewer keeps, see `View`.
    budget : str or int, optional
        What planes may take while they wait for the viewers, such as ``"2GiB"``, see `View`.
    config : object, optional
        A configuration (`coverslip.viewers.config`), Lazy or not; several, for several viewers;
        or an object that holds some. None takes what is in `scope`, else what the process has
        configured. A viewer whose configuration is not `enabled` is left out.
    connection : str, path-like or Endpoint, optional
        A viewer on another machine, which is running: the line that ``coverslip connection show``
        prints there, or a file that holds it. Where and of what kind it is, the line says; it has
        been started, with its title and its memory.

    Returns
    -------
    View
        Close it, use it as a context manager, or just drop it: what was shown
        still arrives.

    Raises
    ------
    UnknownViewer, NoDisplay, coverslip.transport.TransportError
        A viewer was not started; the message says why and what to do. Others may have been.
    ConfigError
        The configuration is not one, one port was given for several viewers, or something was
        given that the `connection` decides. Nothing was started.
    ViewerGone
        Nobody answers at the `connection`.
    TypeError
        The `timeout` is no number.
    Reentered
        A signal handler or a finalizer has called it in the middle of another call.

    Examples
    --------
    >>> import numpy as np
    >>> from coverslip.viewers import connect
    >>> view = connect("napari")
    >>> view.show(np.eye(64, dtype=np.uint16), well="A01", channel="DAPI", z_index=3)
    >>> view.flush(timeout=60)
    Delivery(sent=1, shown=1, dropped=0, failed=0)
    """
    timeout = as_seconds("timeout", timeout)
    if connection is not None:
        decided: dict[str, object] = {"kind": kind, "others": others or None, "port": port}
        decided |= {"host": host, "persistent": persistent, "title": title, "memory": memory}
        decided["max_layers"] = max_layers
        if given := [name for name, value in decided.items() if value is not None]:
            raise ConfigError(
                f"connect(connection=…, {', '.join(given)}): the line says which viewer it is, "
                "which runs and was started as it is; leave the rest out"
            )
        return _reach(
            connection,
            start=start,
            timeout=timeout,
            modes=modes,
            keep=keep,
            budget=budget,
            config=config,
        )
    kinds = _kinds(kind, others, port)
    if config is not None and not configs_in(config):
        raise ConfigError(f"connect(config={config!r}): it is no configuration and holds none")
    most: object = max_layers  # whatever it is said to be
    if most is not None and (not isinstance(most, int) or most < 1):
        raise ConfigError(f"max_layers={max_layers!r}: how many layers at most, from 1 on")
    visualizers = []
    configs = []
    for one in kinds:
        own = _config(one, config)
        _check(own, modes, keep, budget)
        if not getattr(own, "enabled", True):
            logger.info("nothing is sent to %s: its configuration says enabled=False", one)
            continue
        made = visualizer_class(one)
        visualizer = None
        if config is None:
            # What this process starts just now cannot be found by its connection file yet.
            visualizer = made.starting(
                port=_first(port, own, "port"),
                host=_first(host, own, "host"),
                title=_first(title, own, "viewer_title"),
                persistent=_first(persistent, own, "persistent"),
                memory=_first(memory, own, "memory"),
                max_layers=max_layers,
            )
        if own is not None:
            configs.append(own)
        if visualizer is None:
            visualizer = made(
                visualizer_config=own,
                viewer_title=title,
                persistent=persistent,
                port=port,
                host=host,
                memory=memory,
            )
            visualizer.max_layers = max_layers
        visualizers.append(visualizer)
    if start:
        _start(visualizers, timeout)
    else:
        for visualizer in visualizers:
            _find(visualizer)
    return View(visualizers, modes=modes, keep=keep, budget=budget, config=configs or None)


def _reach(
    connection: str | PathLike[str] | Endpoint,
    *,
    start: bool,
    timeout: float,
    modes: Mapping[str, Mode | str] | None,
    keep: Keep | None,
    budget: str | int | None,
    config: object,
) -> View:
    endpoint = connection if isinstance(connection, Endpoint) else read_line(connection)
    own = _config(endpoint.kind, config)
    _check(own, modes, keep, budget)
    if not getattr(own, "enabled", True):
        logger.info("nothing is sent to %s: its configuration says enabled=False", endpoint.kind)
        return View(())
    visualizer = RemoteVisualizer(endpoint)
    if start:
        visualizer.start_viewer(async_mode=timeout <= 0, timeout=timeout)
    return View(visualizer, modes=modes, keep=keep, budget=budget, config=own)


def _config(kind: str, given: object) -> Config | None:
    """Return the configuration of a viewer: of those that were given, else the one in force."""
    if given is not None:
        return config_for(kind, given)
    return config_in_force(streaming_config(kind))


def _kinds(kind: str | None, others: tuple[str, ...], port: int | None) -> tuple[str, ...]:
    """Return the kinds of viewers that are asked for; raises ConfigError where they cannot be."""
    kinds = (kind or "napari", *others)
    for one in kinds:
        if not isinstance(one, str):
            raise ConfigError(
                f'connect({one!r}): a viewer\'s kind is text; several are connect("napari", "fiji")'
            )
    if len(set(kinds)) < len(kinds):
        raise ConfigError(
            f"connect{kinds}: each kind once; two of a kind are two views, each on a port of its "
            f'own: connect("{kinds[0]}", port=5600) and connect("{kinds[0]}", port=5610)'
        )
    if others and port is not None:
        raise ConfigError(
            f"connect{kinds}: each port by a configuration, as in "
            "config=[NapariStreamingConfig(napari_port=5555), FijiStreamingConfig(fiji_port=5556)]"
        )
    return kinds


def _check(
    config: Config | None,
    modes: Mapping[str, Mode | str] | None,
    keep: Keep | None,
    budget: str | int | None,
) -> None:
    """Raise for what `View` would not take, before a viewer is started for it."""
    Look.of(config, modes or {}, keep)
    stream_budget(budget, [config])


def _first(argument: Any, config: Config | None, field: str) -> Any:
    return getattr(config, field, None) if argument is None else argument


def _start(visualizers: Sequence[StreamVisualizer], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    for visualizer in visualizers:
        # All at once: then they are waited for together.
        at_once = timeout <= 0 or len(visualizers) > 1
        visualizer.start_viewer(async_mode=at_once, timeout=timeout or START_TIMEOUT)
    if timeout > 0 and len(visualizers) > 1:
        for visualizer in visualizers:
            visualizer.start_viewer(timeout=max(0.1, deadline - time.monotonic()))


def _find(visualizer: StreamVisualizer) -> None:
    if not visualizer.find_viewer():
        wanted = visualizer.port
        logger.warning(
            "no %s viewer runs on %s%s: planes are dropped until there is one",
            visualizer.kind,
            visualizer.host,
            "" if wanted is None else f", port {wanted}",
        )
