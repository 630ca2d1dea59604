"""How large a window's place on the screen is; no Java is started here."""

from __future__ import annotations

import pytest

from coverslip.viewers.fiji.tiling import cell


@pytest.mark.parametrize(
    ("number", "size"),
    [(1, (1400, 1000)), (2, (700, 1000)), (4, (700, 500)), (6, (466, 500)), (8, (350, 500))],
)
def test_as_many_as_there_are_fill_the_screen(number: int, size: tuple[int, int]) -> None:
    assert cell(number, (1400, 1000)) == size
