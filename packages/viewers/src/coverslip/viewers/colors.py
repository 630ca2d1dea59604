"""Which colour a channel is drawn in: by its fluorophore where the name tells, else in turn."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from coverslip.payload import Value

__all__ = ["CYCLE", "ChannelColors"]

CYCLE: Final = ("red", "bop blue", "green", "magenta", "yellow", "cyan")
"""napari colormaps, taken by the channel's number (w1 is blue, as ImageXpress's DAPI mostly is)."""

# What the eye expects: the emission's colour, far red as magenta so that it can be seen.
_FAMILIES: Final = {
    "bop blue": "dapi hoechst nuclei nucleus nuclear dna ebfp bfp tagbfp af405 alexa405",
    "cyan": "cfp ecfp cerulean mturquoise turquoise",
    "green": "gfp egfp mneongreen fitc af488 alexa488 atto488 oregongreen calcein bodipy cy2",
    "yellow": "yfp eyfp venus citrine af532 alexa532 af546 alexa546 cy3 tritc",
    "red": "rfp mcherry tdtomato dsred texasred txred af568 alexa568 af594 alexa594 rhodamine "
    "phalloidin actin mitotracker cy35 propidium pi",
    "magenta": "cy5 farred af633 alexa633 af647 alexa647 atto647 draq5 irfp apc cy55 cy7 af750",
    "gray": "bf brightfield phase dic tl transmitted pc trans",
}
_KNOWN: Final = {name: color for color, names in _FAMILIES.items() for name in names.split()}


class ChannelColors:
    """One colour a channel, the same in every layer and for as long as the viewer lives."""

    def __init__(self) -> None:
        self._given: dict[Value, str] = {}

    def color(self, channel: Value | None) -> str:
        """Return the napari colormap of a channel; gray for no channel."""
        if channel is None:
            return "gray"
        if channel not in self._given:
            self._given[channel] = _by_name(channel) or self._in_turn(channel)
        return self._given[channel]

    def _in_turn(self, channel: Value) -> str:
        number = re.search(r"([0-9]{1,4})$", str(channel))
        if number:
            # By number and not by arrival, so that a plate looks alike on every run.
            return CYCLE[int(number[1]) % len(CYCLE)]
        used = list(self._given.values())
        return min(CYCLE[1:] + CYCLE[:1], key=used.count)


def _by_name(channel: Value) -> str | None:
    words = re.split(r"[^a-z0-9]+", str(channel).casefold())
    for candidate in ("".join(words), *words, *map("".join, pairwise(words))):
        if candidate in _KNOWN:
            return _KNOWN[candidate]
    return None
