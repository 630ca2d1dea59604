"""``coverslip view``: files to a viewer, each plane at the place that its name says."""

from __future__ import annotations

from pathlib import Path

from coverslip.payload import PayloadError, Source, as_planes
from coverslip.transport import Delivery
from coverslip.viewers.cli import report
from coverslip.viewers.cli.images import read_images
from coverslip.viewers.cli.settle import settle
from coverslip.viewers.cli.window import check_target, open_window, take_picture
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.parsers import Listing, Parsed, list_planes
from coverslip.viewers.view import View

__all__ = ["run_view"]

SHOWN_FILES = 5
LINGER = 5.0


def run_view(
    paths: list[Path],
    parser: str,
    pattern: str | None,
    *,
    viewer: str = "napari",
    port: int | None,
    screenshot: Path | None,
    as_json: bool,
) -> bool:
    """Send the files, say what became of them, and return whether all were shown."""
    check_target(screenshot)
    listing = list_planes(paths, parser, pattern)
    view = open_window(viewer, port=port)
    unreadable: dict[str, str] = {}
    interrupted, taken = False, screenshot is None
    try:
        _send(view, listing, unreadable, quiet=as_json)
        taken = take_picture(view, screenshot)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        # Settled already, or waited for in vain; after Ctrl-C what is under way may still arrive.
        delivery = view.close(LINGER if interrupted else 0.0)
    reasons = view.statistics().reasons
    # A file that cannot be read was to be shown and was not: it counts.
    lost = len(unreadable)
    delivery = Delivery(
        delivery.sent + lost, delivery.shown, delivery.dropped, delivery.failed + lost
    )
    if as_json:
        report.print_json(
            delivery._asdict()
            | {
                "pending": delivery.pending,
                "port": view.visualizer.port,
                "parser": listing.parser,
                "left_out": listing.left_out,
                "unknown": [str(path) for path in listing.unknown],
                "unreadable": unreadable,
                "same_place": [[str(path) for path in files] for files in listing.same_place()],
                "interrupted": interrupted,
                "reasons": reasons,
                "screenshot": str(screenshot) if screenshot and taken else None,
            }
        )
    else:
        _tell(listing, unreadable)
        report.show_delivery(delivery, reasons)
        if view.visualizer.is_running:
            report.note(f"{viewer} on port {view.visualizer.port} stays open")
        else:
            report.warn(viewer, f"the viewer on port {view.visualizer.port} does not answer")
    if interrupted:
        report.note("interrupted: not every file was sent")
        raise KeyboardInterrupt
    return delivery.shown == delivery.sent and not listing.unknown and taken


def _send(view: View, listing: Listing, unreadable: dict[str, str], *, quiet: bool) -> None:
    """Send every file and wait until the viewer has shown them; note why which could not be."""
    with report.bar(len(listing.planes), quiet=quiet) as progress:
        (task,) = progress.task_ids
        for number, parsed in enumerate(listing.planes):
            progress.update(task, completed=number, description=parsed.path.name[-40:])
            try:
                _show(view, parsed)
            except UnreadableImage as error:
                unreadable[str(parsed.path)] = str(error)
        sent = view.statistics().sent
        progress.update(task, completed=0, total=sent, description="shown")
        settle(view, lambda delivery: progress.update(task, completed=delivery.shown))


def _show(view: View, parsed: Parsed) -> None:
    for pixels, axes, components in read_images(parsed.path, parsed.components):
        # Not view.show: a pattern may name a component as one of its parameters is named.
        try:
            planes = as_planes(pixels, axes=axes, components=components)
        except PayloadError as error:
            raise UnreadableImage(f"{parsed.path}: {error}") from error
        view.send(Source(), planes, rgb="c" in axes, origin=str(parsed.path))


def _tell(listing: Listing, unreadable: dict[str, str]) -> None:
    if listing.left_out:
        report.note(f"{listing.left_out} thumbnails left out")
    if listing.unknown:
        names = ", ".join(path.name for path in listing.unknown[:SHOWN_FILES])
        report.warn(
            f"{len(listing.unknown)} of {listing.found} files not shown",
            f"the parser {listing.parser!r} cannot read names such as {names}",
        )
    for files in listing.same_place()[:SHOWN_FILES]:
        report.warn(
            f"{len(files)} files of one place",
            f"only the last is seen of {', '.join(str(path) for path in files[:SHOWN_FILES])}: "
            "give a --pattern that tells them apart",
        )
    for reason in list(unreadable.values())[:SHOWN_FILES]:
        report.warn("not shown", reason)
    if len(unreadable) > SHOWN_FILES:
        report.note(f"… and {len(unreadable) - SHOWN_FILES} more")
