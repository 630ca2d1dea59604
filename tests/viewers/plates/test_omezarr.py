"""OME-Zarr of both releases: every plane at its place, one chunk at a time, and clear errors."""

from __future__ import annotations

import json
import shutil
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coverslip.viewers.errors import NotInstalled, UnreadableImage
from coverslip.viewers.plates.omezarr import is_store, read_store
from tests.viewers.plates import ngff

pytestmark = [pytest.mark.extra, pytest.mark.usefixtures("zarr_threads")]

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


def pixels(*shape: int, seed: int = 7) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


@VERSIONS
def test_every_plane_of_a_plate(tmp_path: Path, version: str) -> None:
    fields = {
        ("B", "3"): [pixels(2, 3, 40, 50, seed=number) for number in range(2)],
        ("AA", "12"): [pixels(2, 3, 40, 50, seed=9)],
    }
    plate = tmp_path / "plate.zarr"
    ngff.write_plate(plate, fields, "czyx", version, channels=("DAPI", "GFP"))
    assert is_store(plate)
    images, problems = read_store(plate)
    assert problems == {}
    assert len(images) == 3 * 2 * 3
    for image in images:
        place = dict(image.components)
        well = str(place["well"])
        stack = (
            fields[well[:-1], "3"][int(place["site"])] if well == "B3" else (fields["AA", "12"][0])
        )
        channel = ("DAPI", "GFP").index(str(place["channel"]))
        expected = stack[channel, int(place["z_index"])]
        np.testing.assert_array_equal(image.read(), expected)
        assert (image.axes, image.shape, image.dtype.str) == (("y", "x"), (40, 50), "<u2")
        assert image.display.unit == "um"
        assert image.display.scale == {"z_index": 2.0, "y": 0.325, "x": 0.325}


@VERSIONS
def test_a_level_is_smaller_and_its_pixels_are_larger(tmp_path: Path, version: str) -> None:
    stack = pixels(3, 40, 50)
    root = ngff.open_root(tmp_path / "image.zarr", version)
    ngff.write_image(root, "", stack, "tyx", version)
    images, _ = read_store(tmp_path / "image.zarr", 1)
    assert [image.components for image in images] == [{"timepoint": time} for time in range(3)]
    for image, plane in zip(images, stack, strict=True):
        np.testing.assert_array_equal(image.read(), plane[::2, ::2])
        assert image.display.scale == {"y": 0.65, "x": 0.65}
    with pytest.raises(
        UnreadableImage, match=r"no resolution level 2; there are 0 \(40 x 50\), 1 \(20 x 25\)"
    ):
        read_store(tmp_path / "image.zarr", 2)


@VERSIONS
def test_wells_and_fields_can_be_named_by_themselves(tmp_path: Path, version: str) -> None:
    plate = tmp_path / "plate.zarr"
    ngff.write_plate(plate, {("B", "03"): [pixels(8, 9), pixels(8, 9)]}, "yx", version, levels=1)
    places = [image.components for image in read_store(plate / "B" / "03").images]
    of = {"plate": "plate", "well": "B03"}
    assert places == [of | {"site": 0}, of | {"site": 1}]
    (image,) = read_store(plate / "B" / "03" / "1").images
    assert image.components == {}


@VERSIONS
def test_a_series_as_bioformats2raw_writes_it(tmp_path: Path, version: str) -> None:
    root = ngff.open_root(tmp_path / "series.zarr", version)
    ngff.group_at(root, "", version, **{"bioformats2raw.layout": 3})
    for number in (0, 1, 10):
        ngff.write_image(root, str(number), pixels(8, 9), "yx", version, levels=1)
    images, _ = read_store(tmp_path / "series.zarr")
    assert [image.components for image in images] == [{"series": n} for n in (0, 1, 10)]


def test_two_acquisitions_are_told_apart(tmp_path: Path) -> None:
    plate = tmp_path / "plate.zarr"
    ngff.write_plate(plate, {("A", "1"): [pixels(8, 9), pixels(8, 9)]}, "yx", "0.4", levels=1)
    attributes = json.loads((plate / ".zattrs").read_text())
    attributes["plate"]["acquisitions"] = [{"id": 1}, {"id": 2}]
    (plate / ".zattrs").write_text(json.dumps(attributes))
    well = json.loads((plate / "A" / "1" / ".zattrs").read_text())
    for number, image in enumerate(well["well"]["images"], start=1):
        image["acquisition"] = number
    (plate / "A" / "1" / ".zattrs").write_text(json.dumps(well))
    images, _ = read_store(plate)
    assert [image.components for image in images] == [
        {"plate": "plate", "well": "A1", "site": 0, "acquisition": 1},
        {"plate": "plate", "well": "A1", "site": 1, "acquisition": 2},
    ]


def test_a_shard_is_read_by_its_chunks(tmp_path: Path) -> None:
    stack = pixels(2, 64, 96)
    root = ngff.open_root(tmp_path / "image.zarr", "0.5")
    ngff.write_image(
        root, "", stack, "zyx", "0.5", levels=1, chunks=(1, 16, 24), shards=(2, 64, 96)
    )
    for image, plane in zip(read_store(tmp_path / "image.zarr").images, stack, strict=True):
        np.testing.assert_array_equal(image.read(), plane)


def test_memory_holds_a_plane_and_a_chunk_whatever_the_depth(tmp_path: Path) -> None:
    stack = pixels(64, 512, 512)
    root = ngff.open_root(tmp_path / "image.zarr", "0.4")
    ngff.write_image(root, "", stack, "zyx", "0.4", levels=1, chunks=(64, 64, 64))
    images = read_store(tmp_path / "image.zarr").images
    images[0].read()  # what is imported and kept once is not counted
    tracemalloc.start()
    try:
        plane = images[5].read()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(plane, stack[5])
    # All chunks of the plane at once, as zarr reads a whole plane, would be all of the stack.
    assert peak < stack.nbytes / 4


def test_channels_that_are_not_told_apart_are_numbered(tmp_path: Path) -> None:
    for labels in (["DAPI"], ["DAPI", "DAPI"], ["DAPI", ""]):
        root = ngff.open_root(tmp_path / "image.zarr", "0.4")
        ngff.write_image(root, "", pixels(2, 8, 9), "cyx", "0.4", levels=1, channels=labels)
        images, _ = read_store(tmp_path / "image.zarr")
        assert [image.components["channel"] for image in images] == [0, 1]


def test_a_field_that_is_missing_leaves_the_others(tmp_path: Path) -> None:
    plate = tmp_path / "plate.zarr"
    ngff.write_plate(plate, {("A", "1"): [pixels(8, 9), pixels(8, 9)]}, "yx", "0.4", levels=1)
    shutil.rmtree(plate / "A" / "1" / "0")
    images, problems = read_store(plate)
    assert [image.components["site"] for image in images] == [1]
    assert list(problems) == [str(plate / "A/1/0")]
    assert "not there" in problems[str(plate / "A/1/0")]


def test_a_damaged_chunk_is_an_error_with_its_place(tmp_path: Path) -> None:
    root = ngff.open_root(tmp_path / "image.zarr", "0.4")
    ngff.write_image(root, "", pixels(2, 16, 24), "zyx", "0.4", levels=1)
    (tmp_path / "image.zarr" / "0" / "1.0.0").write_bytes(b"damaged")
    first, second = read_store(tmp_path / "image.zarr").images
    assert first.read().shape == (16, 24)
    with pytest.raises(UnreadableImage, match=r"image\.zarr/0: cannot be read"):
        second.read()


def test_a_chunk_that_was_never_written_is_the_fill_value(tmp_path: Path) -> None:
    root = ngff.open_root(tmp_path / "image.zarr", "0.4")
    ngff.write_image(root, "", pixels(1, 16, 24), "zyx", "0.4", levels=1)
    (tmp_path / "image.zarr" / "0" / "0.0.0").unlink()
    (image,) = read_store(tmp_path / "image.zarr").images
    assert not image.read().any()


def edited(path: Path, *keys: str | int, value: object) -> None:
    attributes = json.loads((path / ".zattrs").read_text())
    inner = attributes
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (path / ".zattrs").write_text(json.dumps(attributes))


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("multiscales", 0, "axes"), [], "not OME-Zarr 0.4 or 0.5 (axes"),
        (("multiscales",), [], "not OME-Zarr 0.4 or 0.5"),
        (("multiscales", 0, "datasets", 0, "path"), "7", "7: not there"),
    ],
)
def test_metadata_that_are_wrong(
    tmp_path: Path, keys: tuple[str | int, ...], value: object, words: str
) -> None:
    root = ngff.open_root(tmp_path / "image.zarr", "0.4")
    ngff.write_image(root, "", pixels(2, 8, 9), "zyx", "0.4", levels=1)
    edited(tmp_path / "image.zarr", *keys, value=value)
    with pytest.raises(UnreadableImage) as caught:
        read_store(tmp_path / "image.zarr")
    assert words in str(caught.value)
    assert "image.zarr" in str(caught.value)


def test_what_is_zarr_and_not_ome(tmp_path: Path) -> None:
    root = ngff.open_root(tmp_path / "a.zarr", "0.4")
    root.create_array("data", data=pixels(8, 9))
    with pytest.raises(UnreadableImage, match="a Zarr group without OME metadata"):
        read_store(tmp_path / "a.zarr")
    assert is_store(tmp_path / "a.zarr" / "data")
    with pytest.raises(UnreadableImage, match="a Zarr array without OME metadata"):
        read_store(tmp_path / "a.zarr" / "data")
    assert not is_store(tmp_path)


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaozarrs", None)
    with pytest.raises(NotInstalled, match=r"pip install 'coverslip-viewers\[zarr\]'"):
        read_store(tmp_path)
