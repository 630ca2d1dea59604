"""The Fiji viewer: `FijiStreamVisualizer` here; its process imports ImageJ, this package does not."""

from __future__ import annotations

from coverslip.viewers.fiji.visualizer import FijiStreamVisualizer

__all__ = ["FijiStreamVisualizer"]
