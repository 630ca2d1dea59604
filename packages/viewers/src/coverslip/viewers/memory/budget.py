"""How much memory a viewer may take, as people write it, and how much its process takes now."""

from __future__ import annotations

import argparse
import re
from typing import Final

import psutil

from coverslip.viewers.errors import ConfigError

__all__ = [
    "SMALLEST",
    "default_budget",
    "parse_size",
    "resident_bytes",
    "size_argument",
    "size_setting",
]

_DEFAULT: Final = 4 << 30

SMALLEST: Final = 64 << 20
"""Below this there is not even room for the planes that are in view."""

_LARGEST: Final = 1 << 50
"""More than any machine has: a slip of the pen."""

_UNITS: Final = {
    unit: factor
    for power, prefix in enumerate(("", "k", "m", "g", "t"))
    for unit, factor in (
        (prefix, 1024**power),
        (f"{prefix}b", 1000**power),
        (f"{prefix}ib", 1024**power),
    )
}
_SIZE: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def default_budget() -> int:
    """Return the bytes that a viewer may take: 4 GiB, or half of what is free if that is less."""
    return max(SMALLEST, min(_DEFAULT, psutil.virtual_memory().available // 2))


def parse_size(text: str | int) -> int:
    """Return a number of bytes from ``"4GiB"``, ``"500 MB"``, ``"2.5G"`` or a plain number.

    ``MB`` is a million bytes, ``MiB`` and ``M`` are 1024 * 1024.

    Raises
    ------
    ValueError
        It is none of these, less than 64 MiB, or more than 1024 TiB.
    """
    match = _SIZE.fullmatch(str(text))
    unit = None if match is None else _UNITS.get(match[2].lower())
    if match is None or unit is None:
        raise ValueError(f"{text!r} is no size: write it as 4GiB, 500MB or a number of bytes")
    size = float(match[1]) * unit
    if size > _LARGEST:
        raise ValueError(f"{text!r} is more than any machine has")
    if size < SMALLEST:
        raise ValueError(f"{text!r} is less than {SMALLEST >> 20} MiB, the least that is taken")
    return int(size)


def size_argument(text: str) -> int:
    """Do as `parse_size`, for `argparse`, which keeps only this error's message."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def size_setting(name: str, size: str | int) -> int:
    """Do as `parse_size`, for a setting of that name: raises ConfigError."""
    try:
        return parse_size(size)
    except ValueError as error:
        raise ConfigError(f"{name}={error}") from None


_process = psutil.Process()


def resident_bytes() -> int:
    """Return the memory that this process takes now: its own, and what it has mapped of others'."""
    return int(_process.memory_info().rss)
