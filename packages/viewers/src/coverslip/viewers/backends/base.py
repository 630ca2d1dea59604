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
        """Send one image for each path: all of them, or none and an error."""

    def save(self, data: ArrayLike, file_path: PathLike, **kwargs: Any) -> None:
        """Send one image."""
        self.save_batch([data], [file_path], **kwargs)

    @abstractmethod
    def close(self, linger: float = 5.0) -> None:
        """Wait up to `linger` seconds for what is under way, and let go of the viewers."""
