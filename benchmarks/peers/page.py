"""The comparison as a part of ``docs/performance.md``, between two marks, and its pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.charts import Bar, Panel, bars
from benchmarks.peers.found import OURS, CaseFound, Found
from benchmarks.peers.pair import ROOT, Run

__all__ = ["BEGIN", "END", "PAGE", "as_table", "pictures", "section", "write"]

PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"

BEGIN = "<!-- made by `hatch run bench:peers`: do not edit -->\n"
END = "<!-- so far -->\n"

MIB = 2**20

_NOTABLY = 1.1
"""Times better, from which on it is said that somebody is: less moves from run to run."""


class _Measure(NamedTuple):
    heading: str
    unit: str
    value: Callable[[Run], float]
    more_is_better: bool
    said: str
    """What a peer that is better has."""


_MEASURES = (
    _Measure("planes a second", "", lambda run: run.rate, True, "more planes a second"),
    _Measure("held, ms", "ms", lambda run: run.held * 1e3, False, "the caller held for less"),
    _Measure("CPU, ms", "ms", lambda run: run.cpu * 1e3, False, "less CPU"),
    _Measure("memory, MiB", "MiB", lambda run: run.added / MIB, False, "less memory at its peak"),
)

_HEAD = """
Each row is two processes, a sender that has computed all planes and a receiver without a window
that keeps every plane and compares some thousand of its pixels. In brackets: the ratio to ours.

- **planes a second**: from the first call until the last plane is in the other process.
- **held**: how long a call blocks the caller, for each plane; the median.
- **CPU**: of both processes, for each plane.
- **memory**: the peak growth of both processes, added up. It includes each plane that the receiver
  keeps, and what the two share is counted in both.
- **lost**: planes that did not arrive, or not as they were sent, in the worst of all rounds.
- **left**: named shared memory that was left when both had ended.

*Ours* is `save_batch` with keys, pixels in shared memory; *ours, inline* is `show` to a
viewer that cannot reach that memory, like one on another machine, so the pixels travel encrypted
through TCP. imagezmq and rerun send through TCP on the same machine, and encrypt nothing.
imagezmq's batch is one array of three dimensions, rerun's is `send_columns`.
"""

_NOTES = """
The causes, from the sources:

- Ours lets a burst wait in shared memory, within the stream's budget, while the receiver is busy
  with what came before; this is the memory it takes. It copies twice, imagezmq once.
- imagezmq with REQ/REP blocks its caller until the receiver has answered. With PUB/SUB it blocks it
  for next to nothing, since it copies nothing: the caller must not change the array until it has
  been sent, which the caller is not told, and a late receiver loses planes silently. Ours has
  copied when it returns, and counts what is lost.
- rerun's receiver is its own program, which writes what it receives to a file in memory (not in the
  column) and keeps up to 1 GiB of it for viewers that come late.
- polystore makes a segment for each image and waits for the receiver's answer to each batch; before
  that, it sleeps for a tenth of a second in each call.
"""


def as_table(found: CaseFound) -> str:
    """Return a table in Markdown: a row for each peer, ratios to ours behind each number."""
    ours = found.of(OURS) if any(peer.name == OURS for peer in found.peers) else None
    headings = [measure.heading for measure in _MEASURES]
    headings += ["longest call, ms", "lost", "left, MiB"]
    lines = [
        f"### {found.case}\n",
        f"| | {' | '.join(headings)} |",
        f"| --- |{' ---: |' * len(headings)}",
    ]
    for peer in found.peers:
        cells = []
        for measure in _MEASURES:
            value = measure.value(peer.run)
            cell = _number(value)
            if ours is not None and peer.run is not ours and (own := measure.value(ours)) > 0:
                cell += f" ({_number(value / own)})"
            cells.append(cell)
        lost = peer.run.lost + peer.run.wrong
        cells += [_number(peer.run.longest * 1e3), f"{lost}", f"{peer.run.left / MIB:.0f}"]
        name = f"**{peer.name}**" if peer.name == OURS else peer.name
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def section(found: Found) -> str:
    """Return what stands between the marks."""
    versions = "; ".join(found.versions.values())
    rounds = "One round" if found.rounds == 1 else f"Medians of {found.rounds} interleaved rounds"
    head = f"{rounds} of one run; {found.cores} cores, {found.system}; {versions}."
    head = textwrap.fill(head, 100, break_on_hyphens=False) + "\n"
    parts = [head, _HEAD.lstrip()]
    for number, case in enumerate(found.cases):
        parts += [as_table(case), f"![{case.case}, as bars](images/{_picture(number)})\n"]
    parts += ["### Where a peer is better\n", _better(found), _NOTES.strip() + "\n"]
    left = {name: nbytes for name, nbytes in found.killed.items() if nbytes}
    parts.append(
        "Both ends killed in mid-stream left shared memory behind: "
        + ", ".join(f"{name} {nbytes / MIB:.0f} MiB" for name, nbytes in left.items())
        + ".\n"
        if left
        else "None left shared memory behind when both ends were killed in mid-stream.\n"
    )
    parts += [f"{name} was left out: {reason}.\n" for name, reason in found.skipped.items()]
    return "\n".join(parts)


def pictures(found: Found) -> dict[str, str]:
    """Return the pictures by their files' names."""
    return {_picture(number): _bars(case) for number, case in enumerate(found.cases)}


def write(found: Found, page: Path = PAGE, images: Path = IMAGES) -> None:
    """Put section and pictures in their places."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{section(found)}\n{END}{after}", encoding="utf-8")
    for name, picture in pictures(found).items():
        (images / name).write_text(picture, encoding="utf-8")


def _better(found: Found) -> str:
    lines = []
    for case in found.cases:
        ours = case.of(OURS)
        for measure in _MEASURES:
            own = measure.value(ours)
            better = {
                peer.name: times
                for peer in case.peers
                if not peer.name.startswith(OURS)
                and (times := _times(measure.value(peer.run), own, measure)) > _NOTABLY
            }
            if better:
                names = ", ".join(f"{name} ({_number(times)} x)" for name, times in better.items())
                lines.append(f"- {case.case}: {measure.said} with {names}.")
    return "\n".join(lines or ["- In nothing that is measured here, by a tenth or more."]) + "\n"


def _times(value: float, own: float, measure: _Measure) -> float:
    """Return how many times better than ours a value is."""
    return value / own if measure.more_is_better else own / value


def _picture(number: int) -> str:
    return f"peers-{number + 1}.svg"


def _bars(case: CaseFound) -> str:
    panels = [
        Panel(
            measure.heading,
            [
                Bar(peer.name, value, _number(value), peer.name.startswith(OURS))
                for peer in case.peers
                if (value := measure.value(peer.run)) > 0
            ],
        )
        for measure in _MEASURES
    ]
    return bars(str(case.case), panels)


def _number(value: float) -> str:
    """Return three digits of it, two below ten."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
