"""Which plate a plane is of: the folder that was named."""

from __future__ import annotations

from pathlib import Path

import pytest

from coverslip.viewers.parsers import list_planes
from coverslip.viewers.parsers.plate import names_apart, plate_folder, with_plates

NAME = "x_A01_s1_w1.tif"


def touch(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def plates_of(*named: Path, pattern: str | None = None) -> list[object]:
    listing = with_plates(list_planes(named, pattern=pattern), named)
    return [plane.components.get("plate") for plane in listing.planes]


def test_each_folder_that_is_named_is_a_plate(tmp_path: Path) -> None:
    touch(tmp_path, f"one/{NAME}", f"two/TimePoint_1/{NAME}")
    assert plates_of(tmp_path / "one", tmp_path / "two") == ["one", "two"]
    assert plates_of(tmp_path) == [tmp_path.name] * 2


def test_files_that_are_named_by_themselves_are_of_the_folder_that_holds_them_all(
    tmp_path: Path,
) -> None:
    files = touch(tmp_path, f"one/A01/{NAME}", "one/A02/x_A02_s1_w1.tif")
    (other,) = touch(tmp_path, f"two/{NAME}")
    assert plates_of(*files) == ["one", "one"]
    assert plates_of(*files, other.parent) == ["one", "one", "two"]


def test_namesakes_are_told_apart_by_the_folders_above(tmp_path: Path) -> None:
    touch(tmp_path, f"may/plate/{NAME}", f"june/plate/{NAME}")
    assert plates_of(tmp_path / "may/plate", tmp_path / "june/plate") == ["may/plate", "june/plate"]
    assert names_apart([]) == {}


def test_two_plates_named_together_take_no_place_of_each_other(tmp_path: Path) -> None:
    touch(tmp_path, f"one/{NAME}", f"two/{NAME}")
    named = [tmp_path / "one", tmp_path / "two"]
    assert with_plates(list_planes(named), named).same_place() == ()
    assert len(with_plates(list_planes([tmp_path]), [tmp_path]).same_place()) == 1


@pytest.mark.parametrize("within", ["TimePoint_1", "ZStep_3", "TimePoint_2/ZStep_10", "Images"])
def test_the_folders_within_a_plate_are_none(tmp_path: Path, within: str) -> None:
    (file,) = touch(tmp_path, f"P7/{within}/{NAME}")
    assert plate_folder(file.parent) == tmp_path / "P7"
    assert plates_of(file.parent) == plates_of(file) == ["P7"]


def test_a_relative_folder_has_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, f"P7/{NAME}", "P8/readme")
    monkeypatch.chdir(tmp_path / "P7")
    assert plates_of(Path()) == plates_of(Path(NAME)) == ["P7"]
    monkeypatch.chdir(tmp_path / "P8")
    assert plates_of(Path("../P7")) == ["P7"]


def test_what_has_no_well_is_of_no_plate_and_a_name_may_say_it(tmp_path: Path) -> None:
    touch(tmp_path, "B12_c3.tif")
    assert plates_of(tmp_path, pattern="{image}_c{channel:d}.tif") == [None]
    assert plates_of(tmp_path, pattern="{plate}_{well}.tif") == ["B12"]
