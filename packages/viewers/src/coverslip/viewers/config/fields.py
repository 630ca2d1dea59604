"""A configuration's fields: which there are, and what each takes.

Values come from Python, from a file and from environment variables; all go through `check_value`,
so that a wrong one is refused where it was written and in the same words.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import operator
import tomllib
from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, get_args, get_type_hints

import msgspec
import numpy as np

from coverslip.viewers.config.colormaps import ColormapName
from coverslip.viewers.errors import ConfigError

__all__ = [
    "MODE_SUFFIX",
    "Port",
    "check_value",
    "config_fields",
    "default_of",
    "did_you_mean",
    "parse_text",
]

MODE_SUFFIX: Final = "_mode"

Port: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=64_535)]
"""A data port; its control port lies 1000 above."""


class _Field(NamedTuple):
    wanted: Any
    """The type, as msgspec checks it."""
    names: type[ColormapName] | None
    """The enumeration whose members stand for text here; msgspec cannot tell it from text."""


def config_fields(config: type) -> Mapping[str, _Field]:
    """Return the fields of a configuration class, in order."""
    return _fields(config)


@functools.lru_cache(maxsize=256)
def _fields(config: type) -> Mapping[str, _Field]:
    hints = _hints(config)
    return MappingProxyType(
        {field.name: _field(hints[field.name]) for field in dataclasses.fields(config)}
    )


def _hints(config: type) -> dict[str, Any]:
    try:
        return get_type_hints(config, include_extras=True)
    except NameError:
        # Defined within a function, with names that only that knows: what its bases say holds.
        known: dict[str, Any] = dict.fromkeys(config.__annotations__, Any)
        for base in reversed(config.__bases__):
            known |= _hints(base)
        return known


def _field(hint: Any) -> _Field:
    choices = get_args(hint)
    names = [one for one in choices if isinstance(one, type) and issubclass(one, ColormapName)]
    if not names:
        return _Field(hint, None)
    others = (one for one in choices if one not in names)
    return _Field(functools.reduce(operator.or_, others), names[0])


def check_value(config: type, name: str, value: object, *, strict: bool = True) -> Any:
    """Return a field's value as its own type: ``"stack"`` becomes ``Mode.STACK``.

    Parameters
    ----------
    config : type of Config
        The configuration that the field is of.
    name : str
        The field.
    value : object
        What somebody gave for it.
    strict : bool, default True
        Whether ``"5555"`` is no number.

    Raises
    ------
    ConfigError
        There is no such field, or it does not take that value; the message says what it takes.
    """
    known = config_fields(config)
    if name not in known:
        raise ConfigError(f"{config.__name__} has no field {name!r}{did_you_mean(name, known)}")
    field = known[name]
    plain = _plain(value)
    if isinstance(plain, str) and name.endswith(MODE_SUFFIX):
        plain = plain.casefold()
    elif isinstance(plain, str) and isinstance(field.wanted, type):
        plain = _member_of(field.wanted, plain)
    try:
        checked = msgspec.convert(plain, field.wanted, strict=strict)
    except msgspec.ValidationError as error:
        hint = ""
        if isinstance(field.wanted, type) and issubclass(field.wanted, Enum):
            hint = f"; there are: {', '.join(str(one.value) for one in field.wanted)}"
        raise ConfigError(f"{config.__name__}: {name}={value!r}: {error}{hint}") from None
    limit = getattr(config, "limits", {}).get(name)
    if limit is not None:
        try:
            limit(checked)
        except ValueError as error:
            raise ConfigError(f"{config.__name__}: {name}={value!r}: {error}") from None
    if field.names is not None and isinstance(checked, str):
        return field.names.from_text(checked)
    return checked


def parse_text(config: type, name: str, text: str) -> Any:
    """Return a field's value from text: plain, or as it would stand in a TOML file.

    Raises
    ------
    ConfigError
        As `check_value`.
    """
    try:
        return check_value(config, name, text, strict=False)
    except ConfigError as plain:
        try:
            table = tomllib.loads(f"value = {text}")
        except tomllib.TOMLDecodeError:
            raise plain from None
        return check_value(config, name, table["value"])


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default; `dataclasses.MISSING` where it has none."""
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for an error about a name that is not among those known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"


def _member_of(wanted: type, text: str) -> str:
    """Return the value of the member that is called so, in whatever case; else the text itself."""
    if not issubclass(wanted, Enum):
        return text
    spelt = text.casefold()
    values = [str(one.value) for one in wanted if spelt in {one.name.casefold(), one.value}]
    return values[0] if values and text not in {one.value for one in wanted} else text


def _plain(value: Any) -> Any:
    """Return a value without the types that msgspec does not know: members, numpy's scalars."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return tuple(_plain(one) for one in value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    return value
