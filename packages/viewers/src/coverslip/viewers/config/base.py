"""What every configuration is: frozen fields that are checked as they are set, and mode fields.

A field whose name ends in ``_mode`` says how the component before it is laid out, whoever declared
it: a subclass's ``plate_mode`` counts as ours do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from coverslip.payload import Mode
from coverslip.viewers.config.fields import MODE_SUFFIX, check_value, config_fields, default_of

__all__ = ["Config"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Config:
    """Settings that cannot be changed. Text stands for the member of an enumeration.

    Raises
    ------
    ConfigError
        A field is of another type, or out of its range.
    """

    kind: ClassVar[str] = ""
    """The viewer that it is for, as `connect` calls it; empty for any."""

    section: ClassVar[str] = "streaming"
    """Where its fields stand in ``coverslip.toml``, and after ``COVERSLIP_`` in variables."""

    limits: ClassVar[Mapping[str, Callable[[Any], object]]] = {}
    """What a field's type cannot say: raises ValueError for what the field does not take."""

    def __post_init__(self) -> None:
        for name in config_fields(type(self)):
            # The way in which a frozen dataclass sets its own fields.
            object.__setattr__(self, name, check_value(type(self), name, getattr(self, name)))

    def __repr__(self) -> str:
        differing = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != default_of(field)
        )
        return f"{type(self).__qualname__}({', '.join(differing)})"

    def modes(self) -> dict[str, str]:
        """Return the component modes as they travel: ``{"channel": "slice", …}``."""
        return {
            name.removesuffix(MODE_SUFFIX): Mode(getattr(self, name)).value
            for name in config_fields(type(self))
            if name.endswith(MODE_SUFFIX)
        }

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields set; what a Lazy one leaves unset stays unset."""
        return dataclasses.replace(self, **changes)
