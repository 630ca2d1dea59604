"""``docs/scale.md``, made from what was measured and what the model makes of it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from benchmarks.charts import Bar, Panel, bars
from benchmarks.scale.cluster import GBIT, Site, run, same_machine
from benchmarks.scale.costs import Cost, Found, Real
from benchmarks.scale.model import Outcome

__all__ = ["IMAGE", "PAGE", "as_page", "picture", "write"]

_DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = _DOCS / "scale.md"
IMAGE = _DOCS / "images" / "scale.svg"

PRODUCERS = (1, 10, 100)
LINKS = (1, 10)
"""Gbit/s."""

_HEAD = """# How far it goes

What 1, 10 and 100 machines that produce planes can show in one viewer, through cables of 1 and of
10 Gbit/s. This page is made by `hatch run bench:scale`: do not edit it. No cluster was at hand:
what each thread pays for a plane was measured on one machine, queues were played by a model
(`benchmarks/scale`), and the model was held against what really arrived from up to {most} producers
on that machine.

Planes are uint16, a field with its shot noise, and travel in the messages, encrypted, as they
do between machines. *Compressed* means that each plane was; a stream decides that for itself, by
what shows more ([remote.md](remote.md)). Everybody sends as fast as it goes.
"""

_COSTS = """
## What a plane costs

Milliseconds of CPU of each thread, one producer, {cores} cores, {system}.

| plane | | caller | packer | sending | receiving | server | GUI | others | on the wire |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""

_REAL = """
The caller's is the copy in `show`; the packer compresses; sending and receiving are done by
ZeroMQ's threads, the network threads below, which encrypt and decrypt; the server's thread unpacks
and copies; the GUI's is without the drawing, which napari does at most 20 times a second, whatever
arrives.

## The model and the machine

Producers and viewer on the same {cores} cores, which is what the model was told as well: planes a
second, all producers together.

| plane | | cable | producers | measured | model | model over measured |
| --- | --- | --- | ---: | ---: | ---: | ---: |
"""

_SITES = """
{verdict}

## What can be shown

Each producer has a core for each of its stream's threads, and so has the viewer. The busiest part
is the bottleneck; what comes next says what a cure of the first would bring.

| plane | Gbit/s | producers | | planes a second | of each producer | bottleneck | busy next |
| --- | ---: | ---: | --- | ---: | ---: | --- | --- |
"""

_TURNS = """
![Planes a second by cable and producers](images/scale.svg)

## What to turn

From {producers} producers, planes of {edge} x {edge}, as the model has it:

| cable, Gbit/s | what is turned | planes a second | times | bottleneck then |
| ---: | --- | ---: | ---: | --- |
"""

_ADVICE = """
- **Nothing**, where the table's rate is more than the pipelines produce: a stream holds nobody
  whose planes find room.
- **Compression** is a stream's own choice. It pays while the cable or decrypting is the bottleneck
  and the producers have a core to spare.
- **Fewer pixels**: every fourth for the overview, `view.show(image[::4, ::4])`, and full planes for
  what is looked at.
- **More viewers**: one for each plate or channel, `connect(connection=…)` to each line. Their
  cables and threads are their own.
- **Several viewers of the same planes**: a [relay](relay.md), so that each producer sends a plane
  once. It makes no viewer faster.
- **On the viewer's machine**, pixels go through shared memory: no cable, no keys over pixels. A
  pipeline that can run there should; see [Speed](performance.md).
- **Network threads** in a viewer are one today (`coverslip.transport.sockets`), which is not a
  setting; the rows say what more of them would bring.

## What the viewer does with it

{memory}

## What this leaves out

Switches that drop, cables longer than a room, pipelines that leave no core to their stream,
drawing, and other processors than the one measured: where a core is twice as fast, so are all rows
whose bottleneck is a thread. A cable's bytes are those counted and Ethernet's own headers.
"""


def as_page(found: Found) -> str:
    """Return the page."""
    most = max(real.producers for real in found.real)
    lines = [_HEAD.format(most=most), _COSTS.format(cores=found.cores, system=found.system)]
    for cost in found.costs:
        threads = (
            cost.caller,
            cost.packer,
            cost.sender,
            cost.receiver,
            cost.server,
            cost.drawer,
            cost.rest,
        )
        cells = [f"{seconds * 1e3:.2f}" for seconds in threads]
        lines.append(
            f"| {_edge(cost)} | {cost.how} | {' | '.join(cells)} | {cost.wire / 1e6:.2f} MB |\n"
        )
    lines.append(_REAL.format(cores=found.cores))
    ratios = {}
    for real in found.real:
        cost = _cost(found, real.edge, real.how)
        link = GBIT if real.rate else None
        model = same_machine(real.producers, link, found.cores, cost).rate
        ratios[real] = model / real.planes
        cable = "1 Gbit/s" if real.rate else "as fast as it is"
        lines.append(
            f"| {_edge(cost)} | {real.how} | {cable} | {real.producers} | {_number(real.planes)} "
            f"| {_number(model)} | {ratios[real]:.2f} |\n"
        )
    lines.append(_SITES.format(verdict=_verdict(ratios)))
    for cost in found.costs:
        for gbit in LINKS:
            for producers in PRODUCERS:
                outcome = run(Site(producers, gbit * GBIT), cost)
                lines.append(
                    f"| {_edge(cost)} | {gbit} | {producers} | {cost.how} "
                    f"| {_number(outcome.rate)} | {_number(outcome.rate / producers)} "
                    f"| {_busiest(outcome)} | {_next(outcome)} |\n"
                )
    edge = max(cost.edge for cost in found.costs)
    lines.append(_TURNS.format(producers=PRODUCERS[-1], edge=edge))
    for gbit in LINKS:
        turns = _turns(found, PRODUCERS[-1], gbit)
        first = next(iter(turns.values()))
        for name, outcome in turns.items():
            times = outcome.rate / first.rate
            lines.append(
                f"| {gbit} | {name} | {_number(outcome.rate)} | {times:.2f} "
                f"| {_busiest(outcome)} |\n"
            )
    lines.append(_ADVICE.format(memory=_memory(found, edge)))
    return "".join(lines)


def picture(found: Found) -> str:
    """Return the picture of what can be shown."""
    edge = max(cost.edge for cost in found.costs)
    panels = []
    for gbit in LINKS:
        rows = []
        for producers in PRODUCERS:
            for cost in found.costs:
                if cost.edge == edge:
                    rate = run(Site(producers, gbit * GBIT), cost).rate
                    name = f"{producers}, {cost.how}"
                    rows.append(Bar(name, rate, _number(rate), cost.how == "compressed"))
        panels.append(Panel(f"{gbit} Gbit/s: planes a second", rows))
    return bars(f"Planes of {edge} x {edge} a second, by cable and producers", panels)


def write(found: Found) -> None:
    """Write page and picture."""
    PAGE.write_text(as_page(found), encoding="utf-8")
    IMAGE.write_text(picture(found), encoding="utf-8")


def _turns(found: Found, producers: int, gbit: int) -> dict[str, Outcome]:
    """Return what becomes of the largest planes as they are, and of each thing that is turned."""
    edge, small = max(c.edge for c in found.costs), min(c.edge for c in found.costs)
    plain, packed = (_cost(found, edge, how) for how in ("as they are", "compressed"))
    link = gbit * GBIT
    return {
        "nothing": run(Site(producers, link), plain),
        "compressed": run(Site(producers, link), packed),
        f"every {edge // small}th pixel along each axis": run(
            Site(producers, link), _cost(found, small, "as they are")
        ),
        "two viewers": run(Site(producers, link, viewers=2), plain),
        "two viewers, compressed": run(Site(producers, link, viewers=2), packed),
        "four network threads in the viewer": run(Site(producers, link, network_threads=4), plain),
        "four network threads, compressed": run(Site(producers, link, network_threads=4), packed),
    }


def _verdict(ratios: dict[Real, float]) -> str:
    parts = []
    for rate, words in (("1gbit", "the cable sets the rate"), (None, "the cores do")):
        of = [ratio for real, ratio in ratios.items() if real.rate == rate]
        within = sum(1 for ratio in of if 0.8 <= ratio <= 1.25)
        parts.append(
            f"where {words}, {within} of {len(of)} rows ({min(of):.2f} to {max(of):.2f} of it)"
        )
    return _wrap(
        f"The model is within a quarter of the machine {' and '.join(parts)}. It does not know "
        "what many threads on few cores pay for being switched, nor what else the machine did."
    )


def _memory(found: Found, edge: int) -> str:
    best = max(
        run(Site(PRODUCERS[-1], LINKS[-1] * GBIT), cost).rate
        for cost in found.costs
        if cost.edge == edge
    )
    nbytes = best * edge * edge * 2
    return _wrap(
        f"At {_number(best)} planes of {edge} x {edge} a second, which is {nbytes / 1e9:.2f} GB/s, "
        f"the 4 GiB that a viewer takes by default are full after {4 * 2**30 / nbytes:.1f} s; what "
        "comes then goes to disk as fast as that takes it, and where it takes less, the viewer is "
        "the bottleneck: see [memory.md](memory.md). `keep=` keeps the newest alone."
    )


def _wrap(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _busiest(outcome: Outcome) -> str:
    name = outcome.bottleneck
    return f"{name} ({outcome.busy[name]:.0%})"


def _next(outcome: Outcome) -> str:
    rest = {name: part for name, part in outcome.busy.items() if name != outcome.bottleneck}
    name = max(rest, key=lambda one: rest[one])
    return f"{name} ({rest[name]:.0%})"


def _cost(found: Found, edge: int, how: str) -> Cost:
    return next(cost for cost in found.costs if (cost.edge, cost.how) == (edge, how))


def _edge(cost: Cost) -> str:
    return f"{cost.edge} x {cost.edge}"


def _number(value: float) -> str:
    """Return three digits of it, two below ten."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
