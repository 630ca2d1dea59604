"""Patterns read back what str.format writes."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverslip.viewers.errors import PatternError
from coverslip.viewers.parsers import get_parser
from coverslip.viewers.parsers.pattern import PatternParser

PATTERN = "{well}_s{site:d}_w{channel:d}_z{z_index:d}.tif"
WELLS = st.from_regex(r"[A-P][0-9]{1,2}", fullmatch=True)
NUMBERS = st.integers(-3, 10**6)


@given(well=WELLS, site=NUMBERS, channel=NUMBERS, z_index=NUMBERS)
def test_what_format_writes_is_read(well: str, site: int, channel: int, z_index: int) -> None:
    components = {"well": well, "site": site, "channel": channel, "z_index": z_index}
    path = PurePosixPath("folder", PATTERN.format(**components))
    assert PatternParser(PATTERN).parse(path) == components


@given(well=WELLS, time=st.floats(-1e6, 1e6), z_index=st.integers(0, 5000))
def test_widths_floats_and_folders(well: str, time: float, z_index: int) -> None:
    pattern = "t{time:f}/{well:s}/{z_index:03d}.tif"
    path = PurePosixPath("top", pattern.format(well=well, time=time, z_index=z_index))
    expected = {"time": float(f"{time:f}"), "well": well, "z_index": z_index}
    assert PatternParser(pattern).parse(path) == expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{well}.tif", "a/A01.tif", {"well": "A01"}),
        ("{well}.tif", "A01.tiff", None),
        ("{}_{well}.tif", "any_text_B02.tif", {"well": "text_B02"}),
        ("{}_{well:d}.tif", "any_text_12.tif", {"well": 12}),
        ("{well}/{well}_{z:d}.tif", "A01/A01_3.tif", {"well": "A01", "z": 3}),
        ("{well}/{well}_{z:d}.tif", "A01/A02_3.tif", None),
        ("{well}/{z:d}.tif", "3.tif", None),
        ("{z:03d}.tif", "12.tif", None),
        ("{z:03d}.tif", "1234.tif", {"z": 1234}),
        ("{{{z:d}}}.(x).tif", "{7}.(x).tif", {"z": 7}),
        ("{z:d}.tif", "x7.tif", None),
    ],
)
def test_examples(pattern: str, path: str, expected: dict[str, object] | None) -> None:
    assert PatternParser(pattern).parse(PurePosixPath(path)) == expected


def test_windows_folders() -> None:
    path = PureWindowsPath(r"C:\data\A01\7.tif")
    assert PatternParser("{well}/{z:d}.tif").parse(path) == {"well": "A01", "z": 7}


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("plain.tif", "names no component"),
        ("{}.tif", "names no component"),
        ("{well", "expected '}'"),
        ("{a.b}.tif", "'a.b' is no component's name"),
        ("{0}.tif", "'0' is no component's name"),
        ("{well!r}.tif", "!r cannot be read back"),
        ("{z:x}.tif", "neither text nor"),
        ("{y}_{well}.tif", "'y' is no component's name"),
        ("{z:099999999999d}.tif", "too large"),
    ],
)
def test_a_pattern_that_cannot_be_read_back(pattern: str, problem: str) -> None:
    with pytest.raises(PatternError, match=problem):
        PatternParser(pattern)


def test_the_registry_wants_a_pattern() -> None:
    with pytest.raises(PatternError, match="needs a pattern"):
        get_parser("pattern")
    assert isinstance(get_parser("pattern", "{well}.tif"), PatternParser)
