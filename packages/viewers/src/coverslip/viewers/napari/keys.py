"""Keys of ours in a napari viewer, for as long as we draw in it. GUI thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari

__all__ = ["Keys"]


class Keys:
    """Has keys do something until it is closed; then they do again what they did before.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    actions : mapping of str to callable
        What each key does, by napari's names of keys.
    """

    def __init__(self, viewer: napari.Viewer, actions: Mapping[str, Callable[[], object]]) -> None:
        self._viewer = viewer
        self._before: dict[str, Callable[[Any], object] | None] = {}
        for key, action in actions.items():
            self._before[key] = viewer.bind_key(key, lambda _, act=action: act(), overwrite=True)

    def close(self) -> None:
        """Give the keys back: what is bound to one lives as long as the viewer."""
        for key, before in self._before.items():
            self._viewer.bind_key(key, before, overwrite=True)
