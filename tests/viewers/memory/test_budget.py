"""Sizes as people write them."""

from __future__ import annotations

import psutil
import pytest

from coverslip.viewers.memory import default_budget, parse_size
from coverslip.viewers.words import format_binary_size, format_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 << 30),
        ("4 GiB", 4 << 30),
        ("2.5g", 5 << 29),
        ("512M", 512 << 20),
        ("500MB", 500_000_000),
        ("1tb", 10**12),
        (1 << 30, 1 << 30),
        ("1073741824", 1 << 30),
    ],
)
def test_a_size_is_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "4 GiBs", "-1GiB", "1e9", "GiB", "0", "63MiB"])
def test_what_is_no_size_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match=r"4GiB|64"):
        parse_size(text)


@pytest.mark.parametrize("text", ["2000TB", "9" * 400, "1" * 30])
def test_more_than_any_machine_has_is_a_slip_of_the_pen(text: str) -> None:
    with pytest.raises(ValueError, match="any machine"):
        parse_size(text)


def test_by_default_half_of_what_is_free_is_left() -> None:
    budget = default_budget()
    assert 64 << 20 <= budget <= 4 << 30
    assert budget <= max(64 << 20, 0.6 * psutil.virtual_memory().available)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1_234_567, "1.23 MB"), (12e9, "12 GB"), (30e12, "30 TB")],
)
def test_a_size_is_written_short(size: int, text: str) -> None:
    assert format_size(int(size)) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(20_000, "19.5 KiB"), (1 << 30, "1 GiB"), (2 * 10**10, "18.63 GiB"), (5, "5 B")],
)
def test_a_budget_is_said_as_it_is_given(size: int, text: str) -> None:
    assert format_binary_size(size) == text
