"""The one call for the everyday case: find the viewer, or start it, and show."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping

from coverslip.payload import Mode
from coverslip.viewers.errors import UnknownViewer
from coverslip.viewers.view import View
from coverslip.viewers.visualizer import START_TIMEOUT, StreamVisualizer

__all__ = ["connect", "visualizer_class", "viewer_kinds"]

logger = logging.getLogger(__name__)

_KINDS = {
    "napari": "coverslip.viewers.napari:NapariStreamVisualizer",
    "fiji": "coverslip.viewers.fiji:FijiStreamVisualizer",
}


def viewer_kinds() -> tuple[str, ...]:
    """Return the names that `connect` takes."""
    return tuple(sorted(_KINDS))


def visualizer_class(kind: str) -> type[StreamVisualizer]:
    """Return the visualizer of a viewer kind.

    Raises
    ------
    UnknownViewer
        No kind goes by that name; the message lists those that there are.
    """
    try:
        module, name = _KINDS[kind].split(":")
    except KeyError:
        known = ", ".join(viewer_kinds())
        raise UnknownViewer(f"there is no viewer {kind!r}; there are: {known}") from None
    found: type[StreamVisualizer] = getattr(importlib.import_module(module), name)
    return found


def connect(
    kind: str = "napari",
    *,
    port: int | None = None,
    host: str = "localhost",
    start: bool = True,
    persistent: bool = True,
    title: str | None = None,
    timeout: float = START_TIMEOUT,
    modes: Mapping[str, Mode | str] | None = None,
) -> View:
    """Return a view of the running viewer, or of one that is started for it.

    Parameters
    ----------
    kind : str, default "napari"
        One of `viewer_kinds`.
    port : int, optional
        The viewer's data port. None takes the newest running one (of that
        `title`, if given), else starts one at the first free pair of ports.
    host : str, default "localhost"
        This machine. A viewer elsewhere has to be started there.
    start : bool, default True
        Start a viewer when none runs. Otherwise planes are dropped, and counted,
        until there is one.
    persistent : bool, default True
        A viewer that is started outlives this process.
    title : str, optional
        The window's title.
    timeout : float, default 60.0
        Seconds until a viewer that is started must be on screen. With 0 the call
        returns at once, and planes wait in shared memory until it is.
    modes : mapping of str to Mode or str, optional
        How components are laid out, see `View`.

    Returns
    -------
    View
        Close it, use it as a context manager, or just drop it: what was shown
        still arrives.

    Raises
    ------
    UnknownViewer, NoDisplay, coverslip.transport.TransportError
        Nothing was started; the message says why and what to do.

    Examples
    --------
    >>> from coverslip.viewers import connect
    >>> view = connect("napari")  # doctest: +SKIP
    >>> view.show(image, well="A01", channel="DAPI", z_index=3)  # doctest: +SKIP
    """
    visualizer = visualizer_class(kind)(
        viewer_title=title, persistent=persistent, port=port, host=host
    )
    if start:
        visualizer.start_viewer(async_mode=timeout <= 0, timeout=timeout or START_TIMEOUT)
    elif not visualizer.find_viewer():
        logger.warning(
            "no %s viewer runs%s: planes are dropped until there is one",
            kind,
            "" if port is None else f" on port {port}",
        )
    return View(visualizer, modes=modes)
