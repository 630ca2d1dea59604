"""``python -m tests.viewers.cli.instrument FOLDER HOW``: writes TIFF files as instruments do."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.waiting import eventually

BURST = 200
DEADLINE = 60.0


def plane(number: int) -> NDArray[Any]:
    return np.random.default_rng(number).integers(0, 4000, (48, 64)).astype(np.uint16)


def name(number: int) -> str:
    return f"p_A01_s{number}_w1.tif"


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, pixels, **options)
    return content.getvalue()


def slowly(folder: Path, files: int = 3, pieces: int = 8) -> None:
    """Write each file piece by piece, longer than a file must be quiet to be opened."""
    for number in range(1, files + 1):
        whole = tiff(plane(number), compression="zlib")
        step = len(whole) // pieces + 1
        with (folder / name(number)).open("wb", buffering=0) as file:
            for begin in range(0, len(whole), step):
                file.write(whole[begin : begin + step])
                # The instrument's own pace: a pause that looks like the end.
                time.sleep(0.7 if begin == 4 * step else 0.05)


def preallocated(folder: Path) -> None:
    """Make the file as long as it will be, then fill it in: broken until the very end."""
    whole = tiff(plane(1), compression="zlib")
    with (folder / name(1)).open("wb", buffering=0) as file:
        file.truncate(len(whole))
        # The same: for long enough that it is opened meanwhile.
        time.sleep(1.2)
        file.write(whole)


def renamed(folder: Path) -> None:
    for number in range(1, 6):
        part = folder / f"{name(number)}.part"
        part.write_bytes(tiff(plane(number)))
        part.rename(folder / name(number))


def burst(folder: Path) -> None:
    for number in range(1, BURST + 1):
        (folder / name(number)).write_bytes(tiff(plane(number)))


def deleted(folder: Path) -> None:
    """Begin three files, and take one away before it is complete."""
    (folder / name(2)).write_bytes(tiff(plane(2))[:200])
    (folder / name(1)).write_bytes(tiff(plane(1)))
    (folder / name(3)).write_bytes(tiff(plane(3)))
    time.sleep(1.0)  # the same: it is looked at in vain meanwhile
    (folder / name(2)).unlink()


def rewritten(folder: Path) -> None:
    """Write a file, and another picture in its place once the first was shown."""
    (folder / name(1)).write_bytes(tiff(plane(7)))
    state = Path(os.environ["COVERSLIP_STATE_DIR"])
    (journal,) = eventually(lambda: list(state.glob("*/*.jsonl")), "a watch has begun", DEADLINE)
    eventually(journal.read_bytes, "the first picture is shown", DEADLINE)
    (folder / name(1)).write_bytes(tiff(plane(1)))


def folders(folder: Path) -> None:
    for timepoint in (1, 2):
        below = folder / f"TimePoint_{timepoint}" / "ZStep_3"
        below.mkdir(parents=True)
        for number in range(1, 4):
            (below / name(number)).write_bytes(tiff(plane(10 * timepoint + number)))


WAYS = {
    way.__name__: way for way in (slowly, preallocated, renamed, burst, deleted, rewritten, folders)
}

if __name__ == "__main__":
    WAYS[sys.argv[2]](Path(sys.argv[1]))
