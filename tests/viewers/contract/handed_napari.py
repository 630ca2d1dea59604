"""The napari viewer, and requests for what a user does to its window.

``python -m tests.viewers.contract.handed_napari`` runs it as the process that the contract touches.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from coverslip.transport import Answer, Done, Reply, Request
from coverslip.viewers.napari.__main__ import main
from coverslip.viewers.napari.server import NapariViewerServer

__all__ = [
    "AddPoints",
    "CloseWindow",
    "HandedNapariServer",
    "Look",
    "Remove",
    "Scrub",
    "Seen",
    "SetContrast",
]


class Scrub(Request, frozen=True, kw_only=True):
    axis: str
    position: int


class SetContrast(Request, frozen=True, kw_only=True):
    low: float
    high: float


class Remove(Request, frozen=True, kw_only=True):
    layer: str


class AddPoints(Request, frozen=True, kw_only=True):
    """Make a layer of the user's own."""


class CloseWindow(Request, frozen=True, kw_only=True):
    """Close the main window, as its cross does."""


class Look(Request, frozen=True, kw_only=True):
    y: int
    x: int


class Seen(Reply, frozen=True, kw_only=True):
    """What is on screen: the title, the words in the picture's corner, one value of the picture."""

    title: str
    words: str
    pixel: float


class HandedNapariServer(NapariViewerServer):
    """Does as it is told on the GUI thread, through napari's public ways."""

    def handlers(self) -> Mapping[type[Request], Answer]:
        gestures: dict[type[Request], Callable[[Any, Any], Reply | None]] = {
            Scrub: _scrub,
            SetContrast: _set_contrast,
            Remove: lambda viewer, request: viewer.layers.remove(request.layer),
            AddPoints: lambda viewer, _: viewer.add_points([[1, 2]]) and None,
            CloseWindow: _close_window,
            Look: _look,
        }
        return {
            **super().handlers(),
            **{kind: partial(self._gesture, do) for kind, do in gestures.items()},
        }

    def _gesture(self, do: Callable[[Any, Any], Reply | None], request: Any) -> Future[Reply]:
        def act() -> Reply:
            import napari

            return do(napari.current_viewer(), request) or Done()

        return self.on_gui(act)


def _active(viewer: Any) -> Any:
    return viewer.layers.selection.active or viewer.layers[-1]


def _scrub(viewer: Any, request: Scrub) -> None:
    viewer.dims.set_current_step(viewer.dims.axis_labels.index(request.axis), request.position)


def _set_contrast(viewer: Any, request: SetContrast) -> None:
    _active(viewer).contrast_limits = (request.low, request.high)


def _close_window(viewer: Any, _: CloseWindow) -> None:
    from qtpy.QtCore import QTimer

    from coverslip.viewers.napari.insides import main_window

    QTimer.singleShot(0, main_window(viewer).close)  # once this gesture has been answered


def _look(viewer: Any, request: Look) -> Seen:
    value = None
    if viewer.layers:
        value = _active(viewer).get_value((*viewer.dims.current_step[:-2], request.y, request.x))
    return Seen(
        title=viewer.title,
        words=viewer.canvas.overlays.text.text,
        pixel=float("nan") if value is None else float(value),
    )


if __name__ == "__main__":
    sys.exit(main(server=HandedNapariServer))
