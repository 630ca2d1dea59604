"""Ours, keys on.

Modes: ``shared``, `NapariStreamingBackend.save_batch` to a viewer of the same machine; ``inline``,
`View.show` to a viewer that cannot reach this process's memory, as one on another machine: pixels
travel in the messages, encrypted. The viewer is the very server that napari's and Fiji's are, with
no window: it copies, projects, and settles each plane's account.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import receiver as viewer
from benchmarks.peers import ends
from coverslip.payload import Placement
from coverslip.transport import Endpoint
from coverslip.viewers import NapariStreamingBackend, NapariStreamingConfig, connect

_TICK = 0.002
"""Seconds between two turns of the viewer's GUI thread."""

_DEADLINE = 120.0


class Sender(ends.Sender):
    def open(self, address: str) -> None:
        if self.mode == "shared":
            self._backend = NapariStreamingBackend()
            self._config = NapariStreamingConfig(napari_port=Endpoint.from_url(address).port)
        else:
            self._view = connect(connection=address)

    def send(self, planes: NDArray[np.uint16], first: int) -> None:
        numbers = range(first, first + len(planes))
        if self.mode == "shared":
            self._backend.save_batch(
                list(planes),
                [f"plate/A01_{number}.tif" for number in numbers],
                components=[{"timepoint": number} for number in numbers],
                config=self._config,
            )
        elif self.case.batch == 1:
            self._view.show(planes[0], timepoint=first)
        else:
            self._view.show(planes, axes=("timepoint", "y", "x"), timepoint=list(numbers))

    def finish(self) -> None:
        flush = self._backend.flush if self.mode == "shared" else self._view.flush
        flush(_DEADLINE)

    def close(self) -> None:
        if self.mode == "shared":
            self._backend.close()
        else:
            self._view.close()


class _Viewer(viewer.Receiver):
    """Keeps every plane; tells as soon as one lies in this process's memory."""

    kind = "napari"

    def __init__(self, end: Receiver) -> None:
        super().__init__(keep=True)
        self._end = end

    def measure(self, placement: Placement, pixels: NDArray[Any]) -> None:
        self._end.keep(pixels)


class Receiver(ends.Receiver):
    def open(self) -> str:
        self._viewer = _Viewer(self)
        connection = self._viewer.bind()
        self._viewer.start()
        return connection.endpoint.to_url()

    def receive(self) -> None:
        pause = threading.Event()
        with self._viewer:
            while not self.done.is_set():
                self._viewer.tick(0.1)
                pause.wait(_TICK)


if __name__ == "__main__":
    ends.main(Sender, Receiver, sys.argv[1:])
