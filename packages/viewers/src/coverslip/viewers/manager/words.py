"""Numbers as people read them in a table."""

from __future__ import annotations

__all__ = ["bytes_words", "count_words", "duration_words", "rate_words"]

_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def bytes_words(count: int) -> str:
    """Return an amount of memory in three digits: ``1.25 GB``."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.3g} {_UNITS[unit]}"


def count_words(count: int) -> str:
    """Return a number with thin spaces between its thousands."""
    return f"{count:,}".replace(",", "\u2009")


def duration_words(seconds: float) -> str:
    """Return a time in its two largest units: ``3 h 12 min``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def rate_words(rate: float) -> str:
    """Return planes a second; empty for none."""
    if rate <= 0:
        return ""
    return f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
