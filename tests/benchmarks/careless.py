"""A peer that loses, repeats and damages planes, for the benchmark to notice.

Pixels go through a pipe with a name, one plane after another.
"""

from __future__ import annotations

import os
import sys
import tempfile
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np
from benchmarks.peers import ends
from numpy.typing import NDArray


class Sender(ends.Sender):
    def open(self, address: str) -> None:
        self._pipe = Client(address)

    def send(self, planes: NDArray[np.uint16], first: int) -> None:
        for number, plane in enumerate(planes, first):
            self._give(number, plane)

    def _give(self, number: int, plane: NDArray[np.uint16]) -> None:
        kind = self.mode if number == 1 and number < self.case.planes else "sent"
        if kind == "lost":
            return
        if kind == "damaged":
            plane = plane.copy()
            plane[-1 - (plane.shape[0] - 1) % 61 :] += 1
        for _ in range(2 if kind == "twice" else 1):
            self._pipe.send_bytes(plane.tobytes())
        if kind == "left":
            Path("/dev/shm", f"careless-{os.getpid()}").write_bytes(bytes(1000))

    def close(self) -> None:
        self._pipe.close()


class Receiver(ends.Receiver):
    def open(self) -> str:
        folder = tempfile.mkdtemp(dir=os.environ["HOME"])
        self._listener = Listener(str(Path(folder, "pipe")))
        return str(self._listener.address)

    def receive(self) -> None:
        with self._listener, self._listener.accept() as pipe:
            while not self.done.is_set():
                if pipe.poll(0.05):
                    try:
                        pixels = pipe.recv_bytes()
                    except EOFError:
                        break
                    self.keep(np.frombuffer(pixels, np.uint16).reshape(-1, self.case.edge))


if __name__ == "__main__":
    ends.main(Sender, Receiver, sys.argv[1:])
