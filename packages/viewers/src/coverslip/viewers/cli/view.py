"""``coverslip view``: files and OME-Zarr to a viewer, each plane at the place that is its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coverslip.transport import Delivery
from coverslip.viewers.cli import report
from coverslip.viewers.cli.window import (
    check_target,
    open_window,
    say_how_long_it_stays,
    say_how_to_make_room,
    take_picture,
)
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.parsers import Listing
from coverslip.viewers.plates.contents import Contents, collect
from coverslip.viewers.plates.sending import send_image
from coverslip.viewers.settle import settle
from coverslip.viewers.view import View
from coverslip.viewers.words import plural

__all__ = [
    "reasons_by_path",
    "run_view",
    "tell_listing",
    "tell_unreadable",
    "tell_unused_modes",
    "unused_modes",
]

SHOWN_FILES = 5
SHOWN_LETTERS = 40
LINGER = 5.0


def run_view(
    paths: list[Path],
    parser: str,
    pattern: str | None,
    *,
    level: int | None = None,
    viewer: str = "napari",
    port: int | None,
    connection: str | None = None,
    modes: dict[str, str] | None = None,
    memory: int | None = None,
    max_layers: int | None = None,
    budget: int | None = None,
    clear: bool = False,
    screenshot: Path | None,
    as_json: bool,
) -> bool:
    """Send files and OME-Zarr, say what became of them, and return whether all were shown."""
    check_target(screenshot)
    with report.waiting("reading names …", quiet=as_json):
        contents = collect(paths, parser, pattern, level)
    listing = contents.listing
    view = open_window(
        viewer,
        port=port,
        connection=connection,
        modes=modes,
        memory=memory,
        max_layers=max_layers,
        budget=budget,
    )
    components: set[str] = set()
    unreadable = dict(contents.problems)
    interrupted, taken = False, screenshot is None
    try:
        if clear:
            view.clear()
        _send(view, contents, components, unreadable, quiet=as_json)
        taken = take_picture(view, screenshot)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        # Settled already, or waited for in vain; after Ctrl-C what is under way may still arrive.
        delivery = view.close(LINGER if interrupted else 0.0)
    reasons = view.statistics().reasons
    # A file that cannot be read was to be shown and was not: it counts.
    lost = len(unreadable)
    unused = [] if interrupted else unused_modes(modes, components)
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
                "unreadable": reasons_by_path(unreadable),
                "same_place": [[str(path) for path in files] for files in listing.same_place()],
                "unused_modes": unused,
                "interrupted": interrupted,
                "reasons": reasons,
                "screenshot": str(screenshot) if screenshot and taken else None,
            }
        )
    else:
        tell_listing(listing)
        tell_unreadable(unreadable)
        tell_unused_modes(unused, components)
        report.show_delivery(delivery, reasons)
        say_how_to_make_room(view)
        say_how_long_it_stays(view)
    if interrupted:
        report.note("interrupted: not every file was sent")
        raise KeyboardInterrupt
    return delivery.shown == delivery.sent and not listing.unknown and taken


def _send(
    view: View,
    contents: Contents,
    components: set[str],
    unreadable: dict[str, str],
    *,
    quiet: bool,
) -> None:
    """Send every picture and wait until the viewer has shown them.

    Note the components that there are, and why which picture could not be sent.
    """
    with report.bar(len(contents.entries), quiet=quiet) as progress:
        (task,) = progress.task_ids
        for number, entry in enumerate(contents.entries):
            progress.update(task, completed=number, description=str(entry.path)[-SHOWN_LETTERS:])
            try:
                for image in entry.images():
                    send_image(view, image)
                    components |= image.names
            except UnreadableImage as error:
                unreadable[str(entry.path)] = str(error)
        sent = view.statistics().sent
        progress.update(task, completed=0, total=sent, description="shown")
        settle(view, lambda delivery: progress.update(task, completed=delivery.shown))


def tell_listing(listing: Listing) -> None:
    """Say which files are not shown, or not seen, for what their names say."""
    if listing.left_out:
        one, many = "thumbnail or correction image", "thumbnails or correction images"
        report.note(f"{plural(listing.left_out, one, many)} left out")
    if listing.unknown:
        names = ", ".join(path.name for path in listing.unknown[:SHOWN_FILES])
        more = len(listing.unknown) - SHOWN_FILES
        report.warn(
            f"{len(listing.unknown)} of {listing.found} files not shown",
            f"the parser {listing.parser!r} cannot read the names {names}"
            f"{f' and {more} more' if more > 0 else ''}; to have them ignored, keep them elsewhere "
            "or give the files to show in place of their folder",
        )
    for files in listing.same_place()[:SHOWN_FILES]:
        report.warn(
            f"{len(files)} files of one place",
            f"only the last is seen of {', '.join(str(path) for path in files[:SHOWN_FILES])}: "
            "name the folder of each plate, or give a --pattern that tells them apart",
        )


def reasons_by_path(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return why files are not shown, for JSON: the reasons begin with the paths, said once."""
    return {path: reason.removeprefix(f"{path}: ") for path, reason in reasons.items()}


def tell_unreadable(reasons: dict[str, str]) -> None:
    """Say why files are not shown that should have been."""
    for reason in list(reasons.values())[:SHOWN_FILES]:
        report.warn("not shown", reason)
    if len(reasons) > SHOWN_FILES:
        report.note(f"… and {len(reasons) - SHOWN_FILES} more")


def unused_modes(modes: dict[str, str] | None, components: set[str]) -> list[str]:
    """Return what has a mode and is no component of anything that was sent, if any was."""
    return sorted((modes or {}).keys() - components) if components else []


def tell_unused_modes(unused: list[str], components: set[str]) -> None:
    """Say which of the modes were for nothing: mostly a slip of the pen."""
    for name in unused:
        report.warn(
            f"--mode {name}=… is for nothing",
            f"no file has a component {name!r}; they have {', '.join(sorted(components))}",
        )
