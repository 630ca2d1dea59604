"""A viewer without a window: everything that napari's has, up to the drawing.

``python -m tests.viewers.headless`` runs it as the process that `HeadlessVisualizer` starts, so
that what kills, freezes and restarts viewers can be tried by the second.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from coverslip.payload import Projection
from coverslip.transport import die_with_parent, launching_parent
from coverslip.viewers.memory import Entry
from coverslip.viewers.server import Arrival, ViewerServer
from coverslip.viewers.snapshot import LayerSnapshot
from coverslip.viewers.visualizer import StreamVisualizer

PNG = b"\x89PNG\r\n\x1a\n"


class HeadlessServer(ViewerServer):
    """Keeps planes in a projection and draws nothing."""

    kind = "headless"
    default_port = 5580
    kinds = frozenset({"image", "labels", "points", "shapes", "tracks", "rois"})

    def __init__(self, *, slow: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.projection = Projection()
        self._slow = slow
        self._pause = threading.Event()

    def insert(self, arrival: Arrival) -> None:
        if self._slow:
            self._pause.wait(self._slow)
        if arrival.placement.components.get("well") == "unlucky":
            raise RuntimeError("this well is unlucky")
        change = self.projection.insert(arrival.placement, arrival.pixels, arrival.origin)
        if keep := arrival.placement.keep:
            self.memory.drop(len(self.projection.trim(change.layer, keep, lambda _: False)))

    def drop_lost(self, lost: Entry) -> None:
        layer, coordinates = self.projection.get(lost.tag[0]), lost.tag[1]
        if layer is not None:
            self.projection.drop(layer, coordinates)

    def clear_layers(self) -> None:
        self.projection.clear()

    def take_screenshot(self) -> bytes:
        return PNG

    def snapshot(self) -> list[LayerSnapshot]:
        axes = self.projection.axes
        return [
            LayerSnapshot(
                name=layer.name,
                kind=layer.key.kind,
                axes=(*layer.key.axes, "y", "x"),
                labels={axis.name: tuple(axis) for axis in axes if axis.name in layer.key.axes},
                shape=layer.store.shape,
                dtype=layer.key.dtype,
                contrast_limits=None,
                planes=[
                    (layer.components | dict(zip(layer.key.axes, key, strict=True)), pixels)
                    for key, pixels in layer.store.snapshot()
                ],
            )
            for layer in self.projection
        ]


class HeadlessVisualizer(StreamVisualizer):
    """Starts `HeadlessServer`."""

    kind = "headless"
    module = "tests.viewers.headless"
    default_port = HeadlessServer.default_port
    needs_display = False


def serving(**options: Any) -> AbstractContextManager[HeadlessServer]:
    """Run a server in this process, ticked by a thread of its own."""
    return driving(HeadlessServer(**options))


S = TypeVar("S", bound=HeadlessServer)


@contextmanager
def driving(server: S) -> Iterator[S]:
    """Run this server in this process, ticked by a thread of its own."""
    with server:
        server.bind()
        server.start()
        done = threading.Event()

        def tick() -> None:
            while not done.wait(0.002):
                server.tick()

        ticker = threading.Thread(target=tick)
        ticker.start()
        try:
            yield server
        finally:
            done.set()
            ticker.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--launch-id", default="")
    parser.add_argument("--port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--title")
    parser.add_argument("--log")
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--say", action="store_true", help="print the coverslip:// line")
    options = parser.parse_args()
    with HeadlessServer(
        port=options.port,
        host=options.host,
        title=options.title,
        launch_id=options.launch_id,
        slow=options.slow,
    ) as server:
        signal.signal(signal.SIGTERM, lambda *_: server.request_stop())
        connection = server.bind()
        if options.say:
            print(connection.endpoint.to_url(), flush=True)
        if (parent := launching_parent()) is not None:
            die_with_parent(parent, server.request_stop)
        server.start()
        while not server.stopped.wait(0.002):
            server.tick()


if __name__ == "__main__":
    main()
