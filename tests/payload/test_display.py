"""How planes ask to be drawn: what is taken, and what is refused on both ends."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from coverslip.payload import (
    Batch,
    Display,
    Inline,
    InvalidMessage,
    Plane,
    Source,
    UnsupportedArray,
    as_source,
    decode,
    encode,
)

BAD: list[dict[str, Any]] = [
    {"contrast_limits": (5.0, 5.0)},
    {"contrast_limits": (math.nan, 1.0)},
    {"contrast_limits": (0.0, math.inf)},
    {"contrast_limits": (-1e308, 1e308)},
    {"opacity": 1.5},
    {"scale": {"x": 0.0}},
    {"scale": {"x": math.inf}},
    {"dimensions": {"well": "x"}},
    {"colormap": ""},
]


def batch_of(display: Display) -> Batch:
    plane = Plane(shape=(1, 2), dtype="|u1", pixels=Inline(frame=1))
    return Batch(stream="s", epoch=1, sequence=0, source=Source(display=display), planes=(plane,))


def test_a_display_travels() -> None:
    display = Display(
        colormap="green",
        contrast_limits=(0.0, 4095.0),
        scale={"z_index": 2.0, "y": 0.325, "x": 0.325},
        unit="µm",
        dimensions={"site": "t"},
    )
    source = as_source(display=display)
    assert source.display == display
    assert decode(encode(batch_of(display), [b"ab"])).source.display == display


@pytest.mark.parametrize(
    "words",
    [
        {"name": "\udcff"},
        {"step_name": "\udcff"},
        {"modes": {"\udcff": "slice"}},
        {"modes": {"well": "\udcff"}},
        {"display": Display(colormap="\udcff")},
        {"display": Display(unit="\udcff")},
        {"display": Display(scale={"\udcff": 1.0})},
    ],
    ids=ascii,
)
def test_text_that_is_no_unicode_is_refused_before_it_is_sent(words: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedArray, match=r"'\\udcff', which is not Unicode"):
        as_source(**words)


@pytest.mark.parametrize("settings", BAD, ids=str)
def test_what_makes_no_sense_is_refused_at_both_ends(settings: dict[str, Any]) -> None:
    display = msgspec.structs.replace(Display(), **settings)
    with pytest.raises(UnsupportedArray):
        as_source(display=display)
    with pytest.raises(InvalidMessage):
        decode(encode(batch_of(display), [b"ab"]))
