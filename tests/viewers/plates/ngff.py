"""Small OME-Zarr plates and images of 0.4 and 0.5, written by the letter of the specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

AXES: dict[str, dict[str, str]] = {
    "t": {"name": "t", "type": "time", "unit": "second"},
    "c": {"name": "c", "type": "channel"},
    "z": {"name": "z", "type": "space", "unit": "micrometer"},
    "y": {"name": "y", "type": "space", "unit": "micrometer"},
    "x": {"name": "x", "type": "space", "unit": "micrometer"},
}
SCALE = {"t": 1.0, "c": 1.0, "z": 2.0, "y": 0.325, "x": 0.325}


def group_at(root: Any, path: str, version: str, **metadata: Any) -> Any:
    """Make a group and write its metadata where the release has them."""
    group = root.require_group(path) if path else root
    if version == "0.5":
        group.attrs["ome"] = {"version": version, **metadata}
    else:
        for key, value in metadata.items():
            if key in {"plate", "well"}:
                group.attrs[key] = {"version": version, **value}
            elif key == "multiscales":
                group.attrs[key] = [{"version": version, **each} for each in value]
            else:
                group.attrs[key] = value
    return group


def open_root(path: Path, version: str) -> Any:
    import zarr

    return zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)


def write_image(
    root: Any,
    path: str,
    pixels: NDArray[Any],
    axes: str,
    version: str,
    *,
    channels: Sequence[str] = (),
    levels: int = 2,
    chunks: tuple[int, ...] | None = None,
    **options: Any,
) -> Any:
    """Write an image and its levels, each every second pixel of the one before."""
    datasets = []
    for level in range(levels):
        factor = 2**level
        step = [SCALE[axis] * (factor if axis in "yx" else 1) for axis in axes]
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [{"type": "scale", "scale": step}],
            }
        )
    metadata: dict[str, Any] = {
        "multiscales": [{"axes": [AXES[axis] for axis in axes], "datasets": datasets}]
    }
    if channels:
        # As many writers do, without the colours and windows that the specification asks for.
        metadata["omero"] = {"channels": [{"label": label} for label in channels]}
    image = group_at(root, path, version, **metadata)
    for level in range(levels):
        data = np.ascontiguousarray(pixels[..., :: 2**level, :: 2**level])
        image.create_array(
            str(level), data=data, chunks=chunks or (1,) * (data.ndim - 2) + (16, 24), **options
        )
    return image


def write_plate(
    path: Path,
    fields: Mapping[tuple[str, str], Sequence[NDArray[Any]]],
    axes: str,
    version: str,
    **options: Any,
) -> None:
    """Write a plate: for each (row, column), its fields of view."""
    root = open_root(path, version)
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*fields, strict=True))
    wells = [
        {
            "path": f"{row}/{column}",
            "rowIndex": rows.index(row),
            "columnIndex": columns.index(column),
        }
        for row, column in fields
    ]
    group_at(
        root,
        "",
        version,
        plate={
            "name": "small",
            "rows": [{"name": name} for name in rows],
            "columns": [{"name": name} for name in columns],
            "wells": wells,
        },
    )
    for (row, column), images in fields.items():
        numbers = range(len(images))
        well = {"images": [{"path": str(number)} for number in numbers]}
        group_at(root, f"{row}/{column}", version, well=well)
        for number, pixels in zip(numbers, images, strict=True):
            write_image(root, f"{row}/{column}/{number}", pixels, axes, version, **options)
