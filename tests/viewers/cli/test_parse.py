"""`parse`: what `view` would send, from names and metadata alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.viewers.cli.program import Command, Ended
from tests.viewers.plates import ngff


def told(done: Ended) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(done.out)
    return read


def write(path: Path, *shape: int, **options: Any) -> None:
    tifffile.imwrite(path, np.zeros(shape, np.uint16), photometric="minisblack", **options)


def test_a_table_of_files_and_one_of_components(command: Command, tmp_path: Path) -> None:
    for well in ("A2", "A10"):
        for z in range(1, 14):
            write(tmp_path / f"{well}_z{z}.tif", 5, 7)
    done = command("parse", tmp_path, "--pattern", "{well}_z{z_index:d}.tif")
    assert (done.status, "Traceback" in done.err) == (0, False)
    assert "26 planes, as pattern reads them, all of 5 x 7 uint16" in done.out
    lines = done.out.splitlines()
    assert [line.split()[1::2] for line in lines if "A2_z1.tif" in line] == [
        ["A2_z1.tif", "A2", "1"]
    ]
    assert "… and 6 more (--all prints them" in done.err
    (well,) = [line for line in lines if line.startswith("│ well")]
    assert well.split()[1:] == ["well", "│", "2", "│", "A2,", "A10", "│"]
    assert any("1, 2, 3, 4, …, 13" in line for line in lines if line.startswith("│ z_index"))
    assert "more (--all" not in command("parse", tmp_path, "--all", "--pattern", "{a}.tif").err


def test_what_all_have_in_common_is_said_once(command: Command, tmp_path: Path) -> None:
    for name in ("a_A01_s1_w1.tif", "a_A01_s1_w2.tif", "ZStep_1/a_A01_s1_w1.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, 5, 7)
    lines = command("parse", tmp_path).out.splitlines()
    (heads,) = [line.split()[1::2] for line in lines if line.startswith("┃ file")]
    assert heads == ["file", "channel", "z_index"], "not all files have a z"
    assert any(line.split()[1:2] == ["plate"] for line in lines)


def test_json_has_everything(command: Command, tmp_path: Path) -> None:
    write(
        tmp_path / "a.ome.tif",
        2,
        3,
        5,
        7,
        metadata={
            "axes": "CZYX",
            "Channel": {"Name": ["DAPI", "GFP"]},
            "PhysicalSizeX": 0.5,
            "PhysicalSizeXUnit": "µm",
        },
    )
    (tmp_path / "b.ome.tif").write_bytes(b"no TIFF")
    (tmp_path / "overview.tif").touch()
    done = command("parse", tmp_path, "--json")
    assert done.status == 1
    found = told(done)
    assert found["files"] == [
        {
            "path": str(tmp_path / "a.ome.tif"),
            "components": {"image": "a", "channel": ["DAPI", "GFP"], "z_index": [0, 1, 2]},
            "planes": 6,
            "shape": [5, 7],
            "dtype": "uint16",
            "scale": {"x": 0.5},
            "unit": "um",
        }
    ]
    assert (found["parser"], found["planes"]) == ("ome", 6)
    assert found["unreadable"] == {str(tmp_path / "b.ome.tif"): "this is no TIFF file"}
    assert found["unknown"] == [str(tmp_path / "overview.tif")]


@pytest.mark.extra
@pytest.mark.usefixtures("zarr_threads")
def test_ome_zarr_one_row_an_image(command: Command, tmp_path: Path) -> None:
    fields = {("B", "3"): [np.zeros((2, 8, 9), np.uint8)] * 2}
    ngff.write_plate(tmp_path / "p.zarr", fields, "zyx", "0.5", levels=2)
    found = told(command("parse", tmp_path / "p.zarr", "--json"))
    assert [(row["components"]["site"], row["planes"]) for row in found["files"]] == [
        (0, 2),
        (1, 2),
    ]
    assert found["files"][0]["scale"] == {"z_index": 2.0, "y": 0.325, "x": 0.325}
    smaller = command("parse", tmp_path / "p.zarr", "--level", 1)
    assert "4 planes, as ome-zarr reads them, all of 4 x 5 uint8" in smaller.out
    assert "distance of neighbours: z_index 2, y 0.65, x 0.65 um" in smaller.out

    refused = command("parse", tmp_path / "p.zarr", "--level", 2)
    assert refused.status == 2
    assert "no resolution level 2; there are 0 (8 x 9), 1 (4 x 5)" in refused.error
    above = command("parse", tmp_path)
    assert above.status == 2
    assert f"shown when it is named: {tmp_path / 'p.zarr'}" in above.error


def test_a_level_of_what_has_none(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "x_A01_s1_w1.tif", 5, 7)
    done = command("parse", tmp_path, "--level", 1)
    assert done.status == 2
    assert "--level is for OME-Zarr" in done.error


def test_a_parser_that_is_not_there(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "x_A01_s1_w1.tif", 5, 7)
    done = command("parse", tmp_path, "--parser", "odd")
    assert done.status == 2
    assert "no parser is called 'odd'; there are imagexpress, metaxpress" in done.error


def test_names_are_whole_in_a_narrow_terminal_and_in_a_pipe(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{'long' * 30}_A01_s{site}_w1.tif" for site in (1, 2)]
    for name in names:
        write(tmp_path / name, 5, 7)
    monkeypatch.setenv("COLUMNS", "80")
    lines = command("parse", tmp_path).out.splitlines()
    cells = [line.split("│")[1].strip() for line in lines if line.count("│") == 3]
    assert "".join(cells) == "".join(names)
    monkeypatch.delenv("COLUMNS")
    lines = command("parse", tmp_path).out.splitlines()
    assert all(any(name in line for line in lines) for name in names)


def test_one_plane_is_it(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "x_A01_s1_w1.tif", 5, 7)
    assert "1 plane, as imagexpress reads it, all of" in command("parse", tmp_path).out


def test_two_folders_that_are_taken_as_one_plate_are_named(
    command: Command, tmp_path: Path
) -> None:
    for number, name in enumerate(("P1/TimePoint_1", "P1/TimePoint_2", "P2"), start=1):
        (tmp_path / name).mkdir(parents=True)
        tifffile.imwrite(tmp_path / name / f"x_A0{number}_s1_w1.tif", np.zeros((4, 6), np.uint8))
    assert "taken as one plate" not in command("parse", tmp_path / "P1").err
    said = command("parse", tmp_path).err
    assert f"2 folders were taken as one plate, {tmp_path.name}: P1, P2; where" in said
    assert "taken as one plate" not in command("parse", tmp_path / "P1", tmp_path / "P2").err
