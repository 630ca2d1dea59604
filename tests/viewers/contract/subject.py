"""What the contract is run on: a viewer, and how a test does to it what its user would."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coverslip.viewers import StreamVisualizer, View
from coverslip.viewers.backends import ViewerBackend

__all__ = ["BUILT_IN", "START", "Hands", "Subject", "load", "plane"]

START = 120.0
"""Seconds: a cold machine under load, which fetches ImageJ besides."""

BUILT_IN = {
    "napari": "tests.viewers.contract.on_napari:Napari",
    "fiji": "tests.viewers.contract.on_fiji:Fiji",
    "headless": "tests.viewers.contract.on_headless:Headless",
}


Ability = Literal["window", "backend", "commands"]


class Hands(ABC):
    """What a user does to a viewer that runs in another process, and what a user sees there.

    Where a viewer has several layers or windows, the active one is meant.
    """

    @abstractmethod
    def title(self) -> str:
        """Return the title of the viewer's main window."""

    @abstractmethod
    def scrub(self, axis: str, position: int) -> None:
        """Move the slider of ``"z_index"`` or ``"timepoint"`` to a position, counted from 0."""

    @abstractmethod
    def place(self) -> dict[str, str]:
        """Return each component that the window says it stands at, and its value."""

    @abstractmethod
    def pixel(self, y: int, x: int) -> float:
        """Return the value that is drawn at a place of the picture."""

    @abstractmethod
    def set_contrast(self, low: float, high: float) -> None:
        """Choose contrast limits."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a layer, or close its window."""

    @abstractmethod
    def leave_work_unsaved(self) -> None:
        """Change the picture and make another: what a program may ask to save when it ends."""

    @abstractmethod
    def quit(self) -> None:
        """End the viewer; it may be gone before this returns."""


class Subject:
    """One viewer as the contract meets it."""

    kind: ClassVar[str]
    """As its servers announce themselves."""

    visualizer: ClassVar[type[StreamVisualizer]]
    """Starts the viewer as a pipeline does."""

    touchable: ClassVar[type[StreamVisualizer]]
    """Starts the same viewer so that `hands` can reach it; `visualizer` where that does."""

    options: ClassVar[Mapping[str, Any]] = {}
    """What `touchable` takes besides."""

    backend: ClassVar[type[ViewerBackend] | None] = None
    """Saves batches to it, where a pipeline may."""

    has: ClassVar[frozenset[Ability]] = frozenset({"window", "backend", "commands"})
    """What a test with ``pytest.mark.needs`` may ask for: a window to be touched by `hands`, a
    `backend`, ``coverslip … --viewer KIND``."""

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return variables for its process, with settings in `folder` that are nobody's own."""
        return {}

    def make(self, *, port: int | None, **options: Any) -> StreamVisualizer:
        """Return a visualizer of a viewer that can be touched and dies with the tests."""
        return self.touchable(port=port, **{"persistent": False, **self.options, **options})

    def hands(self, view: View) -> Hands:
        """Return the hands on a running viewer; asked of one with a window only."""
        raise NotImplementedError

    def held(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return what the viewer is to hold of ``(y, x)`` pixels: themselves, where it can."""
        return pixels.astype(pixels.dtype.newbyteorder("<"))


def load(name: str) -> Subject:
    """Return a built-in subject, or somebody else's by ``MODULE:CLASS``."""
    module, _, attribute = BUILT_IN.get(name, name).partition(":")
    made: Subject = getattr(importlib.import_module(module), attribute)()
    return made


def plane(value: float, shape: tuple[int, int] = (40, 60), dtype: Any = np.uint16) -> NDArray[Any]:
    """Return pixels of one value with a corner of 0, so that they have a contrast."""
    pixels = np.full(shape, value, dtype)
    pixels[0, 0] = 0
    return pixels
