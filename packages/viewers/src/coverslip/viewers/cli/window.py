"""The window that a command sends to: found or started, waited for, photographed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from coverslip.transport import (
    Identity,
    TransportError,
    launching_parent,
    list_connections,
    ping,
)
from coverslip.viewers.cli import report
from coverslip.viewers.cli.words import in_one_line
from coverslip.viewers.config import StreamingConfig
from coverslip.viewers.connect import connect
from coverslip.viewers.display import ends_with_xvfb_run
from coverslip.viewers.errors import ViewerError, ViewerGone
from coverslip.viewers.view import View
from coverslip.viewers.visualizer import START_TIMEOUT, StreamVisualizer

__all__ = [
    "check_target",
    "open_window",
    "say_how_long_it_stays",
    "say_how_to_make_room",
    "take_picture",
]

PING_TIMEOUT = 2.0
REMOTE_TIMEOUT = 10.0
MARGIN = 5.0
"""Seconds beyond its own deadline that whoever starts the viewer is given to say why."""


def open_window(
    kind: str,
    *,
    port: int | None = None,
    title: str | None = None,
    persistent: bool | None = None,
    connection: str | None = None,
    config: StreamingConfig | None = None,
    modes: Mapping[str, str] | None = None,
    memory: int | None = None,
    max_layers: int | None = None,
    budget: int | None = None,
) -> View:
    """Return a view of a viewer that is on screen. Whoever loses patience leaves none half started.

    Parameters are those of `connect`.

    Raises
    ------
    ViewerGone
        It was not on screen in time.
    NoDisplay, coverslip.transport.TransportError
        As `connect`.
    """
    if connection is not None:
        return connect(connection=connection, timeout=REMOTE_TIMEOUT, modes=modes, budget=budget)
    if port is not None:
        _refuse_frozen(port)
    view = connect(
        kind,
        port=port,
        title=title,
        persistent=persistent,
        timeout=0,
        config=config,
        modes=modes,
        memory=memory,
        max_layers=max_layers,
        budget=budget,
    )
    if view.visualizer.is_running:
        if memory is not None or max_layers is not None:
            own = view.visualizer.port
            report.note(
                f"{kind} on port {own} runs already and stays as it was started: for --memory or "
                f"--max-layers end it first (`coverslip stop {own}`), or give another --port"
            )
        return view
    report.note(f"starting {kind} …")
    ready = False
    try:
        with report.waiting(f"starting {kind} …"):
            ready = view.visualizer.wait_for_ready(START_TIMEOUT + MARGIN)
    except KeyboardInterrupt:
        report.note(f"interrupted: stopping {kind} …")
        raise
    finally:
        if not ready:
            view.stop()
    if not ready:
        raise ViewerGone(f"{kind} was not on screen within {START_TIMEOUT:.0f} s")
    return view


def _refuse_frozen(port: int) -> None:
    """Raise if a viewer of this user holds the port and does not answer: it can be ended."""
    for connection in list_connections():
        endpoint = connection.endpoint
        if endpoint.port == port:
            try:
                ping(endpoint, PING_TIMEOUT)
            except TransportError:
                raise ViewerGone(
                    f"{endpoint.kind} on port {port} (pid {connection.pid}) does not answer: wait, "
                    f"end it with `coverslip stop {port}`, or leave out the port"
                ) from None


def say_how_to_make_room(view: View) -> None:
    """Say how a viewer gets room that has as many layers as it may, where planes failed of it."""
    if any("--max-layers" in reason for reason in view.statistics().reasons):
        port = view.visualizer.port
        report.note(
            f"`coverslip clear {port}` makes room for what --mode lays out anew; "
            f"`coverslip stop {port}`, for a viewer that is started with --max-layers"
        )


def say_how_long_it_stays(view: View, advice: str = "") -> None:
    """Say that the viewer stays open, with `advice`, or until when."""
    visualizer = view.visualizer
    where = f"{visualizer.kind} on port {visualizer.port}"
    if not visualizer.is_running:
        report.warn(visualizer.kind, f"the viewer on port {visualizer.port} does not answer")
    elif _display_is_lent(visualizer):
        report.note(f"{where} ends with xvfb-run, whose display it is on")
    elif not visualizer.persistent and _is_own(visualizer):
        report.note(
            f"{where} ends with this command, as persistent=false is configured; "
            "COVERSLIP_STREAMING_PERSISTENT=true keeps it open"
        )
    elif (parent := _parent(visualizer)) is not None:
        report.note(f"{where} ends with process {parent.pid}, which started it")
    else:
        report.note(f"{where} stays open{advice}")


def _parent(visualizer: StreamVisualizer) -> Identity | None:
    """Return the other process that the viewer ends with; None for one that stays, or is ours."""
    return None if _is_own(visualizer) else launching_parent(_environment(visualizer))


def _is_own(visualizer: StreamVisualizer) -> bool:
    """Tell whether this process started the viewer, and not whoever else looks at it."""
    try:
        return psutil.Process(visualizer.connection.pid).ppid() == os.getpid()
    except (psutil.Error, ViewerGone):
        return False


def _display_is_lent(visualizer: StreamVisualizer) -> bool:
    """Tell whether the viewer's display goes with the xvfb-run that the viewer was started in."""
    return ends_with_xvfb_run(_environment(visualizer))


def _environment(visualizer: StreamVisualizer) -> dict[str, str]:
    """Return the viewer's own, which may have been there before this command; {} if not known."""
    try:
        return psutil.Process(visualizer.connection.pid).environ()
    except (psutil.Error, OSError, ViewerGone):
        return {}


def check_target(picture: Path | None) -> None:
    """See that a picture can be written, before anything starts that takes time.

    Raises
    ------
    OSError
        It cannot; the message says why.
    """
    if picture is None:
        return
    folder = picture.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"cannot write {picture}: there is no folder {folder}")
    if not os.access(picture if picture.exists() else folder, os.W_OK):
        raise PermissionError(f"cannot write {picture}: you have no right to")


def take_picture(view: View, picture: Path | None) -> bool:
    """Write the window's picture where one is wanted, and say where; whether that went well.

    Its failure must not hide what became of the planes, so it is only told.
    """
    if picture is None:
        return True
    try:
        view.screenshot(picture)
    except (ViewerError, OSError) as error:
        report.warn("no screenshot", in_one_line(error))
        return False
    report.note(f"screenshot: {picture.resolve()}")
    return True
