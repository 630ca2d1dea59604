"""How each channel of a window looks: its LUT, and a contrast that is the user's once touched."""

from __future__ import annotations

from typing import Any

from coverslip.payload import Value
from coverslip.viewers.colors import ChannelColors
from coverslip.viewers.contrast import widen
from coverslip.viewers.fiji.java import class_of

__all__ = ["ChannelLooks", "Limits"]

Limits = tuple[float, float]
Channel = tuple[Value, ...]

_RGB = {
    "gray": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    # A pure blue is too dark to see a nucleus in.
    "bop blue": (60, 110, 255),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
}


class ChannelLooks:
    """LUT and display range of each channel of one window. AWT event thread only.

    ImageJ keeps them by a channel's number; here they go with its value, so that a channel that
    comes between two others takes nothing from them.

    Parameters
    ----------
    colors
        What colour a channel has, for all windows.
    rgb
        The planes are colour: there is nothing to look after.
    """

    def __init__(self, colors: ChannelColors, *, rgb: bool) -> None:
        self._colors = colors
        self._rgb = rgb
        self._limits: dict[Channel, Limits | None] = {}
        self._applied: dict[Channel, Limits] = {}
        self._touched: set[Channel] = set()
        self._luts: dict[Channel, Any] = {}
        self._order: list[Channel] = []
        self._current = False
        """ImageJ has the LUTs as they are here."""

    def see(self, channel: Channel, limits: Limits | None) -> None:
        """Note what contrast a new plane asks for."""
        if channel not in self._touched:
            before = self._limits.get(channel)
            self._limits[channel] = widen(before, limits)
            self._current = self._current and self._limits[channel] == before

    def read(self, imp: Any) -> None:
        """Take over what the user has made of LUTs and contrast."""
        if self._rgb:
            return
        for channel, lut in zip(self._order, _luts_of(imp), strict=False):
            self._luts[channel] = lut
            now = float(lut.min), float(lut.max)
            if channel in self._applied and now != self._applied[channel]:
                self._touched.add(channel)

    def forget_applied(self) -> None:
        """ImageJ has made its LUTs anew, or may have: the next `apply` sets them all."""
        self._current = False

    def apply(self, imp: Any, channels: list[Channel]) -> None:
        """Give each channel its LUT and contrast, the user's where there is one."""
        if self._rgb or (self._current and channels == self._order):
            return
        luts = [self._lut(channel, imp) for channel in channels]
        _set_luts(imp, luts)
        for channel, lut in zip(channels, _luts_of(imp), strict=True):
            if channel not in self._touched:
                # As ImageJ holds it: it rounds a display range to what its LUT can tell apart.
                self._applied[channel] = float(lut.min), float(lut.max)
        self._order, self._current = channels, True

    def _lut(self, channel: Channel, imp: Any) -> Any:
        lut = self._luts.get(channel)
        if lut is None:
            color = self._colors.color(channel[0]) if channel else "gray"
            lut = class_of("ij.process.LUT").createLutFromColor(
                class_of("java.awt.Color")(*_RGB[color])
            )
            self._luts[channel] = lut
        if channel not in self._touched:
            lut.min, lut.max = self._limits.get(channel) or _provisional(imp)
        return lut


def _provisional(imp: Any) -> Limits:
    """Return a display range for a channel whose planes are all of one value so far."""
    return (0.0, 1.0) if imp.getBitDepth() == 32 else (0.0, 255.0)


def _luts_of(imp: Any) -> list[Any]:
    if imp.isComposite():
        return list(imp.getLuts())
    lut = imp.getProcessor().getLut().clone()
    lut.min, lut.max = imp.getDisplayRangeMin(), imp.getDisplayRangeMax()
    return [lut]


def _set_luts(imp: Any, luts: list[Any]) -> None:
    if imp.isComposite() and len(luts) > 1:
        kind: Any = class_of("ij.process.LUT")[:]
        imp.setLuts(kind(luts))
        return
    (lut,) = luts
    if imp.isComposite():
        imp.setChannelLut(lut, 1)
    imp.getProcessor().setLut(lut)
    imp.setDisplayRange(lut.min, lut.max)
