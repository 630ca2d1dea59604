"""Whether compressing pays on one lane, from what was measured there a moment ago.

Three numbers: how fast the link carries bytes, how fast this thread compresses, and to what part.
Sent as they are, planes arrive as fast as the link carries them; compressed, as fast as the slower
of the two, with the link carrying so much more. The link is only known while it is what is waited
for, and a viewer that has more than it can show is not helped by a faster one.
"""

from __future__ import annotations

__all__ = ["Economy"]

_TAKE_UP = 1.15
_GIVE_UP = 1.05
"""Compressing begins when it promises this much more, and ends when it does no longer."""

_WEIGHT = 0.3
"""Of a new measurement, in the average of those before it."""

_LONG_ENOUGH = 0.1
"""Seconds of a busy link that make one measurement: a single answer may come late by chance."""

_SAMPLE_INTERVAL = 1.0
"""Seconds between two samples while planes are sent as they are."""

_DOUBT = 10.0
"""Seconds after which a link that is not the limit any more is measured anew."""

_SHOWN_LATER = 64 << 20
"""Bytes that a viewer may have and not show, before it counts as the slower part."""

_WINDOW_SECONDS = 0.5
_FIRST_WINDOW = 16 << 20
_LEAST_WINDOW = 8 << 20
_LARGEST_WINDOW = 64 << 20


class Economy:
    """Decides for one lane; not thread-safe, its lane's lock guards it.

    Times are of `time.monotonic`.

    Attributes
    ----------
    link : float or None
        Bytes a second that the link carried while it was the limit.
    speed : float or None
        Bytes of pixels a second that were compressed.
    ratio : float or None
        Bytes of pixels for each byte that they became.
    keeps : bool
        What is sent is kept and sent on as it is, over links that are not known here: compressing
        pays by the ratio alone.
    """

    def __init__(self) -> None:
        self.link: float | None = None
        self.speed: float | None = None
        self.ratio: float | None = None
        self.keeps = False
        self._compresses = False
        self._viewer_is_slow = False
        self._sampled = float("-inf")
        self._before: tuple[float, int] | None = None
        self._carried, self._busy = 0, 0.0
        self._limited_at = float("-inf")

    @property
    def compresses(self) -> bool:
        """Whether the next plane shall be compressed."""
        return self._compresses

    @property
    def window(self) -> int:
        """Bytes that may be under way at once: half a second of the link's."""
        if self.link is None:
            return _FIRST_WINDOW
        return round(min(max(self.link * _WINDOW_SECONDS, _LEAST_WINDOW), _LARGEST_WINDOW))

    def interrupted(self) -> None:
        """Nothing is under way any more: the connection is another now."""
        self._before = None
        self._carried, self._busy = 0, 0.0

    def wants_sample(self, now: float) -> bool:
        """Whether one plane should be compressed, to know, where others go as they are."""
        known = self.keeps or (self.link is not None and not self._viewer_is_slow)
        return known and not self._compresses and now - self._sampled >= _SAMPLE_INTERVAL

    def compressed(self, before: int, after: int, seconds: float, now: float) -> None:
        """Take in that `before` bytes of pixels became `after` in `seconds`."""
        self._sampled = now
        self.speed = _mean(self.speed, before / max(seconds, 1e-6))
        self.ratio = _mean(self.ratio, before / max(after, 1))
        self._decide()

    def reported(self, taken: int, under_way: int, waiting: int, now: float) -> None:
        """Take in what the viewer reports.

        Parameters
        ----------
        taken : int
            Bytes that it has taken off the link since the last report.
        under_way : int
            Bytes that were sent and that it has not.
        waiting : int
            Bytes of pixels that it has and has not shown.
        now : float
            When the report came.
        """
        before, self._before = self._before, (now, under_way)
        self._viewer_is_slow = waiting > _SHOWN_LATER
        if before is not None and 0 < taken <= before[1]:
            # All of it was under way already at the report before: the link was never idle.
            self._limited_at = now
            if not self._viewer_is_slow:
                self._carried += taken
                self._busy += now - before[0]
        elif before is not None and taken == 0 < before[1]:
            self._busy += now - before[0]
        if self._busy >= _LONG_ENOUGH and self._carried:
            self.link = _mean(self.link, self._carried / self._busy)
            self._carried, self._busy = 0, 0.0
        elif self._compresses and now - self._limited_at > _DOUBT:
            self.link = None
        self._decide()

    def _decide(self) -> None:
        if self.keeps:
            gain = self.ratio or 1.0
        elif self.link and self.speed and self.ratio and not self._viewer_is_slow:
            gain = min(self.speed / self.link, self.ratio)
        else:
            gain = 1.0
        self._compresses = gain > (_GIVE_UP if self._compresses else _TAKE_UP)


def _mean(old: float | None, new: float) -> float:
    return new if old is None else old + _WEIGHT * (new - old)
