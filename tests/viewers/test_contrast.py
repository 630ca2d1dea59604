from __future__ import annotations

import numpy as np
import pytest

from coverslip.viewers.contrast import limits_of, widen


def test_limits_are_percentiles_of_all_pixels_when_exact() -> None:
    pixels = np.random.default_rng(1).integers(0, 4096, (700, 900), np.uint16)
    found = limits_of(pixels, exact=True)
    assert found == pytest.approx(tuple(np.percentile(pixels, (0.1, 99.9))))


def test_a_sample_is_close() -> None:
    pixels = np.random.default_rng(1).normal(1000, 50, (2048, 2048)).astype(np.float32)
    exact, sampled = limits_of(pixels, exact=True), limits_of(pixels)
    assert exact is not None
    assert sampled == pytest.approx(exact, rel=0.02)


def test_one_dead_bright_cell_does_not_blow_the_range() -> None:
    pixels = np.random.default_rng(1).integers(100, 200, (512, 512), np.uint16)
    pixels[:8, :8] = 65535
    limits = limits_of(pixels, exact=True)
    assert limits is not None
    assert limits[1] < 300


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "i2", "u4", "i8", "u8", "f2", "f4", "f8"])
def test_any_dtype(dtype: str) -> None:
    pixels = (np.arange(64 * 64).reshape(64, 64) % 2).astype(dtype)
    assert limits_of(pixels) == (0.0, 1.0)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf])
def test_a_plane_of_one_value_says_nothing(value: float) -> None:
    assert limits_of(np.full((32, 32), value, np.float32)) is None


def test_not_a_number_is_left_out() -> None:
    pixels = np.linspace(0, 1, 10_000, dtype=np.float64).reshape(100, 100)
    pixels[0] = np.nan
    pixels[1] = np.inf
    limits = limits_of(pixels)
    assert limits is not None
    assert np.isfinite(limits).all()


@pytest.mark.filterwarnings("error")
def test_the_span_of_the_limits_is_finite() -> None:
    largest = np.finfo(np.float64).max
    limits = limits_of(np.array([[-largest, 0.0], [1.0, largest]]), exact=True)
    assert limits is not None
    assert np.isfinite(8 * (limits[1] - limits[0]))  # napari spans a slider around them


def test_a_single_spot_on_black_is_seen() -> None:
    pixels = np.zeros((512, 512), np.uint16)
    pixels[3, 4] = 9
    assert limits_of(pixels, exact=True) == (0.0, 9.0)


def test_widening() -> None:
    assert widen(None, None) is None
    assert widen(None, (1, 2)) == (1, 2)
    assert widen((1, 2), None) == (1, 2)
    assert widen((1, 5), (0, 3)) == (0, 5)
