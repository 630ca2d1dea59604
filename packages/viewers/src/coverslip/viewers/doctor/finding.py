"""What a check of the doctor's found: a state, what is there, and what to do about it."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

__all__ = ["Finding", "State", "worst"]


class State(enum.StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARN = "warn"
    """Something works less well, or is not there and need not be."""
    FAIL = "fail"
    """Something that is there does not work, or nothing can without it."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    """In one line."""
    advice: str = ""
    """What to do; empty when all is well."""


def worst(findings: Iterable[Finding]) -> State:
    """Return the state of the worst of them."""
    states = {finding.state for finding in findings}
    return next((state for state in (State.FAIL, State.WARN) if state in states), State.OK)
