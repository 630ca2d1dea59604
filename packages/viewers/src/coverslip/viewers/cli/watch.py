"""``coverslip watch``: a folder's files to a viewer while an instrument writes them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import Progress

from coverslip.payload import Value
from coverslip.transport import Delivery
from coverslip.viewers.cli import report
from coverslip.viewers.cli.view import (
    SHOWN_FILES,
    SHOWN_LETTERS,
    reasons_by_path,
    tell_unreadable,
    tell_unused_modes,
    unused_modes,
)
from coverslip.viewers.cli.window import open_window, say_how_to_make_room
from coverslip.viewers.cli.words import in_one_line
from coverslip.viewers.errors import AmbiguousNames, NoParserMatches, UnreadableImage, ViewerGone
from coverslip.viewers.parsers import candidates
from coverslip.viewers.parsers.folder import tiff_files
from coverslip.viewers.parsers.plate import plate_folder
from coverslip.viewers.plates.changes import Changes, watch_folder
from coverslip.viewers.plates.incoming import PATIENCE, Incoming, Signature
from coverslip.viewers.plates.journal import Journal
from coverslip.viewers.plates.naming import Naming
from coverslip.viewers.plates.omezarr import is_store
from coverslip.viewers.plates.sending import send_image
from coverslip.viewers.plates.tiff import check_whole, read_images
from coverslip.viewers.settle import settle
from coverslip.viewers.view import View
from coverslip.viewers.words import plural

__all__ = ["run_watch"]

TURN = 1.0
"""Seconds for which files are sent before the folder is looked at again."""

ABSENCE = 30.0
"""Seconds that a viewer which does not answer is waited for; files wait on the disk meanwhile."""


class _Sent(NamedTuple):
    """A file that was sent and is not known to be shown."""

    path: Path
    signature: Signature
    total: int
    """Planes sent up to its last."""


class _Watch:
    """Sends files as they become complete, and remembers those that were shown. For one thread."""

    def __init__(self, view: View, naming: Naming, journal: Journal) -> None:
        self.incoming = Incoming(patience=PATIENCE)
        self.naming = naming
        self.shown: set[Path] = set()
        """Files whose planes the viewer has."""
        self.sent_again = 0
        """Files whose planes were lost on their way and that were sent once more."""
        self.names: set[str] = set()
        """The components that there are."""
        self.active = time.monotonic()
        """When something was last found or sent."""
        self._view = view
        self._journal = journal
        self._components: dict[Path, dict[str, Value]] = {}
        self._under_way: deque[_Sent] = deque()
        self._lost = 0
        self._absent_since: float | None = None
        for path, signature in journal.shown.items():
            self.incoming.skip(path, signature)

    def note(self, changes: Changes) -> None:
        """Take in what happened in the folder."""
        now = time.monotonic()
        for path in changes.gone:
            self.incoming.lose(path)
        try:
            self.naming.learn(changes.seen)
        except AmbiguousNames:
            raise
        except NoParserMatches:
            pass  # the names that come later may tell; those that never do are told at the end
        for path in changes.seen:
            if path not in self._components:
                components = self.naming.read(path)
                if components is None:
                    continue
                self._components[path] = components
            self.incoming.see(path, now)

    def send(self, progress: Progress) -> None:
        """Send files that are complete, for a second at most: then others may have come."""
        deadline = time.monotonic() + TURN
        while time.monotonic() < deadline and (due := self.incoming.due(time.monotonic())):
            for path in due:
                if self._absent():
                    return
                _draw(self, progress, path.name[-SHOWN_LETTERS:])
                self._send(path)
                self.settle()

    def _send(self, path: Path) -> None:
        try:
            check_whole(path)
            signature = self.incoming.signature(path)
            if signature is None:  # written to since it was found to be quiet: it will be again
                return
            for image in read_images(path, self._components[path]):
                send_image(self._view, image)
                self.names |= image.names
        except UnreadableImage as error:
            self.incoming.refuse(path, str(error), time.monotonic())
        else:
            self.active = time.monotonic()
            self.incoming.take(path)
            self._under_way.append(_Sent(path, signature, self._view.statistics().sent))

    def settle(self) -> None:
        """Note which files have been shown; put back those whose planes may have been lost."""
        counts = self._view.statistics()
        lost = counts.dropped + counts.failed
        if lost > self._lost and not counts.pending:
            # Which planes were lost is not told: all files under way are sent again, and land on
            # what may be there of them.
            reason = "; ".join(counts.reasons) or "lost on its way to the viewer"
            now = time.monotonic()
            # One that was written anew while it was under way is there twice.
            lost_files = dict.fromkeys(file.path for file in self._under_way)
            for path in lost_files:
                self.incoming.send_again(path, f"{path}: {reason}", now)
            self.sent_again += len(lost_files)
            self._under_way.clear()
            self._lost = lost
        while (
            lost == self._lost
            and self._under_way
            and self._under_way[0].total <= counts.shown + lost
        ):
            file = self._under_way.popleft()
            self._journal.add(file.path, file.signature)
            self.shown.add(file.path)
            self.active = time.monotonic()

    def _absent(self) -> bool:
        """Tell whether the viewer is away; raise ViewerGone when it was for too long."""
        if "absent" not in self._view.statistics().state:
            self._absent_since = None
            return False
        now = time.monotonic()
        if self._absent_since is None:
            self._absent_since = now
        if now - self._absent_since > ABSENCE:
            raise ViewerGone(
                f"the viewer on port {self._view.visualizer.port} has not answered for "
                f"{ABSENCE:.0f} s"
            )
        return True


def run_watch(
    folder: Path,
    parser: str,
    pattern: str | None,
    *,
    viewer: str,
    port: int | None,
    connection: str | None,
    modes: dict[str, str] | None,
    memory: int | None,
    max_layers: int | None,
    budget: int | None,
    resume: bool,
    idle: float | None,
    as_json: bool,
) -> bool:
    """Send files until Ctrl-C, or for as long as some come; return whether all were shown."""
    plate = plate_folder(folder).name
    folder = _checked(folder)
    naming = Naming(candidates(parser, pattern), plate)
    try:
        naming.learn(tiff_files(folder))
    except AmbiguousNames:
        raise
    except NoParserMatches as error:
        report.warn("no name can be read so far", str(error))
    with Journal(folder, resume=resume) as journal:
        view = open_window(
            viewer,
            port=port,
            connection=connection,
            modes=modes,
            memory=memory,
            max_layers=max_layers,
            budget=budget,
        )
        watch = _Watch(view, naming, journal)
        ended = ""
        try:
            with report.bar(0, quiet=as_json) as progress:
                try:
                    with closing(watch_folder(folder)) as changes:
                        _run(watch, changes, progress, idle)
                except KeyboardInterrupt:
                    ended = "interrupted"
                except (ViewerGone, OSError) as error:
                    ended = in_one_line(error)
                settle(view, lambda _: _draw(watch, progress))
                watch.settle()
                watch.incoming.lose_gone()
        finally:
            delivery = view.close(0.0)
    unused = unused_modes(modes, watch.names)
    return _tell(view, watch, delivery, ended, unused, as_json=as_json)


def _checked(folder: Path) -> Path:
    """Return the folder as an absolute path; raise an OSError where there is none to watch."""
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: watch its folder, or `coverslip view` it")
    if is_store(folder):
        raise IsADirectoryError(
            f"{folder} is OME-Zarr: `coverslip view` shows it; only TIFF files are watched for"
        )
    return folder.resolve()


def _run(
    watch: _Watch, changes: Generator[Changes, None, None], progress: Progress, idle: float | None
) -> None:
    for each in changes:
        watch.note(each)
        watch.send(progress)
        watch.settle()
        _draw(watch, progress)
        if watch.incoming.waiting:
            watch.active = time.monotonic()
        if idle is not None and time.monotonic() - watch.active > idle:
            return


def _draw(watch: _Watch, progress: Progress, doing: str = "") -> None:
    (task,) = progress.task_ids
    waiting = watch.incoming.waiting
    resting = f"{waiting} not complete" if waiting else "waiting for files"
    progress.update(
        task,
        total=watch.incoming.found,
        completed=len(watch.shown),
        description=doing or resting,
    )


def _tell(
    view: View,
    watch: _Watch,
    delivery: Delivery,
    ended: str,
    unused: list[str],
    *,
    as_json: bool,
) -> bool:
    """Say what became of the files, and return whether all that came were shown."""
    reasons = view.statistics().reasons
    unread = watch.incoming.unread()
    broken = watch.incoming.broken
    unknown = sorted(watch.naming.unknown)
    found, skipped = watch.incoming.found, watch.incoming.skipped
    if as_json:
        told: dict[str, Any] = delivery._asdict() | {
            "files": found,
            "files_shown": len(watch.shown),
            "files_shown_before": skipped,
            "files_sent_again": watch.sent_again,
            "waiting": [str(path) for path in unread],
            "unreadable": reasons_by_path({str(path): why for path, why in broken.items()}),
            "unknown": [str(path) for path in unknown],
            "left_out": len(watch.naming.left_out),
            "unused_modes": unused,
            "parser": watch.naming.parser.name if watch.naming.parser else None,
            "port": view.visualizer.port,
            "reasons": reasons,
            "ended": ended,
        }
        report.print_json(told)
    else:
        report.print_table(
            "files",
            ("found", "shown", "shown before", "waiting", "unreadable", "unknown"),
            [(found, len(watch.shown), skipped, len(unread), len(broken), len(unknown))],
        )
        report.show_delivery(delivery, reasons)
        say_how_to_make_room(view)
        _tell_files(watch, unread, unknown)
        tell_unused_modes(unused, watch.names)
    if ended:
        report.note(f"{ended}: `coverslip watch --resume` goes on from here")
    return not (unread or broken or unknown) and len(watch.shown) == found


def _tell_files(watch: _Watch, unread: list[Path], unknown: list[Path]) -> None:
    if unknown:
        names = ", ".join(path.name for path in unknown[:SHOWN_FILES])
        report.warn(
            f"{plural(len(unknown), 'file')} not shown", f"no parser reads names such as {names}"
        )
    if unread:
        names = ", ".join(path.name for path in unread[:SHOWN_FILES])
        report.warn(
            f"{plural(len(unread), 'file')} not shown", f"not complete, or not sent yet: {names}"
        )
    for second, first in list(watch.naming.same_place.items())[:SHOWN_FILES]:
        report.warn(
            "2 files of one place",
            f"only the last is seen of {first}, {second}: watch each plate's folder by itself, or "
            "give a --pattern that tells them apart",
        )
    tell_unreadable({str(path): reason for path, reason in watch.incoming.broken.items()})
    if watch.sent_again:
        report.note(f"sent {plural(watch.sent_again, 'file')} again, since planes were lost")
