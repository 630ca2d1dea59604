"""What a TIFF file holds, page by page: real files of each convention, written here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from coverslip.viewers.cli.images import Image, read_images
from coverslip.viewers.errors import UnreadableImage


def pixels(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(7).integers(0, 255, shape).astype(dtype)


def read(path: Path, **components: str | int) -> list[Image]:
    return list(read_images(path, components))


def test_one_plane_has_what_its_name_says(tmp_path: Path) -> None:
    plane = pixels(5, 7)
    tifffile.imwrite(tmp_path / "a.tif", plane)
    ((found, axes, components),) = read(tmp_path / "a.tif", well="A01", z_index=3)
    np.testing.assert_array_equal(found, plane)
    assert (axes, components) == (("y", "x"), {"well": "A01", "z_index": 3})


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_a_stack_names_its_own_axes(tmp_path: Path, kind: str) -> None:
    stack = pixels(2, 3, 4, 5, 7)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, stack, metadata={"axes": "TZCYX"}, ome=kind == "ome", imagej=kind == "imagej"
    )
    found = read(path, well="A01", z_index=9)
    assert len(found) == 2 * 3 * 4
    for plane, axes, components in found:
        assert axes == ("y", "x")
        assert components.pop("well") == "A01"
        place = tuple(components[name] for name in ("timepoint", "z_index", "channel"))
        np.testing.assert_array_equal(plane, stack[place])  # type: ignore[index]


def test_pages_without_a_name_are_numbered(tmp_path: Path) -> None:
    stack = pixels(3, 5, 7)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    assert [image.components for image in read(tmp_path / "a.tif")] == [
        {"page": 0},
        {"page": 1},
        {"page": 2},
    ]


def test_series_of_different_shape_are_told_apart(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels(5, 7))
        file.write(pixels(2, 3, 4), photometric="minisblack")
    places = [(image.pixels.shape, image.components) for image in read(tmp_path / "a.tif")]
    assert places == [
        ((5, 7), {"series": 0}),
        ((3, 4), {"series": 1, "page": 0}),
        ((3, 4), {"series": 1, "page": 1}),
    ]


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_colours(tmp_path: Path, planarconfig: str) -> None:
    contiguous = planarconfig == "contig"
    shape = (5, 7, 3) if contiguous else (3, 5, 7)
    section = pixels(*shape, dtype="uint8")
    tifffile.imwrite(tmp_path / "a.tif", section, photometric="rgb", planarconfig=planarconfig)
    (image,) = read(tmp_path / "a.tif")
    assert image.axes == (("y", "x", "c") if contiguous else ("c", "y", "x"))
    np.testing.assert_array_equal(image.pixels, section)


def test_samples_that_are_no_colours_are_channels(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", pixels(2, 5, 7), photometric="minisblack", planarconfig="separate"
    )
    (image,) = read(tmp_path / "a.tif", channel=1)
    assert image.axes == ("channel", "y", "x")


def test_a_stack_that_one_page_describes(tmp_path: Path) -> None:
    stack = tifffile.memmap(
        tmp_path / "a.tif", shape=(3, 5, 7), dtype="uint16", photometric="minisblack"
    )
    stack[:] = pixels(3, 5, 7)
    stack.flush()
    images = read(tmp_path / "a.tif")
    planes = np.concatenate([image.pixels.reshape(-1, 5, 7) for image in images])
    np.testing.assert_array_equal(planes, stack)
    del stack


@pytest.mark.parametrize("content", [b"", b"no tiff at all", b"II*\0\xff\xff\xff\x7f"])
def test_junk_is_one_error_with_the_files_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"a\.tif: "):
        read(tmp_path / "a.tif")


def test_a_file_cut_short(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(64, 64))
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[:-2000])
    with pytest.raises(UnreadableImage, match=r"a\.tif: damaged, not written to its end"):
        read(tmp_path / "a.tif")


def test_what_the_system_refuses_is_in_its_words_without_numbers(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"a\.tif: No such file or directory$"):
        read(tmp_path / "a.tif")
