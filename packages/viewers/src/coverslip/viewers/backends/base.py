"""What a streaming backend is, to a pipeline that saves to it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import ArrayLike

__all__ = ["PathLike", "StreamingBackend"]

PathLike: TypeAlias = str | os.PathLike[str]


class StreamingBackend(ABC):
    """Saves images to a viewer, at most once and in order; never raises because of it.

    Called by pipelines, from any thread.
    """

    @abstractmethod
    def save_batch(
        self, data_list: Sequence[ArrayLike], file_paths: Sequence[PathLike], **kwargs: Any
    ) -> None:
        """Send one image for each path: all of them, or none and an error.

        Parameters
        ----------
        data_list : sequence of array_like
            The images.
        file_paths : sequence of path-like
            As many, of which their components are read; the files need not exist.
        **kwargs
            What the backend knows, such as ``step_name``; others are the pipeline's own.
        """

    def save(self, data: ArrayLike, file_path: PathLike, **kwargs: Any) -> None:
        """Send one image; parameters are those of `save_batch`, for one."""
        self.save_batch([data], [file_path], **kwargs)

    @abstractmethod
    def close(self, linger: float = 5.0) -> None:
        """Wait for what is under way, and let go of the viewers.

        Parameters
        ----------
        linger : float, default 5.0
            Seconds to wait at most.
        """
