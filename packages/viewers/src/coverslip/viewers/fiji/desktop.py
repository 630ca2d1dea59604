"""ImageJ on the user's screen: its main window, and the windows of ours. AWT event thread only."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from coverslip.payload import Layer, Value, natural_key
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.luts import Shelf
from coverslip.viewers.fiji.pictures import picture_of
from coverslip.viewers.fiji.pixels import JavaPixels, JavaPlane
from coverslip.viewers.fiji.scene import Scene
from coverslip.viewers.fiji.window import HyperstackWindow
from coverslip.viewers.layering import MAX_LAYERS
from coverslip.viewers.snapshot import LayerSnapshot

__all__ = ["Desktop", "show_gateway"]

logger = logging.getLogger(__name__)

_LOOK = 0.05
_HELD = {8: "|u1", 16: "<u2", 32: "<f4", 24: "|u1"}


def show_gateway(gateway: Any, stopped: threading.Event, timeout: float) -> None:
    """Show PyImageJ's user interface and wait until its ImageJ is there; not on the event thread.

    Parameters
    ----------
    gateway : object
        What `imagej.init` returned.
    stopped : threading.Event
        Ends the wait.
    timeout : float
        Seconds, after which it is a `TimeoutError`.
    """
    gateway.ui().showUI()
    deadline = time.monotonic() + timeout
    while class_of("ij.IJ").getInstance() is None and not stopped.wait(_LOOK):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no ImageJ within {timeout:g} s")


class Desktop:
    """Opens ImageJ, unless `show_gateway` has, and keeps hold of it.

    Parameters
    ----------
    pixels : JavaPixels
        Makes blank planes.
    title : str
        Of the main window.
    tell : callable
        Told of what was asked for and is not there.
    max_layers : int
        Planes for more windows than this fail.
    """

    def __init__(
        self,
        pixels: JavaPixels,
        title: str,
        tell: Callable[[str], object],
        max_layers: int = MAX_LAYERS,
    ) -> None:
        self._pixels = pixels
        static = class_of("ij.IJ")
        if static.getInstance() is None:
            # EMBEDDED: to quit ImageJ is not to end the process under our feet.
            main = class_of("ij.ImageJ")(class_of("ij.ImageJ").EMBEDDED)
            main.setVisible(True)
        # Kept, since PyImageJ lets nobody have it once ImageJ was quit.
        self._main: Any = static.getInstance()
        if self._main is not None:
            self._main.exitWhenQuitting(False)
            self._main.setTitle(f"{self._main.getTitle()} — {title}")
        self.version = str(static.getVersion())
        self.java_version = str(class_of("java.lang.System").getProperty("java.version"))
        self.scene = Scene(pixels, Shelf(tell), max_layers)

    @property
    def quit(self) -> bool:
        """Whether the user has quit ImageJ."""
        return self._main is not None and not self._main.isDisplayable()

    def screenshot(self) -> bytes:
        """Return the main window and all image windows as PNG."""
        self.scene.paint()
        return picture_of([self._main, *self._frames()])

    @staticmethod
    def _frames() -> list[Any]:
        """Return the image windows, oldest first."""
        manager = class_of("ij.WindowManager")
        images = [manager.getImage(number) for number in manager.getIDList() or ()]
        return [image.getWindow() for image in images if image is not None]

    def bring_to_front(self) -> None:
        """Show ImageJ and its image windows before all others."""
        for frame in [self._main, *self._frames()]:
            if frame is not None and frame.isDisplayable():
                frame.toFront()

    def snapshot(self) -> list[LayerSnapshot]:
        """Return what each window of ours holds, oldest first, then what lies over them."""
        windows = [self._describe(window) for window in self.scene.windows()]
        return [*windows, *map(self._describe_table, self.scene.tables())]

    def _describe_table(self, layer: Layer) -> LayerSnapshot:
        store = layer.store
        seen: dict[str, dict[Value, None]] = {name: {} for name in layer.key.axes}
        planes = []
        for place, table in store.snapshot():
            components = dict(zip(layer.key.axes, place, strict=True))
            planes.append((layer.components | components, table))
            for name, value in components.items():
                seen[name][value] = None
        return LayerSnapshot(
            name=layer.name,
            kind=layer.key.kind,
            axes=(*layer.key.axes, *layer.key.along, "y", "x"),
            labels={name: tuple(sorted(values, key=natural_key)) for name, values in seen.items()},
            shape=store.shape,
            dtype=layer.key.dtype,
            contrast_limits=None,
            planes=planes,
        )

    def _describe(self, window: HyperstackWindow) -> LayerSnapshot:
        stack, layer = window.hyperstack, window.layer
        dtype = np.dtype(_HELD[int(window.imp.getBitDepth())])
        rows = layer.store.shape[:2]
        shape = (*rows, 3) if layer.key.rgb else rows
        labels = stack.labels
        return LayerSnapshot(
            name=str(window.imp.getTitle()),
            kind=layer.key.kind,
            axes=(*labels, "y", "x", *(("c",) if layer.key.rgb else ())),
            labels=labels,
            shape=(*(len(values) for values in labels.values()), *shape),
            dtype=dtype.str,
            contrast_limits=window.contrast(),
            planes=[
                (
                    layer.components | dict(zip(layer.store.axes, place, strict=True)),
                    self._held(window.imp.getStack().getPixels(index + 1), shape, dtype),
                )
                for index, place in sorted((stack.index(place), place) for place in layer.store)
            ],
        )

    @staticmethod
    def _held(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Return what stands for the pixels that ImageJ draws, be they what was sent or not."""
        return JavaPlane(array, shape, dtype, int(np.prod(shape)) * dtype.itemsize)

    def close(self) -> None:
        """Close ImageJ and every image, asking nothing."""
        manager = class_of("ij.WindowManager")
        for number in manager.getIDList() or ():
            image = manager.getImage(number)
            if image is not None:
                image.changes = False
                image.close()
        if self._main is not None and self._main.isDisplayable():
            self._main.dispose()
