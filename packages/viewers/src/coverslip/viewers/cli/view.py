"""``coverslip view``: files to a viewer, each at the place that its name says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coverslip.payload import PayloadError, Value
from coverslip.transport import Delivery
from coverslip.viewers.cli import report
from coverslip.viewers.cli.settle import settle
from coverslip.viewers.connect import connect
from coverslip.viewers.parsers import Listing, Parsed, list_planes
from coverslip.viewers.view import View

__all__ = ["run_view"]

SHOWN_FILES = 5

AXES = {"Z": "z_index", "T": "timepoint", "C": "channel", "S": "c", "Y": "y", "X": "x"}
"""tifffile's axis letters in this field's words; any other letter is taken as it is."""


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
    unreadable: dict[str, str] = {}
    try:
        with report.bar(len(listing.planes), quiet=as_json) as progress:
            (task,) = progress.task_ids
            for number, parsed in enumerate(listing.planes):
                progress.update(task, completed=number, description=parsed.path.name[:40])
                try:
                    _show(view, parsed)
                except (OSError, ValueError, PayloadError, RuntimeError) as error:
                    unreadable[str(parsed.path)] = str(error) or type(error).__name__
            progress.update(task, completed=len(listing.planes), description="waiting for napari")
            delivery = settle(view, lambda _: None)
        if screenshot is not None:
            view.screenshot(screenshot)
        reasons = view.statistics().reasons
    finally:
        view.close()
    # A file that cannot be read is a plane that was to be shown: it counts.
    lost = len(unreadable)
    delivery = Delivery(
        delivery.sent + lost, delivery.shown, delivery.dropped, delivery.failed + lost
    )
    if as_json:
        report.print_json(
            delivery._asdict()
            | {
                "port": view.visualizer.port,
                "parser": listing.parser,
                "left_out": listing.left_out,
                "unknown": [str(path) for path in listing.unknown],
                "unreadable": unreadable,
                "reasons": reasons,
                "screenshot": None if screenshot is None else str(screenshot),
            }
        )
    else:
        _tell(listing, unreadable)
        report.show_delivery(delivery, reasons)
        report.note(f"napari on port {view.visualizer.port} stays open")
    return delivery.shown == delivery.sent and not listing.unknown


def _show(view: View, parsed: Parsed) -> None:
    import tifffile  # it takes a moment, and nothing else here needs it

    with tifffile.TiffFile(parsed.path) as file:
        series = file.series[0]
        pixels = series.asarray(squeeze=True)
        axes: list[str] | None = [
            AXES.get(letter, letter.lower())
            for letter, extent in zip(series.axes, series.shape, strict=True)
            if extent != 1 or letter in "YX"
        ]
    if axes is not None and (len(axes) != pixels.ndim or axes == ["y", "x"]):
        axes = None
    components: dict[str, Any] = {**_without(parsed.components, axes)}
    view.show(pixels, axes=axes, origin=str(parsed.path), **components)


def _without(components: dict[str, Value], axes: list[str] | None) -> dict[str, Value]:
    # A file that holds a stack knows its own z better than its name does.
    return {name: value for name, value in components.items() if name not in (axes or ())}


def _tell(listing: Listing, unreadable: dict[str, str]) -> None:
    if listing.left_out:
        report.note(f"{listing.left_out} thumbnails left out")
    if listing.unknown:
        names = ", ".join(path.name for path in listing.unknown[:SHOWN_FILES])
        report.note(
            f"[yellow]{len(listing.unknown)} files not shown:[/] the parser "
            f"{listing.parser!r} cannot read their names, such as {names}"
        )
    for path, reason in list(unreadable.items())[:SHOWN_FILES]:
        report.note(f"[red]{path} cannot be shown:[/] {reason}")
    if len(unreadable) > SHOWN_FILES:
        report.note(f"[red]… and {len(unreadable) - SHOWN_FILES} more[/]")
