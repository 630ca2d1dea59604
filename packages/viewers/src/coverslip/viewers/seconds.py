"""Times to wait, as callers give them."""

from __future__ import annotations

from numbers import Real

__all__ = ["as_seconds"]


def as_seconds(name: str, given: object) -> float:
    """Return a number of seconds.

    Raises
    ------
    TypeError
        It is no number; says which argument it is, and what to give.
    """
    if not isinstance(given, Real):
        raise TypeError(f"{name}={given!r}: give seconds, a number such as 10 or 0.5")
    return float(given)
