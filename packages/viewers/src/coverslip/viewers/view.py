"""A view: what `connect` returns, the everyday handle on one viewer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy.typing import ArrayLike, DTypeLike, NDArray

from coverslip.payload import Mode, ShapeType, Source, as_origin, as_planes, as_source
from coverslip.transport import (
    Clear,
    Delivery,
    Done,
    Picture,
    Reply,
    Request,
    RequestRefused,
    Screenshot,
    TransportError,
    request,
)
from coverslip.viewers import annotate
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.messages import (
    DescribeLayers,
    LayerInfo,
    Layers,
    MacroResult,
    RunMacro,
)
from coverslip.viewers.stream import Image, Statistics, Stream
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["View"]

R = TypeVar("R", bound=Reply)

_ANSWER_TIMEOUT = 30.0
"""Seconds for a question that the GUI answers: it may be drawing, or hashing gigabytes."""


class View:
    """Shows planes in a viewer, at most once and in order; every plane is counted.

    `show` and `allocate` may be called from any thread, and from a process
    forked off this one. No call but the ones that ask a question (`layers`,
    `screenshot`) raises because of the viewer.

    Parameters
    ----------
    visualizer : StreamVisualizer
        The viewer.
    stream : Stream, optional
        Where its planes go; made for this view if None.
    modes : mapping of str to Mode or str, optional
        Component modes of everything shown, such as ``{"well": "slice"}``:
        ``"stack"`` is a slider, ``"slice"`` and ``"separate"`` a layer for
        each value. Components that are not named keep the viewer's default.
    """

    def __init__(
        self,
        visualizer: StreamVisualizer,
        stream: Stream | None = None,
        *,
        modes: Mapping[str, Mode | str] | None = None,
    ) -> None:
        self.visualizer = visualizer
        self._stream = Stream([visualizer]) if stream is None else stream
        self._modes = {name: Mode(mode).value for name, mode in (modes or {}).items()}

    # ---- planes -----------------------------------------------------------------------

    def show(
        self,
        array: ArrayLike,
        name: str | None = None,
        axes: Sequence[str] | None = None,
        *,
        rgb: bool = False,
        step_name: str | None = None,
        step_index: int | None = None,
        origin: str = "",
        **components: Any,
    ) -> None:
        """Send an image to the viewer and go on.

        Waits only while the viewer is alive and has no room, five seconds at
        most; with no viewer, a dead or a frozen one, the plane is dropped and
        counted.

        Parameters
        ----------
        array : array_like
            ``(y, x)`` of any real dtype; more dimensions with `axes`.
        name : str, optional
            The layer's name, instead of one made from step and components.
        axes : sequence of str, optional
            Names of the array's axes, such as ``("z_index", "y", "x")``. An axis
            other than ``y``, ``x``, ``c`` is a component: its values are 0, 1, …,
            or those given for it, ``z_index=[3, 4, 5]``.
        rgb : bool, default False
            The last axis is colour (3 or 4 long).
        step_name, step_index : str, int, optional
            The pipeline step that made it; each step has layers of its own.
        origin : str, optional
            Where it came from, such as a file. Two planes of different origin at
            one place are a collision, which the viewer counts and warns of.
        **components : str, int or float
            Where it belongs: ``well="A01", channel="DAPI", z_index=3``. Any name.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            It cannot be shown as an image: complex, empty, one-dimensional, or of
            more than two dimensions without `axes`. Or a name or component cannot
            be sent. The message says what to do.
        StreamClosed
            After `close`.
        """
        along = {axis: components.pop(axis) for axis in axes or () if axis in components}
        self.send(
            self._source(name, step_name, step_index),
            as_planes(array, axes=axes, rgb=rgb, components=components, coordinates=along),
            rgb=rgb or (axes is not None and "c" in axes),
            origin=origin,
        )

    def send(
        self,
        source: Source,
        planes: Iterable[tuple[dict[str, Any], NDArray[Any]]],
        *,
        rgb: bool = False,
        origin: str = "",
    ) -> None:
        """Send planes that `coverslip.payload.as_planes` made; what `show` stands on."""
        self._stream.send(
            [Image(components, pixels, rgb, as_origin(origin)) for components, pixels in planes],
            source,
        )

    def _source(self, name: str | None, step_name: str | None, step_index: int | None) -> Source:
        return as_source(name=name, step_name=step_name, step_index=step_index, modes=self._modes)

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array in shared memory to compute into: `show` then copies nothing.

        It is yours until it is shown, and read-only from then on. See
        `coverslip.viewers.Stream.allocate`.
        """
        return self._stream.allocate(shape, dtype)

    # ---- annotations ------------------------------------------------------------------

    def labels(
        self,
        mask: ArrayLike,
        name: str | None = None,
        axes: Sequence[str] | None = None,
        *,
        step_name: str | None = None,
        step_index: int | None = None,
        origin: str = "",
        **components: Any,
    ) -> None:
        """Send a label image: a whole number for each pixel, 0 for the background.

        Parameters are those of `show`. The numbers arrive as they are, int64 too.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            It is no image of whole numbers. The message says what to do.
        StreamClosed
            After `close`.
        """
        images = annotate.labels(mask, axes, components)
        self._annotate(images, self._source(name, step_name, step_index), origin)

    def points(
        self,
        coordinates: ArrayLike,
        name: str | None = None,
        axes: Sequence[str] = ("y", "x"),
        *,
        step_name: str | None = None,
        step_index: int | None = None,
        origin: str = "",
        **components: Any,
    ) -> None:
        """Send points, such as spots or centres, in place of those that stood there.

        Parameters
        ----------
        coordinates : array_like
            ``(n, len(axes))``, in pixels; (0, 0) is the centre of the first one. Empty for none.
        axes : sequence of str, default ("y", "x")
            What the columns are. An axis other than y and x is a component that each point gives
            by itself: ``("z_index", "y", "x")``.
        name, step_name, step_index, origin, **components
            As for `show`.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            Other columns, or a number that is not finite.
        StreamClosed
            After `close`.
        """
        images = [annotate.points(coordinates, axes, components)]
        self._annotate(images, self._source(name, step_name, step_index), origin)

    def shapes(
        self,
        shapes: Iterable[ArrayLike],
        name: str | None = None,
        axes: Sequence[str] = ("y", "x"),
        *,
        shape_type: str | ShapeType | Sequence[str | ShapeType] = "polygon",
        step_name: str | None = None,
        step_index: int | None = None,
        origin: str = "",
        **components: Any,
    ) -> None:
        """Send polygons and other shapes, in place of those that stood there.

        Parameters
        ----------
        shapes : iterable of array_like
            Each ``(vertices, len(axes))``, in pixels; (0, 0) is the centre of the first one. A
            rectangle or an ellipse may be two opposite corners. Empty for none.
        axes : sequence of str, default ("y", "x")
            What the columns are, as for `points`; a shape lies in one plane.
        shape_type : str or sequence of str, default "polygon"
            ``"polygon"``, ``"path"``, ``"rectangle"``, ``"ellipse"`` or ``"line"``, one for all or
            one for each.
        name, step_name, step_index, origin, **components
            As for `show`.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            Something is no shape; the message says which.
        StreamClosed
            After `close`.
        """
        images = [annotate.shapes(shapes, axes, shape_type, components)]
        self._annotate(images, self._source(name, step_name, step_index), origin)

    def tracks(
        self,
        table: ArrayLike,
        name: str | None = None,
        axes: Sequence[str] = ("timepoint", "y", "x"),
        *,
        step_name: str | None = None,
        step_index: int | None = None,
        origin: str = "",
        **components: Any,
    ) -> None:
        """Send tracks, in place of those that stood there.

        Parameters
        ----------
        table : array_like
            ``(n, 1 + len(axes))``: a track's number, then `axes`; y and x in pixels.
        axes : sequence of str, default ("timepoint", "y", "x")
            What the columns after the first are; the first of them that is not y or x is the time.
        name, step_name, step_index, origin, **components
            As for `show`.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            Other columns, no axis of time, a track's number that is not whole.
        StreamClosed
            After `close`.
        """
        images = [annotate.tracks(table, axes, components)]
        self._annotate(images, self._source(name, step_name, step_index), origin)

    def rois(
        self,
        regions: annotate.Rois,
        name: str | None = None,
        *,
        step_name: str | None = None,
        step_index: int | None = None,
        origin: str = "",
        **components: Any,
    ) -> None:
        """Send ImageJ's regions of interest, in place of those that stood there.

        Parameters
        ----------
        regions : path, bytes, roifile.ImagejRoi, or iterable of the last two
            A ``.roi`` or ``.zip`` file, or what was read from one.
        name, step_name, step_index, origin, **components
            As for `show`.

        Raises
        ------
        coverslip.viewers.UnreadableImage
            The file cannot be read.
        coverslip.payload.UnsupportedArray
            It is no region.
        StreamClosed
            After `close`.
        """
        images = [annotate.rois(regions, components)]
        self._annotate(images, self._source(name, step_name, step_index), origin)

    def _annotate(self, images: Iterable[Image], source: Source, origin: str) -> None:
        where = as_origin(origin)
        self._stream.send([image._replace(origin=where) for image in images], source)

    # ---- counts -----------------------------------------------------------------------

    def flush(self, timeout: float = 10.0) -> Delivery:
        """Wait until what was sent is in the layers that the viewer draws.

        Returns
        -------
        Delivery
            ``(sent, shown, dropped, failed)``. They add up, unless `timeout`
            seconds were not enough; then `Delivery.pending` says how many remain.
        """
        return self._stream.flush(timeout)

    def statistics(self) -> Statistics:
        """Return the counts, bytes in flight and rate, without waiting."""
        return self._stream.statistics()

    # ---- questions --------------------------------------------------------------------

    def layers(self, checksums: bool = False) -> tuple[LayerInfo, ...]:
        """Return what the viewer holds, as it holds it.

        Parameters
        ----------
        checksums : bool, default False
            Also the CRC-32 of each plane's pixels.

        Raises
        ------
        ViewerGone
            No viewer answers.
        """
        return self._ask(DescribeLayers(checksums=checksums), Layers).layers

    def screenshot(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Return the viewer's window as PNG, and write it to `path` if given.

        Raises
        ------
        ViewerGone
            No viewer answers.
        """
        png = self._ask(Screenshot(), Picture).png
        if path is not None:
            Path(path).write_bytes(png)
        return png

    def clear(self) -> None:
        """Take away every layer that came through coverslip."""
        self._ask(Clear(), Done)

    def run_macro(self, text: str, argument: str = "", timeout: float = _ANSWER_TIMEOUT) -> str:
        """Run a macro in the viewer's ImageJ, and return what it returns.

        Parameters
        ----------
        text
            Of the macro, in ImageJ's macro language.
        argument
            What its ``getArgument()`` returns.
        timeout
            Seconds to wait; the macro goes on when they are over.

        Raises
        ------
        coverslip.transport.RequestRefused
            The viewer is no ImageJ or was not started with ``--allow-macros``; another macro
            runs; or this one failed. The message says which.
        ViewerGone
            No viewer answers.
        """
        question = RunMacro(text=text, argument=argument)
        try:
            return request(self.visualizer.endpoint, question, MacroResult, timeout=timeout).text
        except RequestRefused:
            raise
        except TransportError as error:
            raise self._gone(error) from error

    def _ask(self, question: Request, answer: type[R]) -> R:
        try:
            return request(self.visualizer.endpoint, question, answer, timeout=_ANSWER_TIMEOUT)
        except TransportError as error:
            raise self._gone(error) from error

    def _gone(self, error: Exception) -> ViewerGone:
        return ViewerGone(
            f"the {self.visualizer.kind} viewer on port {self.visualizer.port} "
            f"did not answer: {error}"
        )

    # ---- the end ----------------------------------------------------------------------

    @property
    def stream(self) -> Stream:
        """The stream that this view sends on."""
        return self._stream

    def close(self, linger: float = 5.0) -> Delivery:
        """Wait up to `linger` seconds for what is under way, and let go. The viewer stays."""
        return self._stream.close(linger)

    def stop(self, timeout: float = 10.0) -> None:
        """Close the view and the viewer."""
        self.close(linger=0.0)
        self.visualizer.stop_viewer(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process has a stream of its own; the viewer is found by its port.
        return _rejoin, (type(self.visualizer), self.visualizer.port, self._modes)

    def __repr__(self) -> str:
        counts = self._stream.statistics()
        return (
            f"<View of {self.visualizer.kind} on port {self.visualizer.port}: "
            f"{', '.join(counts.state)}; sent {counts.sent}, shown {counts.shown}, "
            f"dropped {counts.dropped}, failed {counts.failed}>"
        )


def _rejoin(visualizer: type[StreamVisualizer], port: int | None, modes: Mapping[str, str]) -> View:
    from coverslip.viewers.connect import connect

    return connect(visualizer.kind, port=port, start=False, modes=modes)
