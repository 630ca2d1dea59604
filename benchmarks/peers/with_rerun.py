"""rerun: ``log`` and ``send_columns`` over gRPC, without keys, to rerun's own program.

Mode: ``grpc``. The receiver is ``rerun --save``, which needs no display: it holds what it receives
for viewers that come late, and writes it to a file, here one in memory. When planes come is seen
by the file's growth; what they are, by reading it once nothing more comes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr
import rerun_cli
from numpy.typing import NDArray
from rerun.chunk import RrdReader

from benchmarks.peers import ends

_LOOK = 0.001
"""Seconds between two looks at the file."""

_ENTITY = "image"
_DEADLINE = 20.0


class Sender(ends.Sender):
    def open(self, address: str) -> None:
        self._stream = rr.RecordingStream("bench")
        self._stream.connect_grpc(address)
        edge = self.case.edge
        self._format = rr.components.ImageFormat(
            width=edge, height=edge, color_model="L", channel_datatype="U16"
        )
        if self.case.batch > 1:
            # As its documentation sends columns of pictures: what they have in common goes once.
            self._stream.log(_ENTITY, rr.Image.from_fields(format=self._format), static=True)

    def send(self, planes: NDArray[np.uint16], first: int) -> None:
        if self.case.batch == 1:
            self._stream.set_time("timepoint", sequence=first)
            self._stream.log(_ENTITY, rr.Image(planes[0]))
            return
        self._stream.send_columns(
            _ENTITY,
            indexes=[rr.TimeColumn("timepoint", sequence=range(first, first + len(planes)))],
            columns=rr.Image.columns(buffer=planes.view(np.uint8).reshape(len(planes), -1)),
        )

    def finish(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.disconnect()


class Receiver(ends.Receiver):
    def open(self) -> str:
        # The driver's folder, which it empties; in memory.
        self._file = Path(os.environ["HOME"], "planes.rrd")
        log = Path(os.environ["HOME"], "rerun.log")
        port = ends.free_port()
        # The program itself: `rerun` of the environment starts it as a child.
        program = str(Path(rerun_cli.__file__).with_name("rerun"))
        # It dies with this process, however that ends.
        dying = ("setpriv", "--pdeathsig", "KILL")
        words = ["--save", str(self._file), "--bind", "127.0.0.1", "--port", f"{port}"]
        with log.open("w") as said:
            self._process = subprocess.Popen(
                [*dying, program, *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        end = time.monotonic() + _DEADLINE
        while f"127.0.0.1:{port}" not in log.read_text():
            if time.monotonic() > end or self._process.poll() is not None:
                raise RuntimeError(f"rerun does not listen: {log.read_text()}")
            time.sleep(0.05)  # it tells by its log alone
        return f"rerun+http://127.0.0.1:{port}/proxy"

    def receive(self) -> None:
        size = 0
        while not self.done.is_set():
            time.sleep(_LOOK)  # a file tells nobody that it grew
            now = self._file.stat().st_size if self._file.exists() else 0
            if now != size:
                size = now
                with self.came:
                    self.last = time.monotonic_ns()
                    self.came.notify_all()
        self._process.terminate()
        self._process.wait(_DEADLINE)

    def usage(self) -> dict[str, float]:
        return ends.usage(self._process.pid)

    def warm(self) -> dict[str, float]:
        self._await_quiet(0.2)
        # The ends of a file that is being written cannot be read yet: it is known by its size.
        return {"warm": self._file.stat().st_size // self.case.nbytes} if self.last else {"warm": 0}

    def settle(self) -> dict[str, float]:
        self._await_quiet(ends.QUIET)
        for pixels in _pixels(self._file):
            self.ledger.enter(pixels.view(np.uint16).reshape(self.case.edge, -1))
        return self.account()

    def _await_quiet(self, seconds: float) -> None:
        with self.came:
            while self.came.wait(seconds):
                pass


def _pixels(file: Path) -> list[NDArray[Any]]:
    found: list[NDArray[Any]] = []
    with warnings.catch_warnings():
        # That its end is missing: it is still being written.
        warnings.simplefilter("ignore")
        reader = RrdReader(file)
    for recording in reader.recordings():
        for chunk in reader.stream(store=recording):
            batch = chunk.to_record_batch()
            if "Image:buffer" in batch.schema.names:
                rows = batch.column("Image:buffer")
                found += [row.values.flatten().to_numpy() for row in rows]
    return found


if __name__ == "__main__":
    ends.main(Sender, Receiver, sys.argv[1:])
