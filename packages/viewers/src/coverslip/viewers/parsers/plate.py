"""Which plate files are of: their names rarely say so, the folder that a user names does.

Wells are called alike on every plate, so planes of two plates would take each other's places in a
viewer. What has a well is therefore given the component ``plate``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from coverslip.payload import Value
from coverslip.viewers.parsers.base import Parsed
from coverslip.viewers.parsers.listing import Listing
from coverslip.viewers.wells import PLATE, WELL

__all__ = ["as_named", "names_apart", "on_plate", "plate_folder", "with_plates"]

_WITHIN = re.compile(r"(?:TimePoint|ZStep)_?[0-9]+|Images?", re.IGNORECASE)
"""Folders that instruments make within a plate's."""


def as_named(path: Path) -> Path:
    """Return a path from the root, without dots; links keep the names that their user gave them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links


def plate_folder(folder: Path) -> Path:
    """Return the plate's folder that a folder is, or lies in."""
    plate = as_named(folder)
    while _WITHIN.fullmatch(plate.name):
        plate = plate.parent
    return plate


def names_apart(paths: Iterable[Path]) -> dict[Path, str]:
    """Return a name for each path: its last part, or as many as tell it from the others."""
    each = list(dict.fromkeys(paths))
    names: dict[Path, str] = {}
    for depth in range(1, max((len(path.parts) for path in each), default=0) + 1):
        names = {path: "/".join(path.parts[-depth:]) for path in each}
        if len(set(names.values())) == len(each):
            break
    return names


def on_plate(components: Mapping[str, Value], plate: str) -> dict[str, Value]:
    """Return components with the plate, if they have a well and do not say it themselves."""
    if WELL not in components or PLATE in components:
        return dict(components)
    return {PLATE: plate, **components}


def with_plates(listing: Listing, named: Iterable[Path]) -> Listing:
    """Return what was found under some paths, each plane of a well with its plate.

    A folder that was named is a plate; so is the one that holds all files that were named by
    themselves.

    Parameters
    ----------
    listing : Listing
        Of the files that the paths name or hold, see `coverslip.viewers.parsers.find_files`.
    named : iterable of Path
        What the user named.
    """
    paths = list(named)
    folders = [path for path in paths if path.is_dir()]
    shared = _shared([path for path in paths if path not in folders])
    plates: dict[Path, Path] = {}
    for plane in listing.planes:
        holding = (folder for folder in folders if plane.path.is_relative_to(folder))
        plates[plane.path] = plate_folder(next(holding, shared))
    names = names_apart(plates.values())
    planes = (
        Parsed(plane.path, on_plate(plane.components, names[plates[plane.path]]))
        for plane in listing.planes
    )
    return replace(listing, planes=tuple(planes))


def _shared(files: Iterable[Path]) -> Path:
    """Return the innermost folder that all of the files lie in."""
    parents = [str(as_named(file).parent) for file in files]
    try:
        return Path(os.path.commonpath(parents))
    except ValueError:  # no file, or files of two drives
        return Path(*parents[:1])
