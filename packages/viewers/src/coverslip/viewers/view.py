"""A view: what `connect` returns, the everyday handle on a viewer, or on several at once."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike, DTypeLike, NDArray

from coverslip.payload import (
    Mode,
    Source,
    as_origin,
    as_planes,
    is_on_device,
    to_host,
)
from coverslip.transport import Delivery
from coverslip.viewers.annotate import along_axes
from coverslip.viewers.annotating import Annotating
from coverslip.viewers.asking import Asking
from coverslip.viewers.config.lazy import config_for
from coverslip.viewers.config.streaming import Keep, stream_budget
from coverslip.viewers.look import Look, Spelling, as_words
from coverslip.viewers.notebook import Card
from coverslip.viewers.seconds import as_seconds
from coverslip.viewers.stream import Image, Statistics, Stream
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["View"]

logger = logging.getLogger(__name__)


class View(Card, Asking, Annotating):
    """Shows planes in its viewers, at most once and in order; every plane is counted.

    `show` and `allocate` may be called from any thread, and from processes forked or spawned off
    this one, which each have a stream and counts of their own. No call but the ones that ask a
    question (`layers`, `screenshot`) raises because of a viewer.

    Several viewers share one stream: a plane lies in shared memory once, whoever shows it, and
    counts once for each. A question goes to all of them, unless ``viewer="fiji"`` names one.

    Parameters
    ----------
    visualizer : StreamVisualizer, or a sequence of them
        The viewer, or the viewers; with none, nothing is sent.
    stream : Stream, optional
        Where the planes go; made for this view if None.
    modes : mapping of str to Mode or str, optional
        Component modes of everything shown, such as ``{"well": "slice"}``:
        ``"stack"`` is a slider, ``"slice"`` and ``"separate"`` a layer for
        each value. Components that are not named keep the viewer's default.
    keep : {"all", "latest"} or int, optional
        How many planes of each layer (of each channel, in a hyperstack) the viewer keeps, the
        newest; all, unless the `config` says otherwise. A plane that was shown counts as shown,
        also when it has left its layer.
    budget : str or int, optional
        What planes may take while they wait for the viewers, such as ``"2GiB"`` or a number of
        bytes, and so the largest plane: 1 GiB, or an eighth of what is free, unless the `config`
        says otherwise. Not used where a `stream` is given, which has its own.
    config : object, optional
        How planes are laid out and drawn: a configuration, several (for several viewers), or an
        object that holds some. None takes the visualizer's own.
    looks : sequence of Look, optional
        Those of another view of the same viewers, instead of what the three above say.
    """

    def __init__(
        self,
        visualizer: StreamVisualizer | Sequence[StreamVisualizer],
        stream: Stream | None = None,
        *,
        modes: Mapping[str, Mode | str] | None = None,
        keep: Keep | None = None,
        budget: str | int | None = None,
        config: object = None,
        looks: Sequence[Look] | None = None,
    ) -> None:
        self.visualizers: tuple[StreamVisualizer, ...] = (
            (visualizer,) if isinstance(visualizer, StreamVisualizer) else tuple(visualizer)
        )
        configs = [
            config_for(one.kind, one.visualizer_config if config is None else config)
            for one in self.visualizers
        ]
        self._budget = stream_budget(budget, configs)
        if looks is None:
            looks = [Look.of(one, modes or {}, keep) for one in configs]
        self.looks = tuple(looks)
        """How each viewer is asked to lay out and draw what this view sends."""
        # After all that may be refused: it has threads.
        self._stream = Stream(self.visualizers, budget=self._budget) if stream is None else stream
        self._spelling = Spelling(name for look in self.looks for name in look.modes)
        self._last: tuple[object, tuple[Source, ...]] | None = None

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
        colormap: str | None = None,
        contrast_limits: tuple[float, float] | None = None,
        opacity: float | None = None,
        blending: str | None = None,
        scale: Mapping[str, float] | None = None,
        unit: str | None = None,
        replace_layers: bool = False,
        **components: Any,
    ) -> None:
        """Send an image to the viewer and go on.

        Waits only while the viewer is alive and has no room, five seconds at
        most; with no viewer, a dead or a frozen one, the plane is dropped and
        counted.

        Parameters
        ----------
        array : array_like
            ``(y, x)`` of any real dtype; more dimensions with `axes`. numpy's, torch's, CuPy's,
            JAX's, TensorFlow's, dask's: what lies on a device is copied off it once.
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
        colormap : str, optional
            A colormap of napari's or a LUT of ImageJ's, for its layer. As all that follows: until
            the user changes it there; None leaves it to the configuration, then to the viewer.
        contrast_limits : tuple of float, optional
            Values drawn black and brightest, the lower one first.
        opacity : float, optional
            0 to 1.
        blending : str, optional
            Such as ``"additive"``.
        scale : mapping of str to float, optional
            Distance between neighbours along an axis, ``{"z": 2.0, "y": 0.325, "x": 0.325}``, in
            `unit`.
        unit : str, optional
            Such as ``"um"``.
        replace_layers : bool, default False
            Its layer shows this call's planes alone: what it held before goes away.
        **components : str, int or float
            Where it belongs: ``well="A01", channel="DAPI", z_index=3``. Any name.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            It cannot be shown as an image: complex, empty, one-dimensional, or of
            more than two dimensions without `axes`. Or a name, a component or a display setting
            cannot be sent. The message says what to do.
        StreamClosed
            After `close`.
        """
        if is_on_device(array) and axes is None:
            # One plane: its library copies it from there straight into its slot.
            array = to_host(array, self._stream.allocate)
        along = along_axes(axes, components)
        for axis in along:
            del components[axis]
        self._spelling.check(components)
        source = self.source(
            name,
            step_name,
            step_index,
            colormap=colormap,
            contrast_limits=contrast_limits,
            opacity=opacity,
            blending=blending,
            scale=scale,
            unit=unit,
            replace_layers=replace_layers,
        )
        self.send(
            source,
            as_planes(array, axes=axes, rgb=rgb, components=components, coordinates=along),
            rgb=rgb or (axes is not None and "c" in axes),
            origin=origin,
        )

    def send(
        self,
        source: Source | Sequence[Source],
        planes: Iterable[tuple[dict[str, Any], NDArray[Any]]],
        *,
        rgb: bool = False,
        origin: str = "",
    ) -> None:
        """Send planes that `coverslip.payload.as_planes` made; `show` calls it.

        Parameters
        ----------
        source : Source or sequence of Source
            From `source`.
        planes : iterable of (dict, ndarray)
            Components and pixels, ``(y, x)`` or ``(y, x, 3 | 4)``.
        rgb, origin : bool, str
            As for `show`.

        Raises
        ------
        StreamClosed
            After `close`.
        """
        self._stream.send(
            [Image(components, pixels, rgb, as_origin(origin)) for components, pixels in planes],
            source,
        )

    def source(
        self,
        name: str | None = None,
        step_name: str | None = None,
        step_index: int | None = None,
        *,
        replace_layers: bool = False,
        **display: Any,
    ) -> tuple[Source, ...]:
        """Return what planes say of themselves and ask for, one for each viewer.

        Parameters
        ----------
        name, step_name, step_index, replace_layers, **display
            As for `show`; what is sent with one result of this is one replacement.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            One of them cannot be sent.
        """
        words = as_words(**display)
        asked = (name, step_name, step_index)
        # A pipeline says the same of plane after plane: made and checked once.
        plain = not words and not replace_layers
        last = self._last  # read once: other threads put their own in its place meanwhile
        if plain and last is not None and last[0] == asked:
            return last[1]
        replacement = uuid.uuid4().hex if replace_layers else ""
        made = tuple(
            look.source(
                name=name,
                step_name=step_name,
                step_index=step_index,
                words=words,
                replace=replacement,
            )
            for look in self.looks
        )
        if plain:
            self._last = (asked, made)
        return made

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array in shared memory to compute into: `show` then copies nothing.

        It is yours until it is shown, and read-only from then on.

        Parameters
        ----------
        shape, dtype : tuple of int, dtype_like
            As `show` will take them; big-endian becomes little-endian.

        Returns
        -------
        ndarray
            Of undefined values. In ordinary memory where there is no room in shared memory.

        Raises
        ------
        StreamClosed
            After `close`.
        """
        return self._stream.allocate(shape, dtype)

    # ---- counts -----------------------------------------------------------------------

    def flush(self, timeout: float = 10.0) -> Delivery:
        """Wait until what was sent is in the layers that the viewers draw.

        Parameters
        ----------
        timeout : float, default 10.0
            Seconds to wait at most.

        Returns
        -------
        Delivery
            ``(sent, shown, dropped, failed)`` of this process, summed over the viewers; for a total
            add those of its workers' own `flush`. They add up, unless time was short: then
            `Delivery.pending` says how many remain.
        """
        delivery = self._stream.flush(timeout)
        if delivery.pending:
            logger.warning(
                "%d of %d planes are still under way after %g s: flush(timeout=…) waits longer",
                *(delivery.pending, delivery.sent, timeout),
            )
        return delivery

    def statistics(self) -> Statistics:
        """Return this process's counts, bytes in flight and rate, without waiting.

        What the viewers did is known as of their last report, a quarter of a second ago; where
        asking takes long, up to two. `flush` asks now.
        """
        return self._stream.statistics()

    # ---- the end ----------------------------------------------------------------------

    @property
    def stream(self) -> Stream:
        """The stream that this view sends on."""
        return self._stream

    def close(self, linger: float = 5.0) -> Delivery:
        """Wait for what is under way, and let go of the viewers, which stay.

        Parameters
        ----------
        linger : float, default 5.0
            Seconds to wait at most.

        Returns
        -------
        Delivery
            The final counts, as of `flush`.
        """
        return self._stream.close(linger)

    def stop(self, timeout: float = 10.0) -> None:
        """Close the view and end its viewers, also those after one that will not stop.

        Parameters
        ----------
        timeout : float, default 10.0
            Seconds for each step of ending a viewer: ask, terminate, kill.

        Raises
        ------
        coverslip.transport.StopError
            A viewer is still there.
        """
        timeout = as_seconds("timeout", timeout)
        self.close(linger=0.0)
        with ExitStack() as stack:
            for visualizer in reversed(self.visualizers):
                stack.callback(visualizer.stop_viewer, timeout)

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
        # Another process has a stream of its own, to the same viewers.
        return _rejoin, ([one.again() for one in self.visualizers], self.looks, self._budget)

    def __repr__(self) -> str:
        counts = self._stream.statistics()
        viewers = " and ".join(f"{one.kind} on port {one.port}" for one in self.visualizers)
        return (
            f"<View of {viewers or 'no viewer'}: "
            f"{', '.join(counts.state)}; sent {counts.sent}, shown {counts.shown}, "
            f"dropped {counts.dropped}, failed {counts.failed}>"
        )


def _rejoin(
    makers: Sequence[Callable[[], StreamVisualizer]], looks: tuple[Look, ...], budget: int | None
) -> View:
    visualizers = [make() for make in makers]
    for visualizer in visualizers:
        visualizer.find_viewer()
    return View(visualizers, looks=looks, budget=budget)
