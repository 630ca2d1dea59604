"""``coverslip view``: files to a viewer, each plane at the place that its name says."""

from __future__ import annotations

from pathlib import Path

from coverslip.payload import PayloadError, Source, as_planes
from coverslip.transport import Delivery
from coverslip.viewers.cli import report
from coverslip.viewers.cli.images import read_images
from coverslip.viewers.cli.settle import settle
from coverslip.viewers.connect import connect
from coverslip.viewers.errors import UnreadableImage, ViewerGone
from coverslip.viewers.parsers import Listing, Parsed, list_planes
from coverslip.viewers.view import View

__all__ = ["run_view"]

SHOWN_FILES = 5


def run_view(
    paths: list[Path],
    parser: str,
    pattern: str | None,
    *,
    port: int | None,
    screenshot: Path | None,
    as_json: bool,
) -> bool:
    """Send the files, say what became of them, and return whether all were shown."""
    listing = list_planes(paths, parser, pattern)
    view = connect("napari", port=port)
    try:
        unreadable = _send(view, listing, quiet=as_json)
        reasons = view.statistics().reasons
        taken = screenshot is None or _take(view, screenshot)
    finally:
        delivery = view.close()
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
                "reasons": reasons,
                "screenshot": str(screenshot) if screenshot and taken else None,
            }
        )
    else:
        _tell(listing, unreadable)
        report.show_delivery(delivery, reasons)
        report.note(f"napari on port {view.visualizer.port} stays open")
    return delivery.shown == delivery.sent and not listing.unknown and taken


def _send(view: View, listing: Listing, *, quiet: bool) -> dict[str, str]:
    """Send every file and wait until the viewer has shown them; return why which could not be."""
    unreadable = {}
    with report.bar(len(listing.planes), quiet=quiet) as progress:
        (task,) = progress.task_ids
        for number, parsed in enumerate(listing.planes):
            progress.update(task, completed=number, description=parsed.path.name[-40:])
            try:
                _show(view, parsed)
            except (UnreadableImage, PayloadError) as error:
                unreadable[str(parsed.path)] = str(error)
        sent = view.statistics().sent
        progress.update(task, completed=0, total=sent, description="shown")
        settle(view, lambda delivery: progress.update(task, completed=delivery.shown))
    return unreadable


def _show(view: View, parsed: Parsed) -> None:
    for pixels, axes, components in read_images(parsed.path, parsed.components):
        # Not view.show: a pattern may name a component as one of its parameters is named.
        planes = as_planes(pixels, axes=axes, components=components)
        view.send(Source(), planes, rgb="c" in axes, origin=str(parsed.path))


def _take(view: View, screenshot: Path) -> bool:
    """Write the window's picture; its failure must not hide what became of the planes."""
    try:
        view.screenshot(screenshot)
    except (ViewerGone, OSError) as error:
        report.warn("no screenshot", str(error))
        return False
    return True


def _tell(listing: Listing, unreadable: dict[str, str]) -> None:
    if listing.left_out:
        report.note(f"{listing.left_out} thumbnails left out")
    if listing.unknown:
        names = ", ".join(path.name for path in listing.unknown[:SHOWN_FILES])
        report.warn(
            f"{len(listing.unknown)} files not shown",
            f"the parser {listing.parser!r} cannot read their names, such as {names}",
        )
    for reason in list(unreadable.values())[:SHOWN_FILES]:
        report.warn("not shown", reason)
    if len(unreadable) > SHOWN_FILES:
        report.note(f"… and {len(unreadable) - SHOWN_FILES} more")
