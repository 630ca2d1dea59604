"""How a viewer lays planes out and draws them: one configuration a viewer, and what they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

from coverslip.payload import SHORT_NAMES, Display, Mode, check_display
from coverslip.viewers.config.base import Config
from coverslip.viewers.config.colormaps import FijiLUT, NapariColormap
from coverslip.viewers.errors import ConfigError

__all__ = [
    "DisplayConfig",
    "FijiDimensionMode",
    "FijiDisplayConfig",
    "NapariDimensionMode",
    "NapariDisplayConfig",
    "NapariVariableSizeHandling",
    "with_short_names",
]

NapariDimensionMode: TypeAlias = Mode
"""STACK is a slider; SLICE and SEPARATE are a layer for each value."""

FijiDimensionMode: TypeAlias = Mode
"""STACK is a hyperstack's Z or T, SLICE its C, SEPARATE a window for each value."""

HyperstackAxis: TypeAlias = Literal["c", "z", "t"]


class NapariVariableSizeHandling(Enum):
    """What becomes of planes of several sizes that belong to one layer."""

    SEPARATE_LAYERS = "separate_layers"
    """A layer for each size."""
    PAD_TO_MAX = "pad_to_max"
    """One layer: each plane in the corner of the largest."""


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class DisplayConfig(Config):
    """How planes are drawn, in any viewer. What is None, or empty, is the viewer's choice.

    Parameters
    ----------
    contrast_limits : tuple of float, optional
        Values drawn black and brightest, the lower one first.
    opacity : float, optional
        0 to 1.
    blending : str, optional
        Such as ``"additive"``, ``"translucent"``.
    scale : mapping of str to float, optional
        Distance between neighbours along an axis, in `unit`: ``{"z": 2.0, "y": .325, "x": .325}``.
        An axis is ``y``, ``x`` or a component; ``z`` and ``t`` are short for ``z_index`` and
        ``timepoint``.
    unit : str, optional
        Such as ``"um"``.
    """

    contrast_limits: tuple[float, float] | None = None
    opacity: Annotated[float, Meta(ge=0, le=1)] | None = None
    blending: str | None = None
    # A dict has no hash; configurations that differ in it alone merely share theirs.
    scale: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)
    unit: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            # As plain data, so that it is checked as the viewer will check what arrives.
            check_display(msgspec.convert(msgspec.to_builtins(self.display()), Display))
        except ValueError as error:  # msgspec's ValidationError is one
            raise ConfigError(f"{type(self).__name__}: {error}") from None

    def display(self) -> Display:
        """Return how planes are to be drawn, as it travels with them."""
        return Display(
            contrast_limits=self.contrast_limits,
            opacity=self.opacity,
            blending=self.blending,
            scale=with_short_names(self.scale),
            unit=self.unit,
        )


def with_short_names(scale: Mapping[str, float]) -> dict[str, float]:
    """Return a scale that also holds what ``z`` and ``t`` are short for."""
    full = {SHORT_NAMES[axis]: step for axis, step in scale.items() if axis in SHORT_NAMES}
    return {**full, **scale}


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class NapariDisplayConfig(DisplayConfig):
    """How napari lays planes out and draws them.

    Parameters
    ----------
    colormap : NapariColormap, str or None, default NapariColormap.GRAY
        Of every layer; None gives each channel the colour that its name asks for.
    variable_size_handling : NapariVariableSizeHandling, default SEPARATE_LAYERS
        What becomes of planes of several sizes.
    overview : bool, default False
        Show the newest plane of each well beside the picture, from the second well on. The user
        may always switch it.
    well_mode, site_mode, timepoint_mode, channel_mode, z_index_mode : NapariDimensionMode
        How each component is laid out: channels are layers, the rest sliders. A component of
        yours has such a field, too: see `declare_components`.
    contrast_limits, opacity, blending, scale, unit : optional
        See `DisplayConfig`.
    """

    kind: ClassVar[str] = "napari"
    section: ClassVar[str] = "napari"

    colormap: NapariColormap | str | None = NapariColormap.GRAY
    variable_size_handling: NapariVariableSizeHandling = NapariVariableSizeHandling.SEPARATE_LAYERS
    overview: bool = False
    well_mode: NapariDimensionMode = NapariDimensionMode.STACK
    site_mode: NapariDimensionMode = NapariDimensionMode.STACK
    timepoint_mode: NapariDimensionMode = NapariDimensionMode.STACK
    channel_mode: NapariDimensionMode = NapariDimensionMode.SLICE
    z_index_mode: NapariDimensionMode = NapariDimensionMode.STACK

    def display(self) -> Display:
        """Return how planes are to be drawn, as it travels with them."""
        return msgspec.structs.replace(
            super().display(),
            colormap=None if self.colormap is None else str(self.colormap),
            pad=self.variable_size_handling is NapariVariableSizeHandling.PAD_TO_MAX,
            overview=self.overview,
        )


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class FijiDisplayConfig(DisplayConfig):
    """How ImageJ lays planes out and draws them.

    Parameters
    ----------
    lut : FijiLUT, str or None, default FijiLUT.GRAYS
        Of every channel; None gives each channel the colour that its name asks for.
    dimensions : mapping of str to {"c", "z", "t"}, optional
        The axis of the hyperstack that a component goes on, where its mode does not say:
        ``{"cycle": "t"}``. Several on one axis combine, in natural order.
    well_mode, site_mode, timepoint_mode, channel_mode, z_index_mode : FijiDimensionMode
        How each component is laid out: wells and sites are windows, channels the C axis, z
        indices Z, timepoints T.
    contrast_limits, opacity, blending, scale, unit : optional
        See `DisplayConfig`.
    """

    kind: ClassVar[str] = "fiji"
    section: ClassVar[str] = "fiji"

    lut: FijiLUT | str | None = FijiLUT.GRAYS
    dimensions: Mapping[str, HyperstackAxis] = dataclasses.field(default_factory=dict, hash=False)
    well_mode: FijiDimensionMode = FijiDimensionMode.SEPARATE
    site_mode: FijiDimensionMode = FijiDimensionMode.SEPARATE
    timepoint_mode: FijiDimensionMode = FijiDimensionMode.STACK
    channel_mode: FijiDimensionMode = FijiDimensionMode.SLICE
    z_index_mode: FijiDimensionMode = FijiDimensionMode.STACK

    def display(self) -> Display:
        """Return how planes are to be drawn, as it travels with them."""
        return msgspec.structs.replace(
            super().display(),
            colormap=None if self.lut is None else str(self.lut),
            dimensions=dict(self.dimensions),
        )
