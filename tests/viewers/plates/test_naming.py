"""Names that come one after another, read by one parser that the first of them chose."""

from __future__ import annotations

from pathlib import Path

import pytest

from coverslip.viewers.errors import NoParserMatches
from coverslip.viewers.parsers import candidates
from coverslip.viewers.plates.naming import Naming

FOLDER = Path("/plate")
FIRST = FOLDER / "p_A01_T0001F001L01A01Z01C01.tif"
SECOND = FOLDER / "p_A01_T0001F001L01A02Z01C02.tif"


def test_the_first_names_choose_and_the_choice_is_kept() -> None:
    naming = Naming(candidates(), "P1")
    naming.learn([FIRST, SECOND])
    assert naming.parser is not None
    assert naming.parser.name == "cv8000"
    naming.learn([FOLDER / f"r01c01f01p{z:02d}-ch1.tiff" for z in range(10)])
    assert naming.parser.name == "cv8000"
    assert naming.read(SECOND) == {
        "plate": "P1",
        "well": "A01",
        "site": 1,
        "timepoint": 1,
        "channel": 2,
        "z_index": 1,
    }
    assert naming.read(FOLDER / "r01c01f01p01-ch1.tiff") is None
    assert naming.unknown == {FOLDER / "r01c01f01p01-ch1.tiff"}


def test_names_that_nobody_reads_wait_for_others_to_tell() -> None:
    naming = Naming(candidates(), "P1")
    with pytest.raises(NoParserMatches):
        naming.learn([FOLDER / "overview.tif"])
    assert naming.read(FOLDER / "overview.tif") is None
    naming.learn([FIRST])
    assert naming.read(FIRST) is not None
    assert naming.read(FOLDER / "DC_camera.tif") is None
    assert naming.unknown == {FOLDER / "overview.tif"}
    assert naming.left_out == {FOLDER / "DC_camera.tif"}


def test_two_files_of_one_place_are_noted_once() -> None:
    naming = Naming(candidates(), "P1")
    naming.learn([FIRST])
    copy = FOLDER / "copy" / FIRST.name
    for path in (FIRST, copy, copy, FIRST):
        naming.read(path)
    assert naming.same_place == {copy: FIRST}
