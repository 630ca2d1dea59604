"""A pipeline that does as it is told: ``python -m tests.network.pipeline``.

Reads one JSON list a line, a call's name and its arguments; answers one JSON object a line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverslip.transport import Report, Status, request
from coverslip.viewers import View
from coverslip.viewers.remote import RemoteVisualizer, read_line
from coverslip.viewers.stream import Stream
from tests.waiting import eventually

LIFETIME = 60.0
"""Seconds after which an orphan of a test run that was killed itself ends, too."""


class Pipeline:
    """One view of a remote viewer."""

    def open(self, line: str, budget: int | None = None) -> dict[str, Any]:
        """Connect to a viewer; a tunnel to it may still be under construction."""
        visualizer = RemoteVisualizer(read_line(line))
        eventually(visualizer.find_viewer, "the viewer answers")
        self.view = View(visualizer, Stream([visualizer], budget=budget))
        return {}

    def show(self, what: str, count: int, edge: int = 1024) -> dict[str, Any]:
        """Send planes as fast as it goes; also say how long the longest `show` took."""
        longest = 0.0
        nbytes = 0
        for number, pixels in zip(range(count), _planes(what, edge), strict=False):
            began = time.monotonic()
            self.view.show(pixels, z_index=number)
            longest = max(longest, time.monotonic() - began)
            nbytes += pixels.nbytes
        return {"longest": longest, "nbytes": nbytes}

    def watch(self, what: str, count: int, edge: int) -> dict[str, Any]:
        """Send planes one by one, and return the most bytes that were under way after any."""
        most = 0
        for number, pixels in zip(range(count), _planes(what, edge), strict=False):
            self.view.show(pixels, z_index=number)
            most = max(most, self.view.statistics().bytes_in_flight)
        return {"most": most}

    def endless(self, edge: int) -> dict[str, Any]:
        """Answer once some planes were shown, and go on sending until killed."""
        end = time.monotonic() + LIFETIME
        for number, pixels in enumerate(_planes("noise", edge)):
            self.view.show(pixels, z_index=number % 50)
            if number == 30:
                self.view.flush(30)
                print("{}", flush=True)
            if time.monotonic() > end:
                break
        return {}

    def flush(self, timeout: float) -> dict[str, Any]:
        return self.view.flush(timeout)._asdict()

    def counts(self) -> dict[str, Any]:
        return self.view.statistics()._asdict()

    def report(self) -> dict[str, Any]:
        """Return what the viewer says of this stream."""
        stream = self.view.stream.id
        found = request(self.view.visualizer.endpoint, Status(stream=stream), Report, timeout=10)
        counts = found.streams[stream]
        return {name: getattr(counts, name) for name in ("next", "shown", "dropped", "failed")}

    def checksums(self) -> dict[str, Any]:
        (layer,) = self.view.layers(checksums=True)
        return {str(plane.components["z_index"]): plane.crc32 for plane in layer.planes}

    def close(self, linger: float = 5.0) -> dict[str, Any]:
        return self.view.close(linger)._asdict()


def _planes(what: str, edge: int) -> Iterator[NDArray[Any]]:
    """Yield planes without end: noise in all its bits, or a folder's TIFF files again and again."""
    if what == "noise":
        rng = np.random.default_rng(5)
        noise = [rng.integers(0, 1 << 16, (edge, edge), np.uint16) for _ in range(8)]
        while True:
            yield from noise
    import tifffile

    plate = [tifffile.imread(path) for path in plate_files(Path(what))]
    while True:
        yield from plate


def plate_files(folder: Path) -> list[Path]:
    """Return the planes of a plate, thumbnails left out."""
    return sorted(path for path in folder.rglob("*.tif") if "thumb" not in path.name.lower())


def main() -> None:
    pipeline = Pipeline()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(pipeline, name)(*arguments)), flush=True)
        if name == "close":
            return


if __name__ == "__main__":
    main()
