"""Charts as text: bars in small panels, as SVG that reads well by day and by night."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

__all__ = ["Bar", "Panel", "bars"]

_LABELS = 176
_WIDTH = 250
_NUMBERS = 84
_ROW = 20
_HEAD = 34
_GAP = 26
_FAR = 20
"""Times the least that the most is, from which on bars are drawn in decades, and it is said."""
_DECADES = 0.15
"""Of a decade that the shortest bar is long then: a bar of no length at all is not seen."""

_STYLE = """
text{font:12px system-ui,sans-serif;fill:#333}.h{font-weight:600}
.l{text-anchor:end}.n{font-size:11px}
.b{fill:#8a9ba8}.o{fill:#00897b}
@media(prefers-color-scheme:dark){text{fill:#ddd}.b{fill:#78909c}.o{fill:#26a69a}}
"""


class Bar(NamedTuple):
    """One row of a panel."""

    label: str
    value: float
    text: str
    """The value as it is written beside the bar."""
    ours: bool = False


class Panel(NamedTuple):
    """Bars that share a scale, whose values are above 0."""

    heading: str
    rows: Sequence[Bar]


def bars(title: str, panels: Sequence[Panel], across: int = 2) -> str:
    """Return a picture of panels, `across` of them side by side."""
    tallest = max(len(panel.rows) for panel in panels)
    width = _LABELS + _WIDTH + _NUMBERS
    height = _HEAD + tallest * _ROW + _GAP
    down = math.ceil(len(panels) / across)
    size = f"{across * width} {down * height}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {size}">',
        f"<title>{escape(title)}</title><style>{_STYLE.strip()}</style>",
    ]
    for number, panel in enumerate(panels):
        left, top = number % across * width, number // across * height
        lines += _panel(panel, left, top)
    lines.append("</svg>\n")
    return "\n".join(lines)


def _panel(panel: Panel, left: int, top: int) -> list[str]:
    least, most = (pick(row.value for row in panel.rows) for pick in (min, max))
    heading = panel.heading
    if far := most > _FAR * least:
        heading += " (each decade as long)"
    lines = [f'<text class="h" x="{left + _LABELS}" y="{top + 20}">{escape(heading)}</text>']
    for number, row in enumerate(panel.rows):
        y = top + _HEAD + number * _ROW
        length = row.value / most * _WIDTH
        if far:
            decades = math.log10(most / least) + _DECADES
            length = (math.log10(row.value / least) + _DECADES) / decades * _WIDTH
        kind = "o" if row.ours else "b"
        box = f'x="{left + _LABELS}" y="{y + 2}" width="{length:.0f}" height="{_ROW - 6}"'
        behind = f'x="{left + _LABELS + length + 6:.0f}" y="{y + 12}"'
        lines += [
            f'<text class="l" x="{left + _LABELS - 8}" y="{y + 12}">{escape(row.label)}</text>',
            f'<rect class="{kind}" {box} rx="2"/>',
            f'<text class="n" {behind}>{escape(row.text)}</text>',
        ]
    return lines
