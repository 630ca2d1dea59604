"""What happens in a folder, a few times a second: told by the system, and looked for beside.

The system's events (inotify, FSEvents, ReadDirectoryChangesW, through watchfiles) come at once and
miss some: files that another machine writes to a share, those made in a new folder before it is
watched, what overflows a queue. So the folder is walked as well, the less often the longer that
takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from coverslip.viewers.parsers.folder import is_tiff_name, natural_order, tiff_files

__all__ = ["Changes", "watch_folder"]

TICK = 0.2
"""Seconds after which changes are told, or that there are none."""

WALK_INTERVAL = 2.0
WALK_SHARE = 0.05
"""Walking takes at most this part of the time."""


class Changes(NamedTuple):
    """What was noticed since the last time."""

    seen: list[Path]
    """TIFF files that are new or may have changed, in the order of their times."""
    gone: list[Path]
    """Deleted, or renamed to something else; one that is written anew at once is in `seen` too."""


def watch_folder(
    folder: Path, stop: threading.Event | None = None
) -> Generator[Changes, None, None]:
    """Yield what happens below a folder until `stop` is set; first of all, what is there.

    Parameters
    ----------
    folder : Path
        Absolute. Folders made in it later are watched too.
    stop : threading.Event, optional
        Ends it within a tick.

    Raises
    ------
    OSError
        A folder cannot be watched or read, or `folder` itself is gone.
    """
    from watchfiles import Change, watch

    events = watch(
        folder,
        watch_filter=None,
        debounce=int(TICK * 1000),
        step=50,
        rust_timeout=int(TICK * 1000),
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    )
    known: set[Path] = set()
    next_walk = 0.0
    with closing(events):
        for batch in events:  # the first comes when the watch stands: nothing is missed
            gone = {Path(name) for change, name in batch if change is Change.deleted}
            seen = {Path(name) for change, name in batch if change is not Change.deleted}
            in_order = sorted((path for path in seen if _is_image(path, folder)), key=_by_time)
            began = time.monotonic()
            if began >= next_walk:
                found = tiff_files(folder, changing=bool(next_walk))
                if not folder.is_dir():
                    raise FileNotFoundError(f"{folder} is gone")
                new = [path for path in found if path not in known and path not in seen]
                # What is there at first is in natural order; later it is the time that counts.
                in_order += sorted(new, key=_by_time) if next_walk else new
                in_order += [path for path in found if path in known and path not in seen]
                known = set(found)
                ended = time.monotonic()
                next_walk = ended + max(WALK_INTERVAL, (ended - began) / WALK_SHARE)
            yield Changes(in_order, [path for path in gone if _is_image(path, folder)])


def _is_image(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).parts[:-1]
    return is_tiff_name(path.name) and not any(part.startswith(".") for part in inside)


def _by_time(path: Path) -> tuple[int, object]:
    try:
        return path.stat().st_mtime_ns, natural_order(path)
    except OSError:
        return 0, natural_order(path)
