"""Scenes of fault 5, each a process: ``python -m tests.faults.scarce SCENE FOLDER``.

The folder is a small disk of the process's own, or of no account. What was seen is said as JSON.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import psutil

from coverslip.payload import ArenaFull, segment
from coverslip.transport import TransportError
from coverslip.viewers import View
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.stream import Stream
from tests.faults.case import LIMIT, Case, compute, picture, settled_at
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, serving
from tests.waiting import eventually

EDGE = 1536
"""A plane of 4.5 MiB: more than there is."""


class Warnings(logging.Handler):
    """Keeps what was warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.said.append(record.getMessage())


def without_shared_memory(folder: Path, give: Callable[[], object]) -> dict[str, Any]:
    """Stream while there is no shared memory, and again when `give` has given some."""
    heard = Warnings()
    logging.getLogger("coverslip").addHandler(heard)
    case = Case()
    with serving() as server:
        inline = count_inline(server)
        stream = Stream([RemoteVisualizer(server.connection.endpoint)], limit=LIMIT)
        view = View(HeadlessVisualizer(port=1), stream)
        eventually(lambda: view.statistics().state == ("live",), "it attached")
        planes = [picture(number, EDGE) for number in range(4)]
        for number in range(60):
            case.show(view, planes[number % 4], z_index=number % 4)
        scarce = view.flush(60)
        travelled = inline[0]
        give()
        compute(1.5)  # the system is asked again after a second
        for number in range(60):
            case.show(view, planes[number % 4], z_index=number % 4)
            if number < 20:
                compute(0.05)  # a segment that is made at last is offered once nothing waits
        back = view.flush(60)
        inline[0] = 0
        for number in range(4):
            case.show(view, planes[number % 4], z_index=number % 4)
        view.flush(60)
        shared = inline[0] == 0 and stream._arena.bytes_backed > 0
        (layer,) = server.projection
        crcs = sorted(
            zlib.crc32(server.read(pixels).tobytes()) for _, pixels in layer.store.snapshot()
        )
        counts = settled_at(server.connection.endpoint, stream.id)
        delivery = view.close()
    return {
        "scarce": scarce,
        "said": sum("inline" in text for text in heard.said),
        "inline": travelled == 60,
        "back": back,
        "shared again": shared,
        "crc": crcs == sorted(zlib.crc32(plane.tobytes()) for plane in planes),
        "delivery": delivery,
        "counts": msgspec.structs.asdict(counts),
        "longest": case.longest,
        "left": [name for name in os.listdir("/dev/shm") if "coverslip" in name],
    }


def count_inline(server: HeadlessServer) -> list[int]:
    """Count the messages that bring their pixels."""
    handle, count = server.handle_data, [0]

    def counting(frames: list[memoryview]) -> None:
        count[0] += len(frames) > 1
        handle(frames)

    server.handle_data = counting  # type: ignore[method-assign]  # this one's alone
    return count


def named() -> None:
    """Make arenas of named segments, which /dev/shm bounds."""
    segment.default_mechanism = lambda: "posix"


def small_segment(folder: Path) -> dict[str, Any]:
    """A segment can be made, and no plane fits into what there is."""
    named()
    return without_shared_memory(
        folder, lambda: subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
    )


def no_segment(folder: Path) -> dict[str, Any]:
    """There is not even room for a segment's table."""
    named()
    subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
    return without_shared_memory(folder, fill(folder).unlink)


def limit(folder: Path) -> dict[str, Any]:
    """The system refuses at the allocation, for a while."""
    kind: Any = segment._Memfd
    ensure = kind.ensure

    def limited(self: Any, mapping: Any, offset: int, length: int) -> None:
        if length > 1 << 20:
            raise ArenaFull(errno.ENOSPC, "No space left on device")
        ensure(self, mapping, offset, length)

    def give() -> None:
        kind.ensure = ensure

    kind.ensure = limited
    return without_shared_memory(folder, give)


def full_disk(folder: Path) -> dict[str, Any]:
    """A viewer cannot write its connection file; with room again it starts."""
    os.environ["COVERSLIP_RUNTIME_DIR"] = str(folder)
    folder.chmod(0o700)
    filler = fill(folder)
    viewer = HeadlessVisualizer(persistent=False)
    try:
        viewer.start_viewer(timeout=30)
    except TransportError as error:
        said = str(error)
    filler.unlink()
    viewer.start_viewer(timeout=60)
    view = View(viewer)
    for number in range(10):
        view.show(picture(number), z_index=number)
    delivery = view.close(60)
    viewer.stop_viewer()
    return {"error": said, "then": delivery}


def filling_disk(folder: Path) -> dict[str, Any]:
    """The disk is full from a moment on when all are at work."""
    os.environ["COVERSLIP_RUNTIME_DIR"] = str(folder)
    folder.chmod(0o700)
    viewer = HeadlessVisualizer(persistent=False)
    viewer.start_viewer(timeout=60)
    view = View(viewer)
    for number in range(100):
        if number == 50:
            fill(folder)
        view.show(picture(number), z_index=number)
    delivery = view.close(60)
    viewer.stop_viewer()
    return {"delivery": delivery, "stopped": not list(folder.glob("*.json"))}


def no_descriptors(folder: Path) -> dict[str, Any]:
    """The pipeline has no descriptor left for some seconds; libzmq aborts where it gets none."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    case = Case()
    planes = [picture(number) for number in range(150)]
    viewer = HeadlessVisualizer(persistent=False)
    viewer.start_viewer(timeout=60)
    allowed, _ = psutil.Process(viewer.connection.pid).rlimit(psutil.RLIMIT_NOFILE)
    view = View(viewer, Stream([viewer], limit=LIMIT))
    for number in range(20):  # as it runs, all is imported by then
        case.show(view, planes[number], z_index=number)
    view.flush(60)
    with ExitStack() as files:
        held = [files.enter_context(file) for file in all_files()]
        for number in range(20, 100):
            case.show(view, planes[number], z_index=number)
            if number % 5 == 0:
                held.pop().close()  # some are not enough: what is begun with them fails half way
            compute(0.05)
    for number in range(100, 150):
        case.show(view, planes[number], z_index=number)
    view.flush(60)
    counts = settled_at(viewer.endpoint, view.stream.id)
    delivery = view.close()
    viewer.stop_viewer()
    return {
        "the viewer's own": allowed == min(most, 1 << 16) > 256,
        "delivery": delivery,
        "counts": msgspec.structs.asdict(counts),
        "longest": case.longest,
    }


def all_files() -> list[BinaryIO]:
    """Open files until there is no descriptor left; return them."""
    files: list[BinaryIO] = []
    with suppress(OSError):
        while True:
            files.append(Path(os.devnull).open("rb"))  # noqa: SIM115 - whoever asked closes them
    return files


def fill(folder: Path) -> Path:
    """Write a file until the disk is full; return it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return filler
    raise AssertionError(f"{folder} cannot be filled")


SCENES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "small-segment": small_segment,
    "no-segment": no_segment,
    "limit": limit,
    "full-disk": full_disk,
    "filling-disk": filling_disk,
    "no-descriptors": no_descriptors,
}

if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]](Path(sys.argv[2]))))
