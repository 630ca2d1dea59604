"""Names of each instrument, as its own software writes them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverslip.payload import natural_key
from coverslip.viewers.parsers import get_parser, list_planes, parse_files, parse_path, well_name


def read(parser: str, path: str) -> dict[str, object] | None:
    found = get_parser(parser).parse(PurePosixPath(path))
    return None if found is None else dict(found)


@pytest.mark.parametrize(
    ("parser", "path", "expected"),
    [
        (
            "opera_phenix",
            "Images/r01c02f03p04-ch1sk1fk1fl1.tiff",
            {"well": "A02", "site": 3, "timepoint": 1, "channel": 1, "z_index": 4}
            | {"fast_frame": 1, "lifetime": 1},
        ),
        (
            "opera_phenix",
            "r27c48f100p010-ch12sk003fk2fl1.tiff",
            {"well": "AA48", "site": 100, "timepoint": 3, "channel": 12, "z_index": 10}
            | {"fast_frame": 2, "lifetime": 1},
        ),
        (
            "opera_phenix",
            "r01c01f001p02-ch1.tiff",
            {"well": "A01", "site": 1, "channel": 1, "z_index": 2},
        ),
        ("opera_phenix", "r00c01f001p02-ch1.tiff", None),
        ("opera_phenix", "r01c01f01-ch1sk1fk1fl1.tiff", None),
        ("opera_phenix", "r01c01f01p01-ch1sk1fk1fl1.png", None),
        (
            "operetta",
            "002003-1-001004002.tif",
            {"well": "B03", "site": 1, "timepoint": 1, "channel": 2, "z_index": 4},
        ),
        ("operetta", "000003-1-001004002.tif", None),
        ("operetta", "02003-1-001004002.tif", None),
        (
            "cv8000",
            "AssayPlate_Greiner_#655090_D08_T0001F002L01A01Z03C01.tif",
            {"well": "D08", "site": 2, "timepoint": 1, "channel": 1, "z_index": 3}
            | {"timeline": 1, "action": 1},
        ),
        (
            "cv8000",
            "AA01_T0012F100L02A03Z10C04.tif",
            {"well": "AA01", "site": 100, "timepoint": 12, "channel": 4, "z_index": 10}
            | {"timeline": 2, "action": 3},
        ),
        ("cv8000", "SC_BP445-45_40x_M10_CH01.tif", None),
        ("cv8000", "MeasurementData.mlf", None),
        ("metaxpress", "A01_s1_w2.tif", {"well": "A01", "site": 1, "channel": 2}),
        (
            "metaxpress",
            "Plate_1_B10_s2_w1_t3_z4.TIF",
            {"well": "B10", "site": 2, "timepoint": 3, "channel": 1, "z_index": 4},
        ),
        (
            "metaxpress",
            "timepoint1/Protocol_t1_C05_s0_w0_z2.tif",
            {"well": "C05", "site": 0, "timepoint": 1, "channel": 0, "z_index": 2},
        ),
        (
            "metaxpress",
            "TimePoint_2/ZStep_3/A01_s1_w1.tif",
            {"well": "A01", "site": 1, "timepoint": 2, "channel": 1, "z_index": 3},
        ),
        ("metaxpress", "A01_s1_w1_z3_thumb.tif", None),
        ("metaxpress", "A01_s1.tif", None),
        ("ome", "a/nuclei.scan.ome.tiff", {"image": "nuclei.scan"}),
        ("ome", "nuclei.tif", None),
    ],
)
def test_names(parser: str, path: str, expected: dict[str, object] | None) -> None:
    assert read(parser, path) == expected


def test_what_is_no_plane_is_known() -> None:
    correction = PurePosixPath("DC_sCMOS #1_CAM1.tif")
    assert get_parser("cv8000").leaves_out(correction)
    assert not get_parser("cv8000").leaves_out(PurePosixPath("DC_A01_T0001F002L01A01Z03C01.tif"))
    assert get_parser("metaxpress").leaves_out(PurePosixPath("A01_s1_w1_z3_thumb.tif"))


PLACES = st.fixed_dictionaries(
    {
        "row": st.integers(1, 48),
        "column": st.integers(1, 72),
        "site": st.integers(1, 999),
        "timepoint": st.integers(1, 999),
        "channel": st.integers(1, 99),
        "z_index": st.integers(1, 999),
    }
)
WRITERS = {
    "opera_phenix": "r{row:02d}c{column:02d}f{site:02d}p{z_index:02d}-ch{channel}sk{timepoint}"
    "fk1fl1.tiff",
    "operetta": "{row:03d}{column:03d}-{site}-{timepoint:03d}{z_index:03d}{channel:03d}.tif",
    "cv8000": "plate_{well}_T{timepoint:04d}F{site:03d}L01A01Z{z_index:02d}C{channel:02d}.tif",
    "metaxpress": "plate_{well}_s{site}_w{channel}_t{timepoint}_z{z_index}.tif",
}


@pytest.mark.parametrize("parser", WRITERS)
@given(place=PLACES)
def test_what_an_instrument_writes_is_read_by_its_parser_and_by_no_other(
    parser: str, place: dict[str, int]
) -> None:
    well = well_name(place["row"], place["column"])
    name = WRITERS[parser].format(**place, well=well)
    found = parse_path(Path(name), parser)
    shared = ("site", "timepoint", "channel", "z_index")
    assert found == {"well": well} | {key: place[key] for key in shared}
    assert parse_path(Path(name)) == found
    for other in WRITERS.keys() - {parser}:
        assert read(other, name) is None


def test_well_names() -> None:
    names = [well_name(row, column) for row in range(1, 33) for column in range(1, 49)]
    assert len(set(names)) == 1536
    assert (names[0], names[-1]) == ("A01", "AF48")
    assert sorted(names, key=natural_key) == names
    with pytest.raises(ValueError, match="counted from 1"):
        well_name(0, 1)


def test_components_that_no_plane_needs_are_left_out(tmp_path: Path) -> None:
    def names(*actions: tuple[int, int]) -> list[Path]:
        return [
            tmp_path / f"p_A01_T0001F001L01A{action:02d}Z01C{channel:02d}.tif"
            for action, channel in actions
        ]

    parser = get_parser("cv8000")
    # Each channel has an action of its own: the channel says it.
    listing = parse_files(names((1, 1), (2, 2)), parser)
    assert listing.spared == ("action", "timeline")
    assert [list(plane.components) for plane in listing.planes] == [
        ["well", "site", "timepoint", "channel", "z_index"]
    ] * 2
    # One channel is taken by two actions: without it, one would hide the other.
    listing = parse_files(names((1, 1), (2, 1)), parser)
    assert listing.spared == ("timeline",)
    assert [plane.components["action"] for plane in listing.planes] == [1, 2]
    assert listing.same_place() == ()


def test_a_fast_series_has_its_frames(tmp_path: Path) -> None:
    for frame in (1, 2):
        (tmp_path / f"r01c01f01p01-ch1sk1fk{frame}fl1.tiff").touch()
    listing = list_planes([tmp_path])
    assert (listing.parser, listing.spared) == ("opera_phenix", ("lifetime",))
    assert [plane.components["fast_frame"] for plane in listing.planes] == [1, 2]
