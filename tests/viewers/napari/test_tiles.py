"""Tiles: that all of them together stay within their room."""

from __future__ import annotations

import numpy as np

from coverslip.viewers.napari.tiles import EDGE, Group, Spot, Tiles

GROUP = Group(None, (None, None), (("channel", "DAPI"),))


def test_more_tiles_are_smaller_ones() -> None:
    tiles = Tiles(room=64 * EDGE * EDGE * 4)
    for number in range(300):
        spot = Spot(None, f"w{number}")
        assert tiles.put(GROUP, spot, {"site": number}, np.full((EDGE, EDGE), 2.0, "f4"))
    assert tiles.edge == EDGE // 4
    assert tiles.nbytes == 300 * (EDGE // 4) ** 2 * 4
    for number in (0, 299):
        tile = tiles.get(GROUP, Spot(None, f"w{number}"))
        assert tile is not None
        assert tile.shape == (EDGE // 4, EDGE // 4)
        assert (tile == 2).all()
    tiles.clear()
    assert (tiles.nbytes, tiles.edge, tiles.places) == (0, EDGE, {})


def test_tiles_take_no_more_than_their_room_whatever_comes() -> None:
    room = 20_000
    tiles = Tiles(room)
    for number in range(5000):
        kept = tiles.put(GROUP, Spot(1, number), {}, np.zeros((EDGE, EDGE), "f4"))
        assert kept == (number < 4096)
        assert tiles.nbytes <= room
    assert tiles.edge == 8
    assert tiles.get(GROUP, Spot(1, 0)) is None, "the oldest has made room"
    assert tiles.get(GROUP, Spot(1, 4095)) is not None


def test_the_newest_tile_of_a_well_replaces_the_one_before() -> None:
    tiles = Tiles()
    spot = Spot("plate", "A1")
    tiles.put(GROUP, spot, {"site": 1}, np.zeros((4, 4), "f4"))
    tiles.put(GROUP, spot, {"site": 2}, np.ones((8, 8), "f4"))
    tile = tiles.get(GROUP, spot)
    assert tile is not None
    assert tile.shape == (8, 8)
    assert tiles.nbytes == tile.nbytes
    assert tiles.places == {spot: {"site": 2}}


def test_a_well_is_another_on_another_plate_and_what_says_none_is_seen_with_each() -> None:
    tiles = Tiles()
    other = Group(None, ("blur", 1), ())
    for plate, value in (("one", 1), ("two", 2)):
        tiles.put(GROUP, Spot(plate, "A1"), {}, np.full((4, 4), value, "f4"))
    for well in ("A1", "A2"):
        tiles.put(other, Spot(None, well), {}, np.full((4, 4), 9, "f4"))
    one, two = (tiles.seen(GROUP, Spot(plate, "A1")) for plate in ("one", "two"))
    assert one is not None
    assert two is not None
    assert (one[0, 0], two[0, 0]) == (1, 2)
    assert tiles.seen(GROUP, Spot("one", "A2")) is None
    assert tiles.seen(other, Spot("one", "A2")) is not None
    assert tiles.on_plate("one") == {"A1": Spot("one", "A1"), "A2": Spot(None, "A2")}
