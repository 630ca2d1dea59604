"""How one viewer is asked to lay out and draw what a view sends it.

A view's configuration gives each of its viewers a `Look`; what a single call says wins over it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from coverslip.payload import CANONICAL_ORDER, Display, Mode, Source, UnsupportedArray, as_source
from coverslip.viewers.config.base import Config
from coverslip.viewers.config.display import DisplayConfig, with_short_names
from coverslip.viewers.config.streaming import Keep, StreamingConfig
from coverslip.viewers.errors import ConfigError

__all__ = ["Look", "Spelling", "WORDS", "as_keep", "as_words"]

logger = logging.getLogger(__name__)

WORDS: Final = (
    "colormap",
    "contrast_limits",
    "opacity",
    "blending",
    "scale",
    "unit",
    "roi_manager",
)
"""The display settings that a call may give."""


_MEANT: Final = {
    "lut": "colormap",
    "cmap": "colormap",
    "clim": "contrast_limits",
}
"""Words that people use for ours, which would become components of their own."""


class Look(NamedTuple):
    """Component modes and display settings, as they travel with every plane."""

    modes: Mapping[str, str]
    display: Display
    keep: int = 0
    """How many planes of each layer are kept, the newest; 0 keeps all."""

    @classmethod
    def of(
        cls,
        config: Config | None,
        modes: Mapping[str, Mode | str],
        keep: Keep | None = None,
    ) -> Look:
        """Return what a configuration asks for; `modes` and `keep` win over its fields.

        Raises
        ------
        ConfigError
            A mode is unknown, or they are no mapping.
        ValueError
            `keep` is no number of planes.
        """
        if not isinstance(modes, Mapping):
            raise ConfigError(f'modes={modes!r}: give each component its own, {{"well": "slice"}}')
        own = {} if config is None else config.modes()
        display = config.display() if isinstance(config, DisplayConfig) else Display()
        if keep is None:
            keep = config.keep if isinstance(config, StreamingConfig) else "all"
        chosen = own | {str(name): _mode(name, mode) for name, mode in modes.items()}
        return cls(chosen, display, as_keep(keep))

    def source(
        self,
        *,
        name: str | None,
        step_name: str | None,
        step_index: int | None,
        words: Mapping[str, Any],
        replace: str,
    ) -> Source:
        """Return what planes say of themselves and ask this viewer for.

        Parameters
        ----------
        name, step_name, step_index : optional
            As for `View.show`.
        words : mapping
            Display settings of the call's own, from `as_words`.
        replace : str
            What the planes of one replacement share; empty where nothing is replaced.

        Raises
        ------
        coverslip.payload.UnsupportedArray
            One of them cannot be sent.
        """
        return as_source(
            name=name,
            step_name=step_name,
            step_index=step_index,
            modes=self.modes,
            display=self.with_words(words),
            replace=replace,
            keep=self.keep,
        )

    def with_words(self, words: Mapping[str, Any]) -> Display:
        """Return the display settings with a call's own in their place."""
        if "scale" in words:
            words = {**words, "scale": {**self.display.scale, **words["scale"]}}
        return msgspec.structs.replace(self.display, **words)


def _mode(name: str, mode: Mode | str) -> str:
    try:
        return Mode(mode.casefold() if isinstance(mode, str) else mode).value
    except ValueError:
        known = ", ".join(repr(one.value) for one in Mode)
        raise ConfigError(f"modes: {name}={mode!r}; there are: {known}") from None


def as_keep(keep: Keep) -> int:
    """Return how many planes of each layer are kept, as it travels: 0 for ``"all"``.

    Raises
    ------
    ValueError
        It is none of ``"all"``, ``"latest"`` and a number from 1 on.
    """
    number: object = keep
    if number in ("all", "latest"):
        return int(number == "latest")
    if type(number) is int and 1 <= number < 2**31:
        return number
    raise ValueError(f'keep={keep!r}: give "all", "latest" or how many planes, from 1 on')


def as_words(
    *,
    colormap: str | None = None,
    contrast_limits: tuple[float, float] | None = None,
    opacity: float | None = None,
    blending: str | None = None,
    scale: Mapping[str, float] | None = None,
    unit: str | None = None,
    roi_manager: bool | None = None,
) -> dict[str, Any]:
    """Return the display settings that a call gives, as plain values.

    Raises
    ------
    coverslip.payload.UnsupportedArray
        One is not of its kind.
    """
    try:
        return _words(colormap, contrast_limits, opacity, blending, scale, unit, roi_manager)
    except (TypeError, ValueError) as error:
        raise UnsupportedArray(f"a display setting: {error}") from None


def _words(
    colormap: str | None,
    contrast_limits: tuple[float, float] | None,
    opacity: float | None,
    blending: str | None,
    scale: Mapping[str, float] | None,
    unit: str | None,
    roi_manager: bool | None,
) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if colormap is not None:
        words["colormap"] = str(colormap)
    if contrast_limits is not None:
        try:
            low, high = contrast_limits
        except (TypeError, ValueError):
            raise ValueError(
                f"contrast_limits={contrast_limits!r}: give two numbers, the lower first"
            ) from None
        words["contrast_limits"] = (
            _number("contrast_limits", low),
            _number("contrast_limits", high),
        )
    if opacity is not None:
        words["opacity"] = _number("opacity", opacity)
        if not 0 <= words["opacity"] <= 1:
            raise ValueError(f"opacity={opacity!r}: from 0 to 1")
    if blending is not None:
        words["blending"] = str(blending)
    if scale is not None:
        if not isinstance(scale, Mapping):
            raise TypeError(
                f"scale={scale!r}: give the distance on each axis, as in "
                '{"y": 0.325, "x": 0.325, "z_index": 2.0}'
            )
        steps = {str(axis): _number(f"scale of {axis!r}", step) for axis, step in scale.items()}
        if bad := [axis for axis, step in steps.items() if not 0 < step < math.inf]:
            raise ValueError(f"scale of {bad[0]!r} is {steps[bad[0]]}: a distance is above 0")
        words["scale"] = with_short_names(steps)
    if unit is not None:
        words["unit"] = str(unit)
    if roi_manager is not None:
        words["roi_manager"] = bool(roi_manager)
    return words


def _number(setting: str, given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{setting}: {given!r} is no number") from None


class Spelling:
    """Notices component names that look like a slip of the pen; warns once of each.

    Any name is a component, so ``chanel="DAPI"`` is none that could be refused.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known) | set(CANONICAL_ORDER) | set(WORDS)
        self._met = set(self._known)

    def check(self, components: Mapping[str, Any]) -> None:
        """Look at the names of a call's components."""
        for name in components.keys() - self._met:
            self._met.add(name)
            meant = _MEANT.get(name) or next(
                (known for known in sorted(self._known) if _one_edit(name, known)), None
            )
            if meant is not None:
                logger.warning("%r is shown as a component of its own: is %r meant?", name, meant)


def _one_edit(one: str, other: str) -> bool:
    """Tell whether one character added, lost, changed or swapped makes a word of the other."""
    if min(len(one), len(other)) < 3 or abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    a, b = one[start:], other[start:]
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return swapped or a[1:] == b[1:] or a[1:] == b or a == b[1:]
