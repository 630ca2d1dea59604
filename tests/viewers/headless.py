"""A viewer without a window: everything that napari's has, up to the drawing.

``python -m tests.viewers.headless`` runs it as the process that `HeadlessVisualizer` starts, so
that what kills, freezes and restarts viewers can be tried by the second.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from coverslip.payload import Projection
from coverslip.viewers.bursts import Burst
from coverslip.viewers.entry import StandaloneServer, run_viewer, viewer_parser
from coverslip.viewers.layering import admit
from coverslip.viewers.memory import Entry
from coverslip.viewers.server import Arrival
from coverslip.viewers.snapshot import LayerSnapshot
from coverslip.viewers.visualizer import StreamVisualizer

logger = logging.getLogger("coverslip.headless")

PNG = b"\x89PNG\r\n\x1a\n"


class HeadlessServer(StandaloneServer):
    """Keeps planes in a projection and draws nothing."""

    kind = "headless"
    default_port = 5580
    kinds = frozenset({"image", "labels", "points", "shapes", "tracks", "rois"})
    needs_display = False

    def __init__(self, *, slow: float = 0.0, say: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.projection = Projection()
        self._collisions = Burst(logger, "plane(s) replaced one of another step or output")
        self.slow = slow
        self._say = say
        self._pause = threading.Event()

    def live(self) -> None:
        if self._say:
            print(self.connection.endpoint.to_url(), flush=True)
        while not self.stopped.wait(0.002):
            self.tick()

    def insert(self, arrival: Arrival) -> None:
        if self.slow:
            self._pause.wait(self.slow)
        if arrival.placement.components.get("well") == "unlucky":
            raise RuntimeError("this well is unlucky")
        admit(self.projection, arrival.placement.layer, self.max_layers)
        change = self.projection.insert(arrival.placement, arrival.pixels, arrival.origin)
        if change.collision:
            old, new = change.collision
            self._collisions.count(f"{new} replaced {old}")
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
        seen = {axis.name: tuple(axis) for axis in self.projection.axes}
        return [
            LayerSnapshot(
                name=layer.name,
                kind=layer.key.kind,
                axes=(*layer.key.axes, *("y", "x", "c")[: len(layer.store.shape)]),
                labels={name: seen[name] for name in layer.key.axes},
                shape=(*(len(seen[name]) for name in layer.key.axes), *layer.store.shape),
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


def main() -> int:
    parser = viewer_parser(
        HeadlessServer, prog="python -m tests.viewers.headless", description="Draws nothing."
    )
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--say", action="store_true", help="print the coverslip:// line")
    options = parser.parse_args()
    return run_viewer(HeadlessServer, options, slow=options.slow, say=options.say)


if __name__ == "__main__":
    sys.exit(main())
