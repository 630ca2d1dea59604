"""Fluorophores have their colour; other channels take turns and keep what they got."""

from __future__ import annotations

import pytest

from coverslip.viewers.colors import CYCLE, ChannelColors


@pytest.mark.parametrize(
    ("channel", "color"),
    [
        (None, "gray"),
        ("DAPI", "bop blue"),
        ("Hoechst 33342", "bop blue"),
        ("w1 DAPI", "bop blue"),
        ("EGFP", "green"),
        ("Alexa 488", "green"),
        ("AF-568", "red"),
        ("mCherry", "red"),
        ("Texas Red", "red"),
        ("TRITC", "yellow"),
        ("Cy5", "magenta"),
        ("far red", "magenta"),
        ("Brightfield", "gray"),
        ("w1", "bop blue"),
        ("w2", "green"),
        ("Channel 3", "magenta"),
        (4, "yellow"),
    ],
)
def test_known_names_and_numbers(channel: str | int | None, color: str) -> None:
    assert ChannelColors().color(channel) == color


def test_a_number_s_colour_does_not_depend_on_what_came_before() -> None:
    forwards, backwards = ChannelColors(), ChannelColors()
    names = [f"w{number}" for number in range(1, 7)]
    assert [forwards.color(n) for n in names] == [backwards.color(n) for n in names[::-1]][::-1]
    assert len({forwards.color(n) for n in names}) == len(CYCLE)


def test_names_without_number_take_unused_colours_and_keep_them() -> None:
    colors = ChannelColors()
    names = [f"stain {letter}" for letter in "abcdef"]
    first = [colors.color(name) for name in names]
    assert sorted(first) == sorted(CYCLE)
    assert [colors.color(name) for name in reversed(names)] == first[::-1]
    assert colors.color("a seventh") in CYCLE


def test_every_colour_is_a_colormap_of_napari_s() -> None:
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    assert set(CYCLE) <= set(AVAILABLE_COLORMAPS)
    assert {"gray"} <= set(AVAILABLE_COLORMAPS)
