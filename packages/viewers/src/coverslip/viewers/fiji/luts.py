"""ImageJ's lookup tables by name: which there are, and which one a name means.

Importing this starts no Java: `lut_names` is for configurations, `Shelf` for the viewer. A name is
compared by its letters and digits alone: ``GRAYS``, ``Grays`` and ``grays`` are one LUT, and so are
``mpl-viridis`` and ``MPL_VIRIDIS``.
"""

from __future__ import annotations

import colorsys
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from coverslip.viewers.bursts import Burst
from coverslip.viewers.fiji.choice import (
    VARIABLE,
    Bridge,
    ImageJUnavailable,
    installed_fiji,
    look_at,
)
from coverslip.viewers.fiji.java import class_of

__all__ = ["BUILT_IN", "SOLID", "Shelf", "best_name", "lut_files", "lut_names"]

logger = logging.getLogger(__name__)

RGB = tuple[int, int, int]

BUILT_IN: Final = (
    "Grays",
    "Fire",
    "Ice",
    "Spectrum",
    "3-3-2 RGB",
    "Red",
    "Green",
    "Blue",
    "Cyan",
    "Magenta",
    "Yellow",
    "Red/Green",
)
"""What every ImageJ has, as `ij.IJ.getLuts` of 1.54p returns it, grays first."""

SOLID: Final[Mapping[str, RGB]] = {
    # A pure blue is too dark to see a nucleus in.
    "bop blue": (60, 110, 255),
    "bop orange": (249, 173, 42),
    "bop purple": (204, 87, 221),
    "orange": (255, 165, 0),
    "white": (255, 255, 255),
}
"""Names that ImageJ has no LUT for, as the colour that black goes to."""

_SAME_AS: Final = {
    "gray": "Grays",
    "grey": "Grays",
    "hsv": "Spectrum",
    # matplotlib's, under the names that Fiji gives them.
    "viridis": "mpl-viridis",
    "magma": "mpl-magma",
    "inferno": "mpl-inferno",
    "plasma": "mpl-plasma",
}
_FOR_LABELS: Final = ("glasbey on dark", "glasbey")
_GOLDEN: Final = 0.618_033_988_75
_SATURATIONS: Final = (0.9, 0.6, 0.75)
_TOLD: Final = 16
"""Names of LUTs that there are not, of which clients are told: the newest."""
_HEX = re.compile(r"#([0-9a-fA-F]{6})")


def lut_names(folder: Path | None = None) -> tuple[str, ...]:
    """Return the names of the LUTs that an ImageJ offers, without starting it.

    Parameters
    ----------
    folder : Path or None
        A Fiji or ImageJ folder; None takes the one that ``COVERSLIP_FIJI`` names, else the Fiji
        that is installed, else none.

    Returns
    -------
    tuple of str
        `BUILT_IN`, then those of the folder's ``luts``, as ImageJ's menu calls them.
    """
    found = _home() if folder is None else folder
    files = () if found is None else lut_files(found / "luts")
    return (*BUILT_IN, *files)


def lut_files(folder: Path) -> dict[str, Path]:
    """Return the LUT files of a folder by the name that ImageJ's menu gives them, in order."""
    files = sorted(folder.glob("*.lut"), key=lambda file: file.name.casefold())
    return {file.stem.replace("_", " "): file for file in files}


def best_name(name: str, offered: Iterable[str]) -> str | None:
    """Return which of the offered LUTs a name means: ImageJ's, or napari's for the like of it.

    Parameters
    ----------
    name : str
        In any case, with any punctuation.
    offered : iterable of str
        What there is.

    Returns
    -------
    str or None
        One of `offered`; None when none is meant.
    """
    known = {_bare(one): one for one in offered}
    return known.get(_bare(name)) or known.get(_bare(_SAME_AS.get(name.casefold(), "")))


class Shelf:
    """The LUTs of the ImageJ that runs, each made once. AWT event thread only.

    Parameters
    ----------
    tell : callable
        Told of each name that none of them has, once.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        folder = class_of("ij.IJ").getDirectory("luts")
        self._files = {} if folder is None else lut_files(Path(str(folder)))
        self._found: dict[str, Any] = {}
        self._missing: list[str] = []
        self._unknown = Burst(
            logger, f"time(s) a LUT was asked for that is none of {', '.join(self.names)}"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Return what there is."""
        return (*BUILT_IN, *self._files)

    def find(self, name: str) -> Any | None:
        """Return a LUT of its own by name or ``#rrggbb``; None, counted and warned of, if none is.

        Its range is not set.
        """
        if name not in self._found:
            self._found[name] = self._load(name)
            if self._found[name] is None:
                self._missing = [*self._missing, repr(name)][-_TOLD:]
                self._tell(f"this ImageJ has no LUT {', '.join(self._missing)}")
        lut = self._found[name]
        if lut is None:
            self._unknown.count(repr(name))
            return None
        return lut.clone()

    def labels(self) -> Any:
        """Return a LUT for label images: black, then 255 colours whose neighbours differ."""
        for name in _FOR_LABELS:
            if best_name(name, self._files) is not None:
                return self.find(name)
        colors = [(0, 0, 0), *(_distinct(number) for number in range(1, 256))]
        return class_of("ij.process.LUT")(*(bytes(column) for column in zip(*colors, strict=True)))

    def _load(self, name: str) -> Any | None:
        if hexadecimal := _HEX.fullmatch(name):
            return shade(*bytes.fromhex(hexadecimal[1]))
        best = best_name(name, self.names)
        if best in self._files:
            # "noerror:", or a file that is no LUT would be a dialog that waits for somebody.
            return class_of("ij.plugin.LutLoader").openLut(f"noerror:{self._files[best]}")
        if best is not None:
            model = class_of("ij.plugin.LutLoader").getLut(best.lower())
            return None if model is None else class_of("ij.process.LUT")(model, 0.0, 255.0)
        solid = {_bare(one): color for one, color in SOLID.items()}.get(_bare(name))
        return None if solid is None else shade(*solid)


def shade(red: int, green: int, blue: int) -> Any:
    """Return a new LUT that goes from black to a colour (0 to 255 each)."""
    return class_of("ij.process.LUT").createLutFromColor(
        class_of("java.awt.Color")(red, green, blue)
    )


def _distinct(number: int) -> RGB:
    hue = number * _GOLDEN % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, _SATURATIONS[number % 3], 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.casefold())


def _home() -> Path | None:
    """Return the folder of the ImageJ that a viewer would take, if that has one."""
    named = os.environ.get(VARIABLE)
    if not named:
        return installed_fiji()
    try:
        choice = look_at(named, "")
    except (ImageJUnavailable, ImportError):
        return None  # the viewer that is started says why
    folder = Path(choice.what)
    if choice.kind is Bridge.SCYJAVA:
        folder = folder.parent
    return folder if folder.is_dir() else None
