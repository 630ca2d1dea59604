"""Planes in little: what is seen of one, whatever its dtype and its shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coverslip.viewers.little import in_little

EDGE = 128


def test_each_pixel_is_the_mean_of_its_area() -> None:
    pixels = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
    tile = in_little(pixels, 24)
    assert tile.dtype == np.float32
    blocks = pixels.reshape(16, 4, 24, 4).mean(axis=(1, 3))
    assert np.array_equal(tile, blocks.astype(np.float32))


def test_of_a_large_plane_pixels_are_seen_all_over_each_area() -> None:
    edge, side = 16, 32
    pixels = np.zeros((edge * side, edge * side), np.uint16)
    pixels[:, side * 3 : side * 4] = 1000
    pixels[side : side * 2] += 100
    tile = in_little(pixels, edge)
    assert tile.shape == (edge, edge)
    expected = np.zeros((edge, edge))
    expected[:, 3] = 1000
    expected[1] += 100
    assert np.array_equal(tile, expected)


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u8", "f2", "f4", "f8"])
def test_every_dtype_has_a_tile(dtype: str) -> None:
    pixels = np.ones((300, 200), dtype)
    tile = in_little(pixels, EDGE)
    assert tile.shape == (100, 66)
    assert (tile == 1).all()


def test_a_small_plane_is_enlarged() -> None:
    tile = in_little(np.array([[1, 2, 3]], np.uint8), 8)
    assert tile.tolist() == [[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]]


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (1, 1), (3, 129)])
def test_any_shape_has_a_tile_that_fits(shape: tuple[int, int]) -> None:
    tile = in_little(np.full(shape, 7, np.uint16), EDGE)
    assert tile.size
    assert max(tile.shape) <= EDGE
    assert (tile == 7).all()


@pytest.mark.parametrize(
    ("dtype", "half"), [("u1", 255 / 2), ("u2", 65535 / 2), ("f4", 0.5), ("f8", 0.5)]
)
def test_colour_is_from_0_to_1(dtype: str, half: float) -> None:
    pixels = np.zeros((400, 400, 4), dtype)
    pixels[..., 1] = half
    tile = in_little(pixels, EDGE)
    assert tile.shape == (100, 100, 3)
    assert np.allclose(tile, (0, 0.5, 0), atol=0.005)


def test_what_is_no_number_is_dark() -> None:
    pixels: Any = np.ones((256, 256))
    pixels[:2, :2], pixels[-2:, -2:] = np.nan, 1e300
    tile = in_little(pixels, EDGE)
    assert np.isfinite(tile).all()
    assert tile[0, 0] == 0
    assert tile[64, 64] == 1
