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

_HEAD = """# Scaling

How many planes 1, 10 and 100 machines can show in one viewer, over links of 1 and of 10 Gbit/s.
This page is made by `hatch run bench:scale`: do not edit it. No cluster was available: what a
plane costs each thread was measured on one machine, queues were simulated by a model
(`benchmarks/scale`), and the model was compared with what really arrived from up to {most}
producers on that machine.

Planes are uint16, a field with its shot noise, and travel in the messages, encrypted, as they
do between machines. *Compressed* means that each plane was; a stream decides that for itself, by
what shows more ([Remote viewers](remote.md)). All producers send at full speed.
"""

_COSTS = """
## What a plane costs

Milliseconds of CPU of each thread, one producer, {cores} cores, {system}.

| plane | | caller | packer | sending | receiving | server | GUI | others | on the wire |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""

_REAL = """
The caller copies in `show`; the packer compresses; sending and receiving are done by ZeroMQ's
threads (the network threads below), which encrypt and decrypt; the server's thread decompresses and
copies; the GUI's time is without drawing, which napari does at most 20 times a second, whatever
arrives.

## The model compared with measurements

Producers and viewer on the same {cores} cores, in the model too: planes a second, all producers
together.

| plane | | link | producers | measured | model | model over measured |
| --- | --- | --- | ---: | ---: | ---: | ---: |
"""

_SITES = """
{verdict}

## What can be shown

Each producer has a core for each of its stream's threads, and so has the viewer. The busiest part
is the bottleneck; the next busiest limits what removing the first would bring.

| plane | Gbit/s | producers | | planes a second | of each producer | bottleneck | busy next |
| --- | ---: | ---: | --- | ---: | ---: | --- | --- |
"""

_TURNS = """
![Planes a second by link and producers](images/scale.svg)

## What to change

From {producers} producers, planes of {edge} x {edge}, according to the model:

| link, Gbit/s | change | planes a second | times | bottleneck then |
| ---: | --- | ---: | ---: | --- |
"""

_ADVICE = """
- **Nothing**, where the table's rate is more than the pipelines produce: a stream blocks nobody
  whose planes find room.
- **Compression** is chosen by the stream itself. It pays while the link or decryption is the
  bottleneck and the producers have a core to spare.
- **Fewer pixels**: every fourth for an overview, `view.show(image[::4, ::4])`, and full planes for
  what you look at.
- **More viewers**: one for each plate or channel, `connect(connection=…)` to each line. Each has a
  link and threads of its own.
- **Several viewers of the same planes**: a [relay](relay.md), so that each producer sends a plane
  once. It makes no viewer faster.
- **On the viewer's machine**, pixels go through shared memory, without a link or encryption. A
  pipeline that can run there should; see [Performance](performance.md).
- **Network threads**: a viewer has one (`coverslip.transport.sockets`), which is not a setting; the
  rows show what more of them would bring.

## In the viewer

{memory}

## What this leaves out

Switches that drop packets, long-distance links, pipelines that leave no core to their stream,
drawing, and processors other than the one measured: where a core is twice as fast, so are all rows
whose bottleneck is a thread. A link's bytes are those counted plus Ethernet's own headers.
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
        limit = "1 Gbit/s" if real.rate else "no limit"
        lines.append(
            f"| {_edge(cost)} | {real.how} | {limit} | {real.producers} | {_number(real.planes)} "
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
    return bars(f"Planes of {edge} x {edge} a second, by link and producers", panels)


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
    for rate, words in (("1gbit", "the link is the limit"), (None, "the cores are")):
        of = [ratio for real, ratio in ratios.items() if real.rate == rate]
        within = sum(1 for ratio in of if 0.8 <= ratio <= 1.25)
        parts.append(
            f"where {words}, {within} of {len(of)} rows ({min(of):.2f} to {max(of):.2f} of it)"
        )
    return _wrap(
        f"The model is within a quarter of the measurement {' and '.join(parts)}. It does not know "
        "what switching many threads on few cores costs, nor what else the machine did."
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
        f"the 4 GiB that a viewer takes by default are full after {4 * 2**30 / nbytes:.1f} s. What "
        "comes then goes to disk; if the disk is slower, it is the bottleneck: see "
        "[Memory and disk](memory.md). `keep=` keeps only the newest planes."
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
