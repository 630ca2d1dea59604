"""The Fiji viewer: `FijiStreamVisualizer` here; only its process imports Java."""

from __future__ import annotations

from coverslip.viewers.fiji.visualizer import FijiStreamVisualizer

__all__ = ["FijiStreamVisualizer"]
