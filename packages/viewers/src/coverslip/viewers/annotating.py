"""What a view shows beside images: labels, points, shapes, tracks, ImageJ's regions of interest.

Each is tied to components as planes are, so that it scrolls with the images it belongs to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from coverslip.payload import ShapeType, Source, as_origin
from coverslip.viewers import annotate
from coverslip.viewers.look import WORDS
from coverslip.viewers.stream import Image, Stream

__all__ = ["Annotating"]


class Annotating(ABC):
    """Sends annotations on a stream, at most once and in order, as `View` sends planes.

    Every method also takes `View.show`'s display settings (``opacity=0.5``, ``scale=…``).
    """

    @property
    @abstractmethod
    def stream(self) -> Stream:
        """The stream to send on."""

    @abstractmethod
    def source(
        self,
        name: str | None = None,
        step_name: str | None = None,
        step_index: int | None = None,
        *,
        replace_layers: bool = False,
        **display: Any,
    ) -> tuple[Source, ...]:
        """Return what annotations say of themselves and ask for, one for each viewer."""

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
        source = self._asked(name, step_name, step_index, components)
        self._annotate(annotate.labels(mask, axes, components), source, origin)

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
        source = self._asked(name, step_name, step_index, components)
        self._annotate([annotate.points(coordinates, axes, components)], source, origin)

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
        source = self._asked(name, step_name, step_index, components)
        self._annotate([annotate.shapes(shapes, axes, shape_type, components)], source, origin)

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
        source = self._asked(name, step_name, step_index, components)
        self._annotate([annotate.tracks(table, axes, components)], source, origin)

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
        roi_manager : bool, default False
            Into ImageJ's ROI Manager instead of over the image.
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
        source = self._asked(name, step_name, step_index, components)
        self._annotate([annotate.rois(regions, components)], source, origin)

    def _asked(
        self,
        name: str | None,
        step_name: str | None,
        step_index: int | None,
        components: dict[str, Any],
    ) -> tuple[Source, ...]:
        """Return the sources; takes the display settings out of `components`."""
        words = (*WORDS, "replace_layers")
        display = {word: components.pop(word) for word in words if word in components}
        return self.source(name, step_name, step_index, **display)

    def _annotate(self, images: Iterable[Image], source: Sequence[Source], origin: str) -> None:
        where = as_origin(origin)
        self.stream.send([image._replace(origin=where) for image in images], source)
