"""Positions on ImageJ's axes: of components, and after an axis has grown. No Java."""

from __future__ import annotations

import itertools
from random import Random

from coverslip.payload import Value
from coverslip.viewers.fiji.grid import EVERYWHERE, Grid, GridAxis, Spot, runs


def grid(
    channels: str, slices: tuple[int, ...], sites: tuple[int, ...], times: tuple[int, ...]
) -> Grid:
    """C is the channel, Z the z index, T the site and the timepoint."""
    return Grid(
        GridAxis(("channel",), (tuple(channels),)),
        GridAxis(("z_index",), (slices,)),
        GridAxis(("site", "timepoint"), (sites, times)),
    )


SMALL = grid("DG", (1, 3), (1, 2), (1,))
GROWN = grid("DFG", (0, 1, 2, 3), (1, 2), (0, 1))


def test_components_that_are_not_named_are_everywhere() -> None:
    assert SMALL.spots({"z_index": 3}) == [Spot(0, 2, 0)]
    assert SMALL.spots({}) == [EVERYWHERE]
    assert SMALL.spots({"well": "A1"}) == [EVERYWHERE]


def test_one_of_two_components_on_an_axis_is_several_places() -> None:
    assert GROWN.spots({"timepoint": 1, "channel": "G"}) == [Spot(3, 0, 2), Spot(3, 0, 4)]


def test_a_value_that_has_not_come_is_nowhere() -> None:
    assert SMALL.spots({"z_index": 2}) == []
    assert SMALL.spots({"z_index": 3, "channel": "F"}) == []


def test_what_may_be_seen_at_more_places_later_is_told_from_what_may_not() -> None:
    assert SMALL.pins({"channel": "D", "site": 1, "timepoint": 1})
    assert SMALL.pins({"z_index": 3})
    assert SMALL.pins({})
    assert not SMALL.pins({"z_index": 3, "timepoint": 1}), "at each site, of which more may come"


def test_spots_move_with_what_they_stand_on() -> None:
    for channel, z, site in itertools.product("DG", (1, 3), (1, 2)):
        place: dict[str, Value] = {"channel": channel, "z_index": z, "site": site, "timepoint": 1}
        (before,), (after,) = SMALL.spots(place), GROWN.spots(place)
        assert GROWN.moved(before, SMALL) == after
    assert GROWN.moved(Spot(0, 2, 0), SMALL) == Spot(0, 4, 0)
    assert GROWN.moved(Spot(9, 0, 0), SMALL) == Spot(9, 0, 0)


def test_appending_moves_nothing() -> None:
    assert grid("DGH", (1, 3, 4), (1, 2, 3), (1,)).extends(SMALL)
    assert grid("D", (1,), (1,), (1, 2, 3)).extends(grid("D", (1,), (1,), (1, 2)))
    assert not GROWN.extends(SMALL)
    assert not grid("DG", (1, 3), (1, 2), (1, 2)).extends(SMALL)
    assert SMALL.extends(SMALL)


def test_numbers_count_channels_first_then_slices_then_frames() -> None:
    assert GROWN.number(Spot(1, 1, 1)) == 1
    assert GROWN.number(Spot(0, 2, 0)) == 4
    assert GROWN.number(Spot(2, 3, 4)) == 2 + 3 * 2 + 12 * 3
    assert [GROWN.number(GROWN.spot(number)) for number in range(1, 49)] == list(range(1, 49))


def test_what_stood_is_moved_in_runs_and_what_is_new_is_told_once() -> None:
    random = Random(4)
    for _ in range(500):
        lengths = [random.randint(1, 5) for _ in range(random.randint(1, 4))]
        fresh = [
            sorted(random.sample(range(length), random.randrange(length))) for length in lengths
        ]
        new = [set(some) for some in fresh]
        now = list(itertools.product(*map(range, lengths)))
        before = [at for at in now if not any(i in some for i, some in zip(at, new, strict=True))]
        found: list[tuple[int, ...]] = []
        count = 0
        for start, length, was in runs(lengths, fresh):
            assert start == len(found)
            run = now[start : start + length]
            if was is None:
                assert not set(run) & set(before)
            else:
                assert before[was : was + length] == run
            found += run
            count += 1
        assert found == now
        assert count <= 3 * (len(now) - len(before)) + 1
    # However long it was: two sites of a time lapse have a new time each.
    assert len(list(runs([2, 20_001], [[], [20_000]]))) == 4
