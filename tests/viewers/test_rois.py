"""ImageJ's regions of interest, files and bytes, both ways."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile

from coverslip.payload import InvalidMessage, ShapeType, UnsupportedArray
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.rois import outlines, read_records, write_rois

POLYGON = np.array([[10.25, 20.5], [10, 40], [30.75, 42], [28, 19]])
BOX: Any = [[2, 3], [2, 13], [8, 13], [8, 3]]
TILTED = [[0, 5], [5, 10], [10, 5], [5, 0]]


def test_shapes_written_are_read_again(tmp_path: Path) -> None:
    shapes: list[Any] = [POLYGON, POLYGON, BOX, BOX, BOX[:2]]
    types = ["polygon", "path", "rectangle", "ellipse", "line"]
    write_rois(tmp_path / "cells.zip", shapes, types, names=list("abcde"))
    records = read_records(tmp_path / "cells.zip")
    assert [roifile.ImagejRoi.frombytes(record).name for record in records] == list("abcde")
    found = outlines(records)
    line = ShapeType.PATH  # a line's ends are a path's
    assert [shape.type for shape in found] == [*(ShapeType[t.upper()] for t in types[:4]), line]
    for shape, given in zip(found, shapes, strict=True):
        assert np.allclose(shape.vertices, given, atol=1e-4)


def test_a_damaged_archive_is_no_file_of_regions(tmp_path: Path) -> None:
    path = tmp_path / "cells.zip"
    write_rois(path, [POLYGON])
    damaged = bytearray(path.read_bytes())
    start = 30 + len("0001.roi")  # after the member's header, whose name has no extra field
    damaged[start : start + 8] = b"\xff" * 8
    path.write_bytes(damaged)
    with pytest.raises(UnreadableImage, match=r"cells\.zip"):
        read_records(path)


def test_regions_of_one_name_are_all_kept(tmp_path: Path) -> None:
    write_rois(tmp_path / "cells.zip", [POLYGON] * 3, names=["cell", "cell", "cell"])
    with zipfile.ZipFile(tmp_path / "cells.zip") as archive:
        assert archive.namelist() == ["cell.roi", "cell-1.roi", "cell-2.roi"]


def test_names_of_regions_are_names_of_files(tmp_path: Path) -> None:
    names = ["../../up", "/root", "C:\\x", "two\nlines", "..", "", "a", "a", "a-1", "A", "µ" * 300]
    write_rois(tmp_path / "cells.zip", [POLYGON] * len(names), names=names)
    with zipfile.ZipFile(tmp_path / "cells.zip") as archive:
        members = archive.namelist()
    assert members[:6] == [
        "_.._up.roi",
        "_root.roi",
        "C__x.roi",
        "two_lines.roi",
        "0005.roi",
        "0006.roi",
    ]
    assert members[6:10] == ["a.roi", "a-1.roi", "a-1-1.roi", "A-2.roi"]
    assert len(members[10].encode()) < 255
    records = read_records(tmp_path / "cells.zip")
    assert [roifile.ImagejRoi.frombytes(record).name for record in records] == names


def test_imagej_s_own_numbers() -> None:
    """ImageJ counts an area's corners from the pixel's upper left corner."""
    roi = roifile.ImagejRoi.frompoints([[5, 7], [9, 7], [9, 12], [5, 12]])
    (shape,) = outlines([roi.tobytes()])
    assert shape.vertices.min(axis=0).tolist() == [6.5, 4.5]
    assert shape.vertices.max(axis=0).tolist() == [11.5, 8.5]


def test_points_are_crosses_at_their_pixel() -> None:
    roi = roifile.ImagejRoi.frompoints([[5.0, 7.0], [50.0, 70.0]])
    roi.roitype = roifile.ROI_TYPE.POINT
    found = outlines([roi.tobytes()])
    assert [shape.vertices.mean(axis=0).tolist() for shape in found] == [[7, 5], [70, 50]]


def test_a_tilted_ellipse_is_written_as_its_outline(tmp_path: Path) -> None:
    write_rois(tmp_path / "one.roi", [TILTED], "ellipse")
    (shape,) = outlines(read_records(tmp_path / "one.roi"))
    radii = np.linalg.norm(shape.vertices - [5, 5], axis=1)
    assert np.allclose(radii, 5 / np.sqrt(2), atol=1e-3)


def test_one_region_in_whatever_form(tmp_path: Path) -> None:
    roi = roifile.ImagejRoi.frompoints(POLYGON)
    file = tmp_path / "one.roi"
    file.write_bytes(roi.tobytes())
    for given in (file, str(file), roi, roi.tobytes(), [roi], [roi.tobytes()]):
        assert read_records(given) == [roi.tobytes()]


@pytest.mark.parametrize("given", [7, [7], object(), [None], {"a": 1}])
def test_what_is_no_region(given: Any) -> None:
    with pytest.raises(UnsupportedArray, match="no region"):
        read_records(given)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"none\.zip"):
        read_records(tmp_path / "none.zip")
    write_rois(tmp_path / "cells.zip", [POLYGON])
    data = bytearray((tmp_path / "cells.zip").read_bytes())
    data[40:80] = bytes(40)
    (tmp_path / "broken.zip").write_bytes(data)
    with pytest.raises(UnreadableImage, match=r"broken\.zip"):
        read_records(tmp_path / "broken.zip")


def test_an_archive_without_regions_or_cut_short_is_said_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "no regions")
    with pytest.raises(UnreadableImage, match=r"empty\.zip: a zip archive without a \.roi"):
        read_records(tmp_path / "empty.zip")
    write_rois(tmp_path / "cells.zip", [POLYGON] * 3)
    short = (tmp_path / "cells.zip").read_bytes()[:-30]
    for name in ("short.zip", "short"):
        (tmp_path / name).write_bytes(short)
        with pytest.raises(UnreadableImage, match=f"{name}: a damaged zip"):
            read_records(tmp_path / name)


def test_a_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coverslip.viewers.rois._LARGEST", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", bytes(2000))
    with pytest.raises(UnreadableImage, match="more than 1000"):
        read_records(tmp_path / "bomb.zip")


@pytest.mark.parametrize(
    ("name", "count", "names"), [("a.txt", 1, None), ("a.roi", 2, None), ("a.zip", 2, ["one"])]
)
def test_what_cannot_be_written(
    tmp_path: Path, name: str, count: int, names: list[str] | None
) -> None:
    with pytest.raises(ValueError, match=r"regions|names"):
        write_rois(tmp_path / name, [POLYGON] * count, names=names)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("record", [b"Iout", b"Iout" + bytes(9), None])
def test_bytes_that_only_begin_as_a_region_are_refused(record: bytes | None) -> None:
    good = roifile.ImagejRoi.frompoints(POLYGON).tobytes()
    if record is None:
        cut = bytearray(good)
        cut[16:18] = b"\xff\xff"  # 65,535 coordinates
        record = bytes(cut)
    with pytest.raises(InvalidMessage, match="region 1"):
        outlines([good, record])
