"""The model of many producers, where the answer is known; and that the page is made from it."""

from __future__ import annotations

import pytest
from benchmarks.scale import page
from benchmarks.scale.cluster import FRAMING, GBIT, Site, run, same_machine
from benchmarks.scale.costs import Cost, read
from benchmarks.scale.model import Cores, Station, play

COST = Cost(
    edge=1024,
    how="as they are",
    caller=1e-3,
    packer=1e-3,
    sender=4e-3,
    receiver=5e-3,
    server=1e-3,
    drawer=0.0,
    rest=0.0,
    wire=2.1e6,
)


def test_the_slowest_station_sets_the_rate() -> None:
    outcome = play([[(Station("fast"), 1e-3), (Station("slow"), 4e-3)]], window=4)
    assert outcome.rate == pytest.approx(250)
    assert outcome.bottleneck == "slow"
    assert outcome.busy["fast"] == pytest.approx(0.25, rel=0.02)


def test_one_plane_under_way_passes_all_stations_by_itself() -> None:
    outcome = play([[(Station("first"), 1e-3), (Station("second"), 3e-3)]], window=1)
    assert outcome.rate == pytest.approx(250)


def test_threads_share_their_cores() -> None:
    cores = Cores(2)
    ways = [[(Station(f"{n}", cores), 5e-3)] for n in range(8)]
    outcome = play(ways, window=3)
    assert outcome.rate == pytest.approx(2 / 5e-3, rel=0.01)
    assert outcome.slowest == pytest.approx(1, abs=0.02)


def test_everybody_waits_for_one_cable_and_gets_a_fair_part_of_it() -> None:
    outcome = run(Site(producers=10, link=GBIT), COST)
    assert outcome.rate == pytest.approx(GBIT / COST.wire / FRAMING, rel=0.01)
    assert outcome.bottleneck == "the viewer's link"
    assert outcome.slowest > 0.9


def test_a_faster_cable_leads_to_the_next_bottleneck_and_more_threads_beyond_it() -> None:
    fast = run(Site(producers=10, link=10 * GBIT), COST)
    assert fast.rate == pytest.approx(1 / COST.receiver, rel=0.01)
    assert fast.bottleneck == "the viewer's network thread"
    more = run(Site(producers=10, link=10 * GBIT, network_threads=4), COST)
    assert more.rate == pytest.approx(10 * GBIT / COST.wire / FRAMING, rel=0.02)
    two = run(Site(producers=10, link=10 * GBIT, viewers=2), COST)
    assert two.rate == pytest.approx(2 * fast.rate, rel=0.01)


def test_a_machine_of_its_own_is_faster_than_a_shared_one() -> None:
    apart = run(Site(producers=4, link=10 * GBIT), COST).rate
    shared = same_machine(4, None, 2, COST)
    assert shared.rate == pytest.approx(2 / 12e-3, rel=0.02)
    assert shared.rate < apart


def test_the_page_is_made_from_the_results() -> None:
    found = read()
    assert page.PAGE.read_text(encoding="utf-8") == page.as_page(found)
    assert page.IMAGE.read_text(encoding="utf-8") == page.picture(found)
