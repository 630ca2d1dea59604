"""napari as a viewer of coverslip. Importing this imports neither napari nor Qt."""

from __future__ import annotations

from coverslip.viewers.napari.visualizer import NapariStreamVisualizer

__all__ = ["NapariStreamVisualizer"]
