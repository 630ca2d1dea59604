"""Numbers as people read them, in windows and at a terminal."""

from __future__ import annotations

__all__ = [
    "format_binary_size",
    "format_count",
    "format_duration",
    "format_rate",
    "format_size",
    "plural",
]

_UNITS = ("B", "kB", "MB", "GB")


def format_size(nbytes: float) -> str:
    """Return a number of bytes in three digits: ``"1.2 GB"``."""
    size = float(nbytes)
    for unit in _UNITS:
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def format_binary_size(nbytes: int) -> str:
    """Return a number of bytes in three digits, as budgets are given: ``"18.6 GiB"``."""
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.4g} GiB"


def format_count(count: int) -> str:
    """Return a number with thin spaces between its thousands."""
    return f"{count:,}".replace(",", "\u2009")


def format_duration(seconds: float) -> str:
    """Return a time in its two largest units: ``"3 h 12 min"``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def format_rate(rate: float) -> str:
    """Return planes a second; empty for none."""
    if rate <= 0:
        return ""
    return f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def plural(count: int, one: str, many: str = "") -> str:
    """Return a number of things: ``"1 file"``, ``"2 files"``; `many` where an s does not do."""
    return f"{format_count(count)} {one if count == 1 else many or f'{one}s'}"
