"""The tests' own viewer without a window: what holds without napari and ImageJ, in seconds."""

from __future__ import annotations

from typing import ClassVar

from tests.viewers.contract.subject import Ability, Subject
from tests.viewers.headless import HeadlessVisualizer

__all__ = ["Headless"]


class Headless(Subject):
    """A third party's viewer, as far as the contract knows."""

    kind = "headless"
    visualizer = touchable = HeadlessVisualizer
    has: ClassVar[frozenset[Ability]] = frozenset()
