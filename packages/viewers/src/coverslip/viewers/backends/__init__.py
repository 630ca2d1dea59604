"""The pipeline's way in: arrays and the files they stand for, a batch at a time.

A pipeline that saves its results to disk, to memory or to zarr saves them to a
viewer in the same words, ``save_batch(data_list, file_paths, …)``. What the
images *are* is in their names, so a parser reads it from there.
"""

from __future__ import annotations

from coverslip.viewers.backends.base import StreamingBackend
from coverslip.viewers.backends.registry import backend_names, get_backend, register_backend
from coverslip.viewers.backends.viewer import (
    FijiStreamingBackend,
    NapariStreamingBackend,
    ViewerBackend,
)

__all__ = [
    "FijiStreamingBackend",
    "NapariStreamingBackend",
    "StreamingBackend",
    "ViewerBackend",
    "backend_names",
    "get_backend",
    "register_backend",
]
