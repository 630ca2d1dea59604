"""What a TIFF file holds, page by page: real files of each convention, written here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.plates.stored import StoredImage
from coverslip.viewers.plates.tiff import check_whole, read_images


def pixels(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(7).integers(0, 255, shape).astype(dtype)


def read(path: Path, **components: str | int) -> list[tuple[NDArray[Any], StoredImage]]:
    """Each picture with its pixels, read while the file is open at it."""
    return [(image.read(), image) for image in read_images(path, components)]


def test_one_plane_has_what_its_name_says(tmp_path: Path) -> None:
    plane = pixels(5, 7)
    tifffile.imwrite(tmp_path / "a.tif", plane)
    ((found, image),) = read(tmp_path / "a.tif", well="A01", z_index=3)
    np.testing.assert_array_equal(found, plane)
    assert (image.axes, image.components) == (("y", "x"), {"well": "A01", "z_index": 3})
    assert (image.shape, image.dtype.str, image.planes) == ((5, 7), "<u2", 1)


def test_a_file_is_the_same_from_whatever_folder_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(5, 7))
    monkeypatch.chdir(tmp_path)
    origins = {
        image.origin
        for path in (Path("a.tif"), tmp_path / "a.tif")
        for image in read_images(path, {})
    }
    assert origins == {str((tmp_path / "a.tif").resolve())}


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_a_stack_names_its_own_axes(tmp_path: Path, kind: str) -> None:
    stack = pixels(2, 3, 4, 5, 7)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, stack, metadata={"axes": "TZCYX"}, ome=kind == "ome", imagej=kind == "imagej"
    )
    found = read(path, well="A01", z_index=9)
    assert len(found) == 2 * 3 * 4
    for plane, image in found:
        assert image.axes == ("y", "x")
        components = dict(image.components)
        assert components.pop("well") == "A01"
        place = tuple(components[name] for name in ("timepoint", "z_index", "channel"))
        np.testing.assert_array_equal(plane, stack[place])  # type: ignore[index]


def test_pages_without_a_name_are_numbered(tmp_path: Path) -> None:
    stack = pixels(3, 5, 7)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    assert [image.components for _, image in read(tmp_path / "a.tif")] == [
        {"page": 0},
        {"page": 1},
        {"page": 2},
    ]


def test_series_of_different_shape_are_told_apart(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels(5, 7))
        file.write(pixels(2, 3, 4), photometric="minisblack")
    places = [(image.shape, image.components) for _, image in read(tmp_path / "a.tif")]
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
    ((found, image),) = read(tmp_path / "a.tif")
    assert image.axes == (("y", "x", "c") if contiguous else ("c", "y", "x"))
    np.testing.assert_array_equal(found, section)


def test_samples_that_are_no_colours_are_channels(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", pixels(2, 5, 7), photometric="minisblack", planarconfig="separate"
    )
    ((_, image),) = read(tmp_path / "a.tif", channel=1)
    assert image.axes == ("channel", "y", "x")
    assert (image.planes, image.components) == (2, {})


def test_a_stack_that_one_page_describes(tmp_path: Path) -> None:
    stack = tifffile.memmap(
        tmp_path / "a.tif", shape=(3, 5, 7), dtype="uint16", photometric="minisblack"
    )
    stack[:] = pixels(3, 5, 7)
    stack.flush()
    planes = np.concatenate([each.reshape(-1, 5, 7) for each, _ in read(tmp_path / "a.tif")])
    np.testing.assert_array_equal(planes, stack)
    del stack


@pytest.mark.parametrize("content", [b"", b"no tiff at all", b"II*\0\xff\xff\xff\x7f"])
def test_junk_is_one_error_with_the_files_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"a\.tif: "):
        read(tmp_path / "a.tif")


def test_a_file_cut_anywhere_says_nothing_of_the_insides_of_what_reads_it(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(4, 6))
    whole = (tmp_path / "a.tif").read_bytes()
    said = set()
    for length in range(1, len(whole)):
        (tmp_path / "a.tif").write_bytes(whole[:length])
        with pytest.raises(UnreadableImage, match=r"not written to its end|no TIFF file") as error:
            check_whole(tmp_path / "a.tif")
        said.add(str(error.value).partition("a.tif: ")[2])
    assert "damaged, or not written to its end" in said
    assert not [words for words in said if "unpack" in words or "modulo" in words]


def test_a_file_cut_short(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(64, 64))
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[:-2000])
    with pytest.raises(UnreadableImage, match=r"a\.tif: damaged, not written to its end"):
        read(tmp_path / "a.tif")


def test_what_the_system_refuses_is_in_its_words_without_numbers(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"a\.tif: No such file or directory$"):
        read(tmp_path / "a.tif")


OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
  <Plate ID="Plate:0" Name="screen 3">
    <Well ID="Well:0" Row="26" Column="6">
      <WellSample ID="WellSample:0" Index="0"><ImageRef ID="Image:1"/></WellSample>
      <WellSample ID="WellSample:1" Index="1"><ImageRef ID="Image:0"/></WellSample>
    </Well>
  </Plate>
  <Image ID="Image:0" Name="second"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16"
      SizeX="7" SizeY="5" SizeZ="1" SizeC="2" SizeT="1" PhysicalSizeX="325"
      PhysicalSizeXUnit="nm" PhysicalSizeY="0.325" PhysicalSizeZ="0">
    <Channel ID="Channel:0:0" Name="DAPI"/><Channel ID="Channel:0:1" Name="GFP"/>
    <TiffData IFD="0" PlaneCount="2"/>
  </Pixels></Image>
  <Image ID="Image:1" Name="first"><Pixels ID="Pixels:1" DimensionOrder="XYZCT" Type="uint16"
      SizeX="7" SizeY="5" SizeZ="1" SizeC="1" SizeT="1">
    <Channel ID="Channel:1:0" Name="DAPI"/><TiffData IFD="2" PlaneCount="1"/>
  </Pixels></Image>
</OME>"""


def test_ome_metadata_name_channels_wells_and_distances(tmp_path: Path) -> None:
    planes = pixels(3, 5, 7)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=False) as file:
        for number, plane in enumerate(planes):
            file.write(plane, description=OME if number == 0 else None, metadata=None)
    found = read(tmp_path / "a.ome.tif", image="a")
    assert [image.components for _, image in found] == [
        {"plate": "screen 3", "well": "AA07", "site": 2, "channel": "DAPI"},
        {"plate": "screen 3", "well": "AA07", "site": 2, "channel": "GFP"},
        {"plate": "screen 3", "well": "AA07", "site": 1, "channel": "DAPI"},
    ]
    for (each, _), plane in zip(found, planes, strict=True):
        np.testing.assert_array_equal(each, plane)
    display = found[0][1].display
    assert (display.unit, display.scale) == ("um", {"x": pytest.approx(0.325), "y": 0.325})
    assert found[2][1].display.scale == {}


def test_what_the_name_says_of_the_well_wins(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=False) as file:
        for number, plane in enumerate(pixels(3, 5, 7)):
            file.write(plane, description=OME if number == 0 else None, metadata=None)
    assert {image.components["well"] for _, image in read(tmp_path / "a.tif", well="B02")} == {
        "B02"
    }


def test_a_channel_without_a_name_leaves_all_numbered(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        pixels(2, 5, 7),
        metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", ""]}},
    )
    channels = [image.components["channel"] for _, image in read(tmp_path / "a.ome.tif")]
    assert channels == [0, 1]


def test_ome_xml_that_is_none_is_an_error_with_the_files_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=False) as file:
        file.write(pixels(5, 7), description="<OME xmlns='x'><Image></OME>", metadata=None)
    with pytest.raises(UnreadableImage, match=r"a\.ome\.tif: "):
        read(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("shaped", [True, False])
def test_a_file_that_is_whole_gives_every_plane(
    tmp_path: Path, compression: str | None, shaped: bool
) -> None:
    """Cut anywhere, it is refused, or all of its pixels are there."""
    path, stack = tmp_path / "a.tif", pixels(3, 16, 16)
    with tifffile.TiffWriter(path) as file:
        for each in [stack] if shaped else stack:
            file.write(
                each,
                photometric="minisblack",
                compression=compression,
                metadata={} if shaped else None,
            )
    check_whole(path)
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            check_whole(path)
        except UnreadableImage:
            refused += 1
        else:
            found = [each.reshape(-1, 16, 16) for each, _ in read(path)]
            np.testing.assert_array_equal(np.concatenate(found), stack)
    assert refused > 0.9 * len(whole) / 7


def test_what_is_compressed_in_an_unknown_way(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(34887)  # LERC without its parameters
    with pytest.raises(UnreadableImage, match=r"a\.tif: damaged, .* of an unknown kind"):
        read(path)
