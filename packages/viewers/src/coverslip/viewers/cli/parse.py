"""``coverslip parse``: what ``view`` would send, as a table; names and metadata, no pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from coverslip.payload import Display, Value, natural_key
from coverslip.viewers.cli import report
from coverslip.viewers.cli.view import reasons_by_path, tell_listing, tell_unreadable
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.parsers import Listing
from coverslip.viewers.parsers.plate import plate_folder
from coverslip.viewers.plates.contents import Contents, collect
from coverslip.viewers.plates.stored import StoredImage
from coverslip.viewers.wells import PLATE
from coverslip.viewers.words import plural

__all__ = ["run_parse"]

SHOWN_ROWS = 20
SHOWN_VALUES = 6


@dataclass
class _Row:
    """What one file, or one plane of a store, holds."""

    path: str
    values: dict[str, list[Value]] = field(default_factory=dict)
    planes: int = 0
    shape: tuple[int, ...] = ()
    dtype: str = ""
    display: Display = field(default_factory=Display)

    def add(self, image: StoredImage) -> None:
        self.planes += image.planes
        self.shape, self.dtype, self.display = image.shape, image.dtype.name, image.display
        for name, value in image.components.items():
            self._see(name, (value,))
        for name, extent in zip(image.axes, image.shape, strict=True):
            if name not in {"y", "x", "c"}:
                self._see(name, image.coordinates.get(name, tuple(range(extent))))

    def _see(self, name: str, values: tuple[Value, ...]) -> None:
        seen = self.values.setdefault(name, [])
        seen += [value for value in values if value not in seen]


def run_parse(
    paths: list[Path],
    parser: str,
    pattern: str | None,
    *,
    level: int | None,
    every: bool,
    as_json: bool,
) -> bool:
    """Print what would be sent, and return whether all of it could be."""
    with report.waiting("reading names and metadata …", quiet=as_json):
        contents = collect(paths, parser, pattern, level)
        unreadable = dict(contents.problems)
        rows = list(_rows(contents, unreadable))
    if as_json:
        report.print_json(_as_json(contents, rows, unreadable))
    else:
        _print(contents, rows, every=every)
        tell_listing(contents.listing)
        _tell_one_plate(contents.listing)
        tell_unreadable(unreadable)
    return not contents.listing.unknown and not unreadable


def _rows(contents: Contents, unreadable: dict[str, str]) -> Iterator[_Row]:
    """Yield a row for each file, and for each array of a store."""
    for path, entries in groupby(contents.entries, key=lambda entry: entry.path):
        row = _Row(str(path))
        try:
            for image in chain.from_iterable(entry.images() for entry in entries):
                row.add(image)
        except UnreadableImage as error:
            unreadable[str(path)] = str(error)
        else:
            yield row


def _as_json(contents: Contents, rows: list[_Row], unreadable: dict[str, str]) -> dict[str, Any]:
    listing = contents.listing
    return {
        "parser": listing.parser,
        "planes": sum(row.planes for row in rows),
        "components": _components(rows),
        "files": [
            {
                "path": row.path,
                "components": {
                    name: values[0] if len(values) == 1 else values
                    for name, values in row.values.items()
                },
                "planes": row.planes,
                "shape": row.shape,
                "dtype": row.dtype,
                "scale": row.display.scale,
                "unit": row.display.unit,
            }
            for row in rows
        ],
        "left_out": listing.left_out,
        "spared": listing.spared,
        "unknown": [str(path) for path in listing.unknown],
        "unreadable": reasons_by_path(unreadable),
        "same_place": [[str(path) for path in files] for files in listing.same_place()],
    }


def _components(rows: list[_Row]) -> dict[str, list[Value]]:
    """Return each component's values in natural order, components as the rows name them."""
    found: dict[str, set[Value]] = {}
    for row in rows:
        for name, values in row.values.items():
            found.setdefault(name, set()).update(values)
    return {name: sorted(values, key=natural_key) for name, values in found.items()}


def _print(contents: Contents, rows: list[_Row], *, every: bool) -> None:
    components = _components(rows)
    # What all have in common stands among the components: so there is room for the files' names.
    names = tuple(name for name in components if len(rows) == 1 or not _shared(name, rows))
    top = _common([row.path for row in rows])
    shown = rows if every else rows[:SHOWN_ROWS]
    kinds = {(row.planes, row.shape, row.dtype) for row in rows}
    alike = len(kinds) == 1
    count = sum(row.planes for row in rows)
    them = "it" if count == 1 else "them"
    summary = f"{plural(count, 'plane')}, as {contents.listing.parser} reads {them}"
    if alike:  # said once, too
        summary += f", all of {_size(rows[0])}"
    report.print_line(summary + (f", in {top}" if top else ""))
    report.print_table(
        "",
        ("file", *names, *(() if alike else ("planes", "of"))),
        [
            (
                _below(row.path, top),
                *(_some(row.values.get(name, [])) for name in names),
                *(() if alike else (row.planes, _size(row))),
            )
            for row in shown
        ],
    )
    if len(shown) < len(rows):
        report.note(f"… and {len(rows) - len(shown)} more (--all prints them, --json lists them)")
    report.print_table(
        "components",
        ("component", "values", ""),
        [(name, len(values), _some(values)) for name, values in components.items()],
    )
    display = rows[0].display if rows else Display()
    if display.scale and all(row.display == display for row in rows):
        steps = ", ".join(f"{axis} {step:g}" for axis, step in display.scale.items())
        report.print_line(f"distance of neighbours: {steps} {display.unit or ''}".rstrip())


def _tell_one_plate(listing: Listing) -> None:
    """Say which folders were taken as one plate: each may be one, with wells called alike."""
    folders: dict[Value, set[Path]] = {}
    for plane in listing.planes:
        if PLATE in plane.components:
            within = folders.setdefault(plane.components[PLATE], set())
            within.add(plate_folder(plane.path.parent))
    for plate, within in folders.items():
        if len(within) > 1:
            names = _some(sorted({folder.name for folder in within}))
            report.note(
                f"{len(within)} folders were taken as one plate, {plate}: {names}; "
                "where they are a plate each, name each of them"
            )


def _shared(name: str, rows: list[_Row]) -> bool:
    """Tell whether all rows say the same of a component."""
    return all(row.values.get(name) == rows[0].values.get(name) for row in rows)


def _size(row: _Row) -> str:
    return f"{' x '.join(map(str, row.shape))} {row.dtype}"


def _common(paths: list[str]) -> Path | None:
    """Return the folder that all paths lie in, if there is one worth saying."""
    parents = [Path(path).parent.parts for path in paths]
    shared: list[str] = []
    for level in zip(*parents, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return Path(*shared) if shared else None


def _below(path: str, top: Path | None) -> str:
    return str(Path(path).relative_to(top)) if top else path


def _some(values: list[Value]) -> str:
    """Write a few values whole, many by the first, the last and dots."""
    if len(values) <= SHOWN_VALUES:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[: SHOWN_VALUES - 2]))}, …, {values[-1]}"
