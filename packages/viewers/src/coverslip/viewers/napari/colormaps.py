"""Which colormaps napari has, by name."""

from __future__ import annotations

__all__ = ["colormap_names"]


def colormap_names() -> list[str]:
    """Return the names that napari's layers take. Imports napari's colormaps, and no Qt."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    return list(AVAILABLE_COLORMAPS)
