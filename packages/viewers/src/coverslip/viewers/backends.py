"""The pipeline's way in: arrays and the files they stand for, a batch at a time.

A pipeline that saves its results to disk, to memory or to zarr saves them to a
viewer in the same words, ``save_batch(data_list, file_paths, …)``. What the
images *are* is in their names, so a parser reads it from there.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from coverslip.payload import as_origin, as_planes, as_source
from coverslip.transport import TransportError
from coverslip.viewers.connect import connect
from coverslip.viewers.errors import ViewerError
from coverslip.viewers.parsers import parse_path
from coverslip.viewers.stream import Image
from coverslip.viewers.view import View

__all__ = [
    "FijiStreamingBackend",
    "NapariStreamingBackend",
    "StreamingBackend",
    "ViewerBackend",
]

logger = logging.getLogger(__name__)

_PathLike = str | os.PathLike[str]


class StreamingBackend(ABC):
    """Saves images to a viewer, at most once and in order; never raises because of it.

    Safe from any thread. One view is kept for each viewer that was used, until
    `close`.
    """

    @abstractmethod
    def save_batch(
        self, data_list: Sequence[ArrayLike], file_paths: Sequence[_PathLike], **kwargs: Any
    ) -> None:
        """Send one image for each path."""

    def save(self, data: ArrayLike, file_path: _PathLike, **kwargs: Any) -> None:
        """Send one image."""
        self.save_batch([data], [file_path], **kwargs)

    @abstractmethod
    def close(self, linger: float = 5.0) -> None:
        """Wait up to `linger` seconds for what is under way, and let go of the viewers."""


class ViewerBackend(StreamingBackend):
    """`StreamingBackend` onto the viewers of one kind."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        self._views: dict[tuple[str, int | None], View] = {}
        self._lock = threading.Lock()

    def save_batch(
        self,
        data_list: Sequence[ArrayLike],
        file_paths: Sequence[_PathLike],
        *,
        step_name: str | None = None,
        step_index: int | None = None,
        components: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None,
        parser: str | Callable[[Path], Mapping[str, Any]] = "auto",
        axes: Sequence[str] | None = None,
        rgb: bool = False,
        name: str | None = None,
        modes: Mapping[str, str] | None = None,
        host: str = "localhost",
        port: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Send one image for each path, as one message where they fit.

        Parameters
        ----------
        data_list : sequence of array_like
            Images, as `View.show` takes them.
        file_paths : sequence of path-like
            As many paths. They need not exist: they say what the images are.
        step_name, step_index : str, int, optional
            The step that made them.
        components : mapping, or sequence of mappings, optional
            What the images are, instead of or beside what their names say: one
            mapping for each path, or one for all. Wins over the parser.
        parser : str or callable, default "auto"
            ``"auto"``, a parser's name, or a function of the path.
        axes, rgb : sequence of str, bool, optional
            As for `View.show`; each component axis adds planes.
        name : str, optional
            The layers' name.
        modes : mapping of str to str, optional
            Component modes of this batch, see `View`.
        host, port : str, int, optional
            The viewer; started when it does not run.
        **kwargs : object
            Other words of the pipeline's context, which mean nothing here.

        Raises
        ------
        ValueError
            Not as many images as paths, or as component mappings.
        ViewerError
            A path that no parser reads and for which no components are given.
        coverslip.payload.UnsupportedArray
            An image that cannot be shown. Nothing of the batch was sent.
        """
        if len(data_list) != len(file_paths):
            raise ValueError(
                f"save_batch got {len(data_list)} images and {len(file_paths)} paths; "
                f"each image needs its path"
            )
        given = _spread(components, len(file_paths))
        pictures = [
            Image(
                placed,
                pixels,
                rgb=rgb or (axes is not None and "c" in axes),
                origin=as_origin(path),
            )
            for data, path, known in zip(data_list, file_paths, given, strict=True)
            for placed, pixels in as_planes(
                data, axes=axes, rgb=rgb, components=_read(path, parser, known)
            )
        ]
        if kwargs:
            logger.debug("save_batch leaves aside: %s", ", ".join(sorted(kwargs)))
        source = as_source(name=name, step_name=step_name, step_index=step_index, modes=modes)
        self.view(host, port).stream.send(pictures, source)

    def view(self, host: str = "localhost", port: int | None = None) -> View:
        """Return the view that this backend sends to, connecting at first use."""
        with self._lock:
            view = self._views.get((host, port))
            if view is None:
                try:
                    # The pipeline does not wait for a window: planes wait for it instead.
                    view = connect(self.kind, host=host, port=port, timeout=0)
                except (ViewerError, TransportError) as error:
                    logger.error("no %s viewer can be started: %s", self.kind, error)
                    view = connect(self.kind, host=host, port=port, start=False)
                self._views[host, port] = view
            return view

    def close(self, linger: float = 5.0) -> None:
        """Wait up to `linger` seconds for what is under way, and let go of the viewers."""
        with self._lock:
            views, self._views = self._views, {}
        for view in views.values():
            view.close(linger)


class NapariStreamingBackend(ViewerBackend):
    """Saves images to napari."""

    kind = "napari"


class FijiStreamingBackend(ViewerBackend):
    """Saves images to Fiji."""

    kind = "fiji"


def _spread(
    components: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None, count: int
) -> Sequence[Mapping[str, Any] | None]:
    if components is None or isinstance(components, Mapping):
        return [components] * count
    if len(components) != count:
        raise ValueError(f"save_batch got {count} images and {len(components)} component mappings")
    return components


def _read(
    path: _PathLike,
    parser: str | Callable[[Path], Mapping[str, Any]],
    known: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return an image's components: those given, over those its name says."""
    given = dict(known or {})
    if callable(parser):
        return {**parser(Path(path)), **given}
    try:
        return {**parse_path(Path(path), parser), **given}
    except ViewerError:
        if given:
            return given
        raise
