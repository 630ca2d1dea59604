"""The user's own convention, written as a format string.

``{well}_s{site:d}_w{channel:d}_z{z_index:d}.tif`` reads what ``str.format`` would write. A pattern
with folders (``t{timepoint:d}/{well}.tif``) is held against as many parts of the path, from its
end; each part must match as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath
from string import Formatter
from typing import ClassVar

from coverslip.payload import Value
from coverslip.viewers.errors import PatternError
from coverslip.viewers.parsers.base import FilenameParser

__all__ = ["PatternParser"]

_EXAMPLE = "{well}_s{site:d}_w{channel:d}_z{z_index:d}.tif"
_INTEGER = re.compile(r"(?:0(?P<width>[0-9]+))?d")


class PatternParser(FilenameParser):
    """Read components as a format string names them.

    Parameters
    ----------
    pattern : str
        Fields are ``{name}`` (text, as short as fits), ``{name:d}`` (an integer), ``{name:03d}``
        (an integer of at least three digits) and ``{name:f}`` (a number with a decimal point);
        ``{}`` skips text. A field that stands twice must read the same twice.

    Raises
    ------
    PatternError
        The pattern names no field, or a field that cannot be read back.
    """

    name: ClassVar[str] = "pattern"

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._depth = pattern.count("/") + 1
        self._convert: dict[str, Callable[[str], Value]] = {}
        try:
            self._expression = re.compile(self._translate(pattern))
        except (re.error, OverflowError) as error:
            raise self._error(str(error)) from error

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        """Return the components, in the pattern's order, or None where it does not match."""
        parts = path.parts[-self._depth :]
        match = self._expression.fullmatch("/".join(parts))
        if match is None:
            return None
        return {name: convert(match[name]) for name, convert in self._convert.items()}

    def _translate(self, pattern: str) -> str:
        """Write the pattern as a regular expression, noting how each field is read."""
        try:
            pieces = list(Formatter().parse(pattern))
        except ValueError as error:
            raise self._error(str(error)) from error
        expression = ""
        for text, field, spec, conversion in pieces:
            expression += re.escape(text)
            if field is None:
                continue
            if conversion:
                raise self._error(f"!{conversion} cannot be read back")
            if not field:
                expression += "[^/]*?"
            elif not field.isidentifier() or field in ("y", "x"):
                raise self._error(f"{field!r} is no component's name")
            elif field in self._convert:
                expression += f"(?P={field})"
            else:
                digits, self._convert[field] = self._reading(field, spec or "")
                expression += f"(?P<{field}>{digits})"
        if not self._convert:
            raise self._error("it names no component")
        return expression

    def _reading(self, field: str, spec: str) -> tuple[str, Callable[[str], Value]]:
        """Return the expression that finds a field, and what makes a value of it."""
        if spec in {"", "s"}:
            return "[^/]+?", str
        if spec == "f":
            return r"-?[0-9]+\.[0-9]+", float
        integer = _INTEGER.fullmatch(spec)
        if integer is None:
            raise self._error(f"{{{field}:{spec}}} is neither text nor {{…:d}}, {{…:03d}}, {{…:f}}")
        return f"-?[0-9]{{{int(integer['width'] or 1)},}}", int

    def _error(self, problem: str) -> PatternError:
        return PatternError(f"pattern {self.pattern!r}: {problem}; write for example {_EXAMPLE!r}")
