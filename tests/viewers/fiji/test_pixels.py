"""Every dtype in one of ImageJ's four types: nothing is cut, nothing wraps, a loss is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coverslip.viewers.fiji.pixels import convert


@pytest.mark.parametrize("code", ["u1", "<u2", ">u2", "<f4", ">f4"])
def test_imagej_s_own_types_stay_in_either_byte_order(code: str) -> None:
    pixels = np.arange(200, dtype=code).reshape(10, 20)
    held, lost = convert(pixels, rgb=False)
    assert held.dtype == np.dtype(code).newbyteorder("<")
    assert np.array_equal(held, pixels)
    assert not lost


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.float16])
def test_small_types_lose_nothing(dtype: Any) -> None:
    info = np.iinfo(dtype) if np.dtype(dtype).kind == "i" else np.finfo(dtype)
    pixels = np.array([[info.min, 0, info.max]], dtype)
    held, lost = convert(pixels, rgb=False)
    assert held.dtype == "<f4"
    assert (held == pixels).all()
    assert not lost


def test_bool_is_a_mask_as_imagej_has_them() -> None:
    held, lost = convert(np.array([[True, False]]), rgb=False)
    assert held.dtype == np.uint8
    assert held.tolist() == [[255, 0]]
    assert not lost


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.uint64, np.int64, np.float64])
def test_large_types_say_how_many_pixels_were_rounded(dtype: Any) -> None:
    exact = np.array([[0, 1, 2**24]], dtype)
    assert convert(exact, rgb=False).lost == ""
    beyond = np.array([[0, 2**24 + 1, 2**25 + 1]], dtype)
    held, lost = convert(beyond, rgb=False)
    assert "2 of 3 pixels" in lost
    assert held[0, 0] == 0
    assert np.allclose(held, beyond.astype(np.float64), rtol=1e-6)


def test_int32_labels_do_not_wrap() -> None:
    labels = np.array([[32_767, 32_768, 70_000, -5]], np.int32)
    held, lost = convert(labels, rgb=False)
    assert held.tolist() == labels.tolist()
    assert not lost


def test_int64_beyond_what_float64_holds_is_counted() -> None:
    assert "1 of 1" in convert(np.array([[2**53 + 1]]), rgb=False).lost


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_the_ends_of_a_type_neither_wrap_nor_pass_for_exact(dtype: Any) -> None:
    info = np.iinfo(dtype)
    held, lost = convert(np.array([[info.min, info.max]], dtype), rgb=False)
    # The lowest is a power of two or zero; the highest is rounded up to one.
    assert held.tolist() == [[float(info.min), 2.0 ** int(info.max).bit_length()]]
    assert "1 of 2" in lost


def test_whole_numbers_that_fit_are_not_warned_of_however_large() -> None:
    assert convert(np.array([[2**60, -(2**62), 3 * 2**50]]), rgb=False).lost == ""
    assert "1 of 1" in convert(np.array([[2**60 + 1]]), rgb=False).lost


def test_what_becomes_infinite_is_said() -> None:
    held, lost = convert(np.array([[1e300, -1e300, 0.1, 0.5]]), rgb=False)
    assert held[0, :2].tolist() == [np.inf, -np.inf]
    assert "3 of 4 pixels were rounded, 2 of them to infinity" in lost


@pytest.mark.parametrize(
    ("pixel", "dtype", "packed", "lost"),
    [
        ((-0.5, np.nan, 7.0), np.float32, 0xFF0000FF, "3 of 3 values lay outside of 0 to 1"),
        ((-5, 0, 127), np.int8, 0xFF0000FF, "1 of 3 values lay outside of 0 to 127"),
    ],
)
def test_colours_outside_of_their_span_are_counted(
    pixel: tuple[Any, ...], dtype: Any, packed: int, lost: str
) -> None:
    held, said = convert(np.array([[pixel]], dtype), rgb=True)
    assert held.tolist() == [[packed]]
    assert lost in said


def test_nan_and_infinity_stay() -> None:
    held, lost = convert(np.array([[np.nan, np.inf, -np.inf]]), rgb=False)
    assert np.isnan(held[0, 0])
    assert held[0, 1:].tolist() == [np.inf, -np.inf]
    assert not lost
    assert "1 of 1" in convert(np.array([[1e300]]), rgb=False).lost


def test_rgb_is_packed_as_imagej_has_it() -> None:
    colors = np.array([[[1, 2, 3], [255, 0, 128]]], np.uint8)
    held, lost = convert(colors, rgb=True)
    assert held.tolist() == [[0xFF010203, 0xFFFF0080]]
    assert not lost


@pytest.mark.parametrize(
    ("pixel", "dtype", "packed", "lost"),
    [
        ((0.0, 0.5, 2.0), np.float64, 0xFF0080FF, "rounded to 8 bit"),
        ((0, 0x8000, 0xFFFF), np.uint16, 0xFF0080FF, "scaled to 8 bit"),
        ((True, False, True), np.bool_, 0xFFFF00FF, ""),
        ((1, 2, 3, 255), np.uint8, 0xFF010203, ""),
        ((1, 2, 3, 7), np.uint8, 0xFF010203, "transparency"),
    ],
)
def test_other_rgb_is_scaled_and_says_so(
    pixel: tuple[Any, ...], dtype: Any, packed: int, lost: str
) -> None:
    held, said = convert(np.array([[pixel]], dtype), rgb=True)
    assert held.tolist() == [[packed]]
    assert (lost in said) if lost else not said
