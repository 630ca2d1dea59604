"""How each channel of a window looks: its LUT and its contrast, each the user's once touched."""

from __future__ import annotations

from typing import Any

from coverslip.payload import Display, Value
from coverslip.viewers.colors import ChannelColors
from coverslip.viewers.contrast import widen
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.luts import Shelf

__all__ = ["ChannelLooks", "Limits"]

Limits = tuple[float, float]
Channel = tuple[Value, ...]


class ChannelLooks:
    """LUT and display range of each channel of one window. AWT event thread only.

    ImageJ keeps them by a channel's number; here they go with its value, so that a channel that
    comes between two others takes nothing from them.

    Parameters
    ----------
    colors : ChannelColors
        What colour a channel has by its name, for all windows.
    shelf : Shelf
        The LUTs that there are.
    rgb : bool
        The planes are colour: there is nothing to look after.
    labels : bool
        The planes are label images.
    """

    def __init__(
        self, colors: ChannelColors, shelf: Shelf, *, rgb: bool, labels: bool = False
    ) -> None:
        self._colors = colors
        self._shelf = shelf
        self._rgb = rgb
        self._labels = labels
        self._stains: dict[Channel, Value | None] = {}
        self._asked: dict[Channel, str] = {}
        """The LUT that a channel's planes asked for by name."""
        self._fixed: set[Channel] = set()
        """Channels whose planes asked for a contrast: it does not widen."""
        self._limits: dict[Channel, Limits | None] = {}
        self._applied: dict[Channel, Limits] = {}
        self._touched: set[Channel] = set()
        self._luts: dict[Channel, Any] = {}
        self._painted: dict[Channel, bytes] = {}
        """The colours that each channel was given, to see that a user has chosen others."""
        self._repainted: set[Channel] = set()
        self._order: list[Channel] = []
        self._current = False
        """ImageJ has the LUTs as they are here."""

    def see(
        self, channel: Channel, stain: Value | None, limits: Limits | None, display: Display
    ) -> None:
        """Note what a new plane asks for.

        Parameters
        ----------
        channel : tuple of value
            Its values on the C axis.
        stain : value or None
            The one of them that says which colour it has; None for gray.
        limits : tuple of float, or None
            The contrast that it asks for, or that its pixels do.
        display : Display
            What its source asks for.
        """
        self._stains.setdefault(channel, stain)
        name = display.colormap
        if name is not None and name != self._asked.get(channel):
            self._asked[channel] = name
            if channel not in self._repainted:
                self._luts.pop(channel, None)
                self._current = False
        if channel in self._touched:
            return
        before = self._limits.get(channel)
        if display.contrast_limits is not None:
            self._fixed.add(channel)
            self._limits[channel] = display.contrast_limits
        elif channel not in self._fixed:
            self._limits[channel] = widen(before, limits)
        self._current = self._current and self._limits.get(channel) == before

    def read(self, imp: Any) -> bool:
        """Take over what the user has made of LUTs and contrast; return whether that is new."""
        if self._rgb:
            return False
        touched = False
        for channel, lut in zip(self._order, _luts_of(imp), strict=False):
            now = float(lut.min), float(lut.max)
            if now != self._applied[channel]:
                touched = True
                self._touched.add(channel)
                self._limits[channel] = self._applied[channel] = now
            colors = bytes(lut.getBytes())
            if colors != self._painted[channel]:
                touched = True
                self._repainted.add(channel)
                self._luts[channel], self._painted[channel] = lut, colors
        return touched

    def forget_applied(self) -> None:
        """ImageJ has made its LUTs anew, or may have: the next `apply` sets them all."""
        self._current = False

    def apply(self, imp: Any, channels: list[Channel]) -> bool:
        """Give each channel its LUT and contrast, the user's where there is one.

        Returns
        -------
        bool
            Whether the image looks different now.
        """
        if self._rgb or (self._current and channels == self._order):
            return False
        luts = [self._lut(channel, imp) for channel in channels]
        _set_luts(imp, luts)
        for channel, lut in zip(channels, _luts_of(imp), strict=True):
            # As ImageJ holds it: it rounds a display range to what its LUT can tell apart.
            self._applied[channel] = float(lut.min), float(lut.max)
            self._painted[channel] = bytes(lut.getBytes())
        self._order, self._current = channels, True
        return True

    def _lut(self, channel: Channel, imp: Any) -> Any:
        lut = self._luts.get(channel)
        if lut is None:
            lut = self._luts[channel] = self._new_lut(channel)
        lut.min, lut.max = self._limits.get(channel) or _provisional(imp)
        return lut

    def _new_lut(self, channel: Channel) -> Any:
        name = self._asked.get(channel)
        asked = None if name is None else self._shelf.find(name)
        if asked is not None:
            return asked
        if self._labels:
            return self._shelf.labels()
        return self._shelf.find(self._colors.color(self._stains.get(channel)))


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
