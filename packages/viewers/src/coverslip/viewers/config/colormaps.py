"""Colormap names as enumerations: a few that are always there, the rest asked of the viewer.

napari and ImageJ know some hundred names between them, and which they are depends on what is
installed. Importing napari to write ``NapariColormap.GRAY`` would cost a pipeline seconds, so the
members that every napari and every ImageJ has stand here, and the first question that they cannot
answer (another name, `list`, `len`) asks the library. Where it is not installed, those are all the
members; a viewer elsewhere may know more, so a configuration takes any name as text, too.
"""

from __future__ import annotations

import importlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from enum import EnumMeta, StrEnum
from types import MappingProxyType
from typing import Any, Self

__all__ = ["ColormapName", "FijiLUT", "NapariColormap"]

logger = logging.getLogger(__name__)


class _Growing(EnumMeta):
    """The type of an enumeration that grows, once, by what a library offers."""

    def offered(cls) -> Iterable[str]:
        """Return the values that the library has beside those in the source."""
        raise NotImplementedError

    def _known(cls) -> Mapping[str, Any]:
        """Return the members that need no question, by name."""
        grown: Mapping[str, Any] | None = cls.__dict__.get("_grown")
        return super().__members__ if grown is None else grown

    def _all(cls) -> Mapping[str, Any]:
        """Return every member by name; the first call asks the library."""
        if "_grown" not in cls.__dict__:
            members: dict[str, Any] = dict(super().__members__)
            present = {member.value for member in members.values()}
            for value in sorted(set(cls.offered()) - present, key=str.casefold):
                members.setdefault(_name_of(value), _make(cls, value))
            # Past EnumMeta, which lets no member be assigned to.
            type.__setattr__(cls, "_grown", MappingProxyType(members))
        return cls._known()

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_") or name not in cls._all():
            raise AttributeError(f"{cls.__name__} has no member {name!r}")
        return cls._all()[name]

    def __getitem__(cls, name: str) -> Any:
        known = cls._known()
        return known[name] if name in known else cls._all()[name]

    def __contains__(cls, value: object) -> bool:
        known = cls._known().values()
        return any(value == one for one in known) or any(value == one for one in cls)

    def __iter__(cls) -> Iterator[Any]:
        return iter(cls._all().values())

    def __len__(cls) -> int:
        return len(cls._all())

    def __dir__(cls) -> list[str]:
        return [*super().__dir__(), *cls._all()]

    @property
    def __members__(cls) -> MappingProxyType[str, Any]:
        return MappingProxyType(dict(cls._all()))


class ColormapName(StrEnum, metaclass=_Growing):
    """A colormap's name; equal to the text that the viewer knows it by."""

    @classmethod
    def from_text(cls, text: str) -> Self | str:
        """Return the member of that value where that costs no import, else the text itself."""
        return next((one for one in cls._known().values() if one.value == text), text)

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return next((one for one in cls._all().values() if one.value == value), None)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # The process that unpickles it may have no library to ask, and need not load it.
        return _unpickled, (type(self), self.value)


class NapariColormap(ColormapName):
    """The colormaps of napari: these, and all that an installed one has."""

    GRAY = "gray"
    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    CYAN = "cyan"
    MAGENTA = "magenta"
    YELLOW = "yellow"
    BOP_BLUE = "bop blue"
    BOP_ORANGE = "bop orange"
    BOP_PURPLE = "bop purple"
    VIRIDIS = "viridis"
    MAGMA = "magma"
    INFERNO = "inferno"
    PLASMA = "plasma"
    TURBO = "turbo"

    @classmethod
    def offered(cls) -> Iterable[str]:
        """Return the names that napari has; none where it is not installed."""
        return _ask("coverslip.viewers.napari.colormaps", "colormap_names")


class FijiLUT(ColormapName):
    """The lookup tables of ImageJ: these, and all that an installed Fiji has."""

    GRAYS = "Grays"
    FIRE = "Fire"
    ICE = "Ice"
    SPECTRUM = "Spectrum"
    LUT_3_3_2_RGB = "3-3-2 RGB"
    RED = "Red"
    GREEN = "Green"
    BLUE = "Blue"
    CYAN = "Cyan"
    MAGENTA = "Magenta"
    YELLOW = "Yellow"
    RED_GREEN = "Red/Green"

    @classmethod
    def offered(cls) -> Iterable[str]:
        """Return the names that ImageJ itself and a Fiji that is found here have."""
        return _ask("coverslip.viewers.fiji.luts", "lut_names")


def _ask(module: str, question: str) -> Iterable[str]:
    """Call a function that knows a library's names; () where that is not installed."""
    try:
        with warnings.catch_warnings():
            # What a library's own imports are warned of is not the caller's to mend.
            warnings.simplefilter("ignore")
            names: Iterable[str] = getattr(importlib.import_module(module), question)()
    except ImportError as error:
        logger.debug("%s cannot say which names there are: %s", module, error)
        return ()
    return names


def _name_of(value: str) -> str:
    """Return a member's name: capitals, digits and underscores, a letter first."""
    name = re.sub(r"\W+", "_", value).strip("_").upper()
    return name if name[:1].isalpha() else f"LUT_{name}"


def _make(cls: Any, value: str) -> Any:
    member = str.__new__(cls, value)
    member._name_, member._value_ = _name_of(value), value
    return member


def _unpickled(cls: type[ColormapName], value: str) -> ColormapName:
    found = cls.from_text(value)
    made: ColormapName = found if isinstance(found, ColormapName) else _make(cls, value)
    return made
