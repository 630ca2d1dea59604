"""One ImageJ window over one hyperstack: opened once, then only ever updated in place.

ImageJ's own way to give a window other dimensions, `ImagePlus.setStack`, replaces it by a new one
at the first position. Here the window is told its new dimensions first, so that it stays: with its
place, size, zoom, ROI, overlay, contrast and LUTs. All of it runs on the AWT event thread.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any

from coverslip.payload import Coordinates, Display, Value
from coverslip.viewers.fiji.calibration import Ruler
from coverslip.viewers.fiji.channels import ChannelLooks, Limits
from coverslip.viewers.fiji.java import class_of
from coverslip.viewers.fiji.overlay import Outline, WindowOverlay
from coverslip.viewers.fiji.stack import Dimensions, Hyperstack

__all__ = ["HyperstackWindow"]

logger = logging.getLogger(__name__)

_COMPOSITE, _COLOR = 1, 2
"""`CompositeImage` modes: all channels on top of each other, or the one that is chosen."""


class HyperstackWindow:
    """Shows a `Hyperstack`, and keeps every choice of the user's. AWT event thread only.

    Parameters
    ----------
    hyperstack : Hyperstack
        Its planes; at least one was put.
    looks : ChannelLooks
        LUTs and contrast of its channels.
    """

    def __init__(self, hyperstack: Hyperstack, looks: ChannelLooks) -> None:
        self.hyperstack = hyperstack
        self.layer = hyperstack.layer
        self.looks = looks
        self.overlay = WindowOverlay()
        self.ruler = Ruler()
        self._replacement = ""
        hyperstack.settle()
        self._newest: Coordinates = hyperstack.place(0)
        self._left = 0, 0
        """The place looked at and the newest plane's, when last painted: to see a user's move."""
        self._following = True
        self._chosen = False
        """The user has chosen a channel, or changed how one looks: that one stays in view."""
        self._dirty = False
        self.imp = self._image()
        # Never ImagePlus.show(): for a single plane that opens a window without sliders, which
        # cannot grow.
        self.window: Any = class_of("ij.gui.StackWindow")(self.imp)
        # What is opened while a macro is in batch mode passes for its own, and for this thread's
        # current image, which commands of the user's would go to.
        class_of("ij.macro.Interpreter").removeBatchModeImage(self.imp)
        class_of("ij.WindowManager").setTempCurrentImage(None)
        self._bars = _bars(hyperstack.dimensions)

    def _image(self) -> Any:
        dimensions = self.hyperstack.dimensions
        imp = class_of("ij.ImagePlus")(self.layer.name, self.hyperstack.stack)
        imp.setDimensions(*dimensions)
        if self.hyperstack.layout.channels and not self.layer.key.rgb:
            # From the first channel on: a plain image cannot become a composite in place.
            mode = _COMPOSITE if self.hyperstack.layout.overlaid else _COLOR
            imp = class_of("ij.CompositeImage")(imp, mode)
        imp.setOpenAsHyperStack(True)
        imp.changes = False
        return imp

    # ---- planes in --------------------------------------------------------------------

    def put(
        self,
        coordinates: dict[str, Value],
        limits: Limits | None,
        display: Display,
        replace: str = "",
        *,
        late: bool = False,
    ) -> None:
        """Note a plane that the layer has; :meth:`paint` draws it.

        Parameters
        ----------
        coordinates : dict of str to value
            Its value on each axis of the layer.
        limits : tuple of float, or None
            What contrast it asks for.
        display : Display
            What its source asks for.
        replace : str
            Which replacement it belongs to: the first plane of one empties the window.
        late : bool
            Newer ones came before it: the window does not go there.
        """
        stack = self.hyperstack
        if replace and replace != self._replacement:
            self._replacement = replace
            stack.forget()
        stack.put(coordinates)
        place = self.layer.store.key(coordinates)
        if not late:
            self._newest = place
        self.looks.see(stack.channel_of(place), stack.stain_of(place), limits, display)
        self.ruler.see(display, stack.layout)
        self._dirty = True

    def annotate(
        self, key: Hashable, outlines: Sequence[Outline], *, to_manager: bool = False
    ) -> None:
        """Note outlines, which replace those of the same key; :meth:`paint` draws them."""
        self.overlay.put(key, outlines, self.imp, to_manager=to_manager)
        self._dirty = True

    def paint(self) -> None:
        """Bring the window up to date: dimensions, position, contrast, and the plane in view."""
        if not self._dirty:
            return
        self._dirty = False
        shown = self.place
        coordinates = self.hyperstack.place(shown)
        self._following, self._chosen = self._follows(shown)
        # Who works on a channel's contrast has chosen it, without moving a slider.
        self._chosen = self.looks.read(self.imp) or self._chosen
        grown, changed = self.hyperstack.settle()
        if grown:
            self._stretch()
        if self.place in changed:
            # To leave a slice, ImageJ writes what it has drawn back into the stack.
            self._take_pixels()
        looks_new = self.looks.apply(self.imp, self.hyperstack.channels())
        looks_new = self.overlay.apply(self.imp, self.hyperstack.grid) or looks_new
        if self.ruler.apply(self.imp):
            self.imp.repaintWindow()  # its subtitle says how large the image is
        place = self.hyperstack.index(coordinates)
        if self._following:
            place = self._newest_in_view(place)
        if grown or place != self.place:
            # Of a stack that has grown the same place is another position, and so is its slider's.
            self.imp.setPosition(*self.hyperstack.position(place))
        in_view = self._seen_from(place)
        if grown or looks_new or any(self._seen_from(index) == in_view for index in changed):
            self._redraw()
        self._left = place, self.hyperstack.index(self._newest)

    def _follows(self, shown: int) -> tuple[bool, bool]:
        """Return whether the window goes to each new plane, and whether its channel is chosen."""
        place, newest = self._left
        if shown == place:
            return self._following, self._chosen
        # The user moved: whoever goes to the newest plane follows again, as with `tail -f`.
        return self._seen_from(shown) == self._seen_from(newest), shown != newest

    def _newest_in_view(self, place: int) -> int:
        """Return the newest plane's place; the channel that the user has chosen stays chosen."""
        newest = self.hyperstack.index(self._newest)
        if not self._chosen:
            return newest
        channels = self.hyperstack.dimensions.channels
        return newest // channels * channels + place % channels

    def _seen_from(self, place: int) -> int:
        """Return what is drawn when a place is looked at: of a composite, all its channels."""
        return place // (self.hyperstack.dimensions.channels if self._composite else 1)

    def _stretch(self) -> None:
        """Give image and window the stack's dimensions, in place."""
        imp, dimensions, stack = self.imp, self.hyperstack.dimensions, self.hyperstack.stack
        if self._composite and dimensions.channels > _most_channels():
            imp.setMode(_COLOR)
        bars = _bars(dimensions)
        insides = _Insides(self.window)
        if insides.usable:
            insides.set_dimensions(dimensions)
        imp.setStack(stack, *dimensions)
        if imp.getWindow() != self.window:
            logger.info("ImageJ replaced the window of %s", self.layer.name)
            self.window = imp.getWindow()
        elif insides.usable and bars == self._bars:
            insides.lengthen(dimensions)
            insides.rewind()
        elif insides.usable:
            imp.setOpenAsHyperStack(True)
            insides.add_sliders(imp)
            insides.rewind()
        self._bars = bars
        self.looks.forget_applied()

    def _redraw(self) -> None:
        imp = self.imp
        self._take_pixels()
        if self._composite and self.hyperstack.dimensions.channels > 1:
            # It keeps the pixels of each channel in view, which were another array until now.
            imp.reset()
        imp.updateAndDraw()

    def _take_pixels(self) -> None:
        imp = self.imp
        imp.getProcessor().setPixels(imp.getStack().getPixels(imp.getCurrentSlice()))

    # ---- what it is -------------------------------------------------------------------

    @property
    def place(self) -> int:
        """The place (from 0) that is looked at."""
        return int(self.imp.getCurrentSlice()) - 1

    @property
    def _composite(self) -> bool:
        return bool(self.imp.isComposite())

    @property
    def closed(self) -> bool:
        """Whether the user has closed it."""
        window = self.imp.getWindow()
        return window is None or bool(window.isClosed())

    @property
    def theirs(self) -> bool:
        """Whether the user has made another image of it: converted, cropped, with slices deleted.

        Such a window is left to them, and the next plane opens a new one.
        """
        return not self.hyperstack.holds(self.imp)

    def contrast(self) -> Limits | None:
        """Return the display range of the channel in view."""
        if self.layer.key.rgb:
            return None
        return float(self.imp.getDisplayRangeMin()), float(self.imp.getDisplayRangeMax())

    def close(self) -> None:
        """Close it without asking whether to save."""
        self.imp.changes = False
        self.imp.close()


def _bars(dimensions: Dimensions) -> tuple[bool, ...]:
    return tuple(length > 1 for length in dimensions)


def _most_channels() -> int:
    return int(class_of("ij.CompositeImage").MAX_CHANNELS)


class _Insides:
    """What of `ij.gui.StackWindow` is not public: its dimensions and its sliders.

    The one place where ImageJ's own insides are touched. Where a future ImageJ has none of these,
    windows are replaced when they grow, as `ImagePlus.setStack` does.
    """

    FIELDS = ("nChannels", "nSlices", "nFrames")
    SLIDERS = ("cSelector", "zSelector", "tSelector")
    POSITION = ("c", "z", "t")

    def __init__(self, window: Any) -> None:
        self._window = window
        kind = class_of("ij.gui.StackWindow").class_
        try:
            self._fields = [_open(kind.getDeclaredField(name)) for name in self.FIELDS]
            self._sliders = [_open(kind.getDeclaredField(name)) for name in self.SLIDERS]
            self._position = [_open(kind.getDeclaredField(name)) for name in self.POSITION]
            self._add = _open(
                kind.getDeclaredMethod("addScrollbars", class_of("ij.ImagePlus").class_)
            )
            self.usable = True
        except Exception:  # Java's own: no such field, no such method, not accessible
            logger.debug("this ImageJ's windows cannot be stretched", exc_info=True)
            self.usable = False

    def set_dimensions(self, dimensions: Dimensions) -> None:
        """Let the window believe that it was made for these."""
        for field, length in zip(self._fields, dimensions, strict=True):
            field.setInt(self._window, length)

    def lengthen(self, dimensions: Dimensions) -> None:
        """Give the sliders that are there other ends."""
        if not self._window.isHyperStack() and dimensions.channels == 1:
            # Of a stack along one axis, Z or T, the z slider is the only one.
            dimensions = Dimensions(1, dimensions.size, 1)
            self.set_dimensions(dimensions)
        for field, length in zip(self._sliders, dimensions, strict=True):
            slider = field.get(self._window)
            if slider is not None:
                slider.setMaximum(length + 1)

    def rewind(self) -> None:
        """Let the window forget where it stood: its next position moves every slider there.

        It moves those alone whose number differs from the one it remembers, which stood for
        another place before the stack grew.
        """
        for field, slider in zip(self._position, self._sliders, strict=True):
            field.setInt(self._window, 1 if slider.get(self._window) is None else 0)

    def add_sliders(self, imp: Any) -> None:
        """Make the sliders that the image's dimensions need, and room for them."""
        # It adds to what is there, as if the window were new: for a stack along T alone it would
        # make the slider of Z, which stands for both, and that of T.
        self.set_dimensions(Dimensions(1, 1, 1))
        self._add.invoke(self._window, imp)
        self._window.pack()


def _open(member: Any) -> Any:
    member.setAccessible(True)
    return member
