"""Tiles: what they show of a plane, and that all of them together stay within their room."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coverslip.viewers.napari.tiles import EDGE, Group, Spot, Tiles, tile_of

GROUP = Group(None, (None, None), (("channel", "DAPI"),))


def test_each_pixel_is_the_mean_of_its_area() -> None:
    pixels = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
    tile = tile_of(pixels, 24)
    assert tile.dtype == np.float32
    blocks = pixels.reshape(16, 4, 24, 4).mean(axis=(1, 3))
    assert np.array_equal(tile, blocks.astype(np.float32))


def test_of_a_large_plane_pixels_are_seen_all_over_each_area() -> None:
    edge, side = 16, 32
    pixels = np.zeros((edge * side, edge * side), np.uint16)
    pixels[:, side * 3 : side * 4] = 1000
    pixels[side : side * 2] += 100
    tile = tile_of(pixels, edge)
    assert tile.shape == (edge, edge)
    expected = np.zeros((edge, edge))
    expected[:, 3] = 1000
    expected[1] += 100
    assert np.array_equal(tile, expected)


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u8", "f2", "f4", "f8"])
def test_every_dtype_has_a_tile(dtype: str) -> None:
    pixels = np.ones((300, 200), dtype)
    tile = tile_of(pixels)
    assert tile.shape == (100, 66)
    assert (tile == 1).all()


def test_a_small_plane_is_enlarged() -> None:
    tile = tile_of(np.array([[1, 2, 3]], np.uint8), 8)
    assert tile.tolist() == [[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]]


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (1, 1), (3, 129)])
def test_any_shape_has_a_tile_that_fits(shape: tuple[int, int]) -> None:
    tile = tile_of(np.full(shape, 7, np.uint16))
    assert tile.size
    assert max(tile.shape) <= EDGE
    assert (tile == 7).all()


@pytest.mark.parametrize(
    ("dtype", "half"), [("u1", 255 / 2), ("u2", 65535 / 2), ("f4", 0.5), ("f8", 0.5)]
)
def test_colour_is_from_0_to_1(dtype: str, half: float) -> None:
    pixels = np.zeros((400, 400, 4), dtype)
    pixels[..., 1] = half
    tile = tile_of(pixels)
    assert tile.shape == (100, 100, 3)
    assert np.allclose(tile, (0, 0.5, 0), atol=0.005)


def test_what_is_no_number_is_dark() -> None:
    pixels: Any = np.ones((256, 256))
    pixels[:2, :2], pixels[-2:, -2:] = np.nan, 1e300
    tile = tile_of(pixels)
    assert np.isfinite(tile).all()
    assert tile[0, 0] == 0
    assert tile[64, 64] == 1


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
