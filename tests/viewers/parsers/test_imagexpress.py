"""ImageXpress names, made up and real."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverslip.viewers.parsers import get_parser, list_planes
from coverslip.viewers.parsers.imagexpress import ImageXpressParser

PARSER = ImageXpressParser()


def test_the_channel_is_the_digit_before_the_uuid() -> None:
    path = PurePosixPath(
        "1334/ZStep_10/Projection-Mix_E07_s1_w11D01380B-E7DA-4C09-A343-EDA3D235D808.tif"
    )
    expected = {"well": "E07", "site": 1, "channel": 1, "z_index": 10}
    assert PARSER.parse(path) == expected
    assert not PARSER.leaves_out(path)


def test_a_thumbnail_is_known_and_left_out() -> None:
    path = PurePosixPath(
        "1334/Projection-Mix_E07_s1_w1_thumb4BFD4018-E675-475E-B5AB-2E959E6B6DA1.tif"
    )
    assert PARSER.parse(path) is None
    assert PARSER.leaves_out(path)


@pytest.mark.parametrize(
    "name",
    [
        "image.tif",
        "x_C07_s1.tif",
        "x_C07_s1_w1.png",
        "x_C07_s1_wA.tif",
        "_C07_s1_w1.tif",
        "x_c07_s1_w1.tif",
    ],
)
def test_other_names_are_not_its_own(name: str) -> None:
    assert PARSER.parse(PurePosixPath(name)) is None
    assert not PARSER.leaves_out(PurePosixPath(name))


def test_the_innermost_folder_counts() -> None:
    path = PurePosixPath("ZStep_3/copies/TimePoint_2/ZStep_11/x_A01_s2_w3.TIF")
    expected = {"well": "A01", "site": 2, "timepoint": 2, "channel": 3, "z_index": 11}
    assert PARSER.parse(path) == expected


@given(
    prefix=st.text(
        st.characters(whitelist_categories=("L", "N"), whitelist_characters="_- ."), min_size=1
    ),
    row=st.sampled_from("ABCDEFGHIJKLMNOP"),
    column=st.integers(1, 24),
    site=st.integers(1, 400) | st.none(),
    channel=st.integers(1, 12),
    uuid=st.uuids() | st.none(),
    timepoint=st.integers(1, 5000) | st.none(),
    z_index=st.integers(1, 500) | st.none(),
)
def test_what_is_written_is_read(
    prefix: str,
    row: str,
    column: int,
    site: int | None,
    channel: int,
    uuid: UUID | None,
    timepoint: int | None,
    z_index: int | None,
) -> None:
    well = f"{row}{column:02d}"
    folders = [] if timepoint is None else [f"TimePoint_{timepoint}"]
    folders += [] if z_index is None else [f"ZStep_{z_index}"]
    name = f"{prefix}_{well}" + ("" if site is None else f"_s{site}") + f"_w{channel}"
    name += "" if uuid is None else str(uuid).upper()
    path = PurePosixPath("plate", *folders, f"{name}.tif")
    given_values = {
        "well": well,
        "site": site,
        "timepoint": timepoint,
        "channel": channel,
        "z_index": z_index,
    }
    expected = {key: value for key, value in given_values.items() if value is not None}
    assert PARSER.parse(path) == expected


@pytest.mark.plates
def test_the_plate_of_two_wells(plates: Path) -> None:
    listing = list_planes([plates / "imagexpress-2wells-4channels"])
    assert (listing.parser, len(listing.planes), listing.left_out) == ("imagexpress", 96, 96)
    assert listing.unknown == ()
    components = [plane.components for plane in listing.planes]
    assert len({tuple(sorted(c.items())) for c in components}) == 96
    assert {c["well"] for c in components} == {"E07", "E08"}
    assert {c["site"] for c in components} == {1, 2}
    # Ragged: w1 and w2 in all ten steps and as projections, w3 projections alone, w4 one step.
    steps = Counter((c["channel"], "z_index" in c) for c in components)
    assert steps == {(1, True): 40, (2, True): 40, (4, True): 4} | {
        (1, False): 4,
        (2, False): 4,
        (3, False): 4,
    }
    assert [c["z_index"] for c in components if "z_index" in c] == sorted(
        c["z_index"] for c in components if "z_index" in c
    )


@pytest.mark.plates
def test_the_time_lapse(plates: Path) -> None:
    listing = list_planes([plates / "imagexpress-1well-timelapse"], parser="imagexpress")
    found = {tuple(plane.components.items()) for plane in listing.planes}
    assert found == {
        (("well", "C07"), ("site", site), ("timepoint", time), ("channel", channel))
        for site in (1, 2)
        for time in (1, 2)
        for channel in (1, 2, 3)
    }
    assert (len(listing.planes), listing.left_out, listing.unknown) == (12, 0, ())


@pytest.mark.plates
def test_a_relative_path_keeps_its_folders(plates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plates / "imagexpress-1well-timelapse" / "2024-04-22" / "1697" / "TimePoint_2"
    monkeypatch.chdir(folder)
    listing = list_planes(sorted(Path().glob("*.tif")), parser="imagexpress")
    assert {plane.components["timepoint"] for plane in listing.planes} == {2}


def test_the_registry_gives_it() -> None:
    assert isinstance(get_parser("imagexpress"), ImageXpressParser)
