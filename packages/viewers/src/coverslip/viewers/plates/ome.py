"""What the OME-XML of a TIFF file says of its images: channels, pixel size, well and field.

Source: the OME model, 2016-06: Pixels, Channel, and Plate/Well/WellSample/ImageRef, which says
which well an image was taken of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from coverslip.payload import Display, Value
from coverslip.viewers.parsers import well_name
from coverslip.viewers.plates.units import display_of
from coverslip.viewers.wells import PLATE, WELL

__all__ = ["OmeImage", "read_ome"]

_AXES = {"X": "x", "Y": "y", "Z": "z_index"}


@dataclass(frozen=True)
class OmeImage:
    """One Image element.

    Parameters
    ----------
    place : dict
        ``well`` and ``site``, where a plate in the same document refers to the image, and
        ``plate``, if that has a name.
    channels : tuple of str
        Their names; empty unless each has one of its own.
    display : Display
        The physical size of a pixel.
    """

    place: dict[str, Value]
    channels: tuple[str, ...]
    display: Display


def read_ome(xml: str) -> list[OmeImage]:
    """Return what OME-XML says of each image, in its order.

    Raises
    ------
    ValueError
        It is no XML, or a number in it is none.
    """
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise ValueError(f"its OME-XML cannot be read: {error}") from error
    places = dict(_places(root))
    images = []
    for image in _children(root, "Image"):
        pixels = next(_children(image, "Pixels"), None)
        if pixels is None:
            continue
        names = [channel.get("Name", "") for channel in _children(pixels, "Channel")]
        told_apart = all(names) and len(set(names)) == len(names)
        images.append(
            OmeImage(
                places.get(image.get("ID", ""), {}),
                tuple(names) if told_apart else (),
                _display(pixels),
            )
        )
    return images


def _display(pixels: ET.Element) -> Display:
    steps = {}
    for letter, axis in _AXES.items():
        size = pixels.get(f"PhysicalSize{letter}")
        if size is not None:
            # Missing means micrometers, says the schema.
            steps[axis] = (float(size), pixels.get(f"PhysicalSize{letter}Unit", "µm"))
    return display_of(steps)


def _places(root: ET.Element) -> Iterator[tuple[str, dict[str, Value]]]:
    """Yield image identifiers and the well and field (from 1) that a plate gives them."""
    for plate in _children(root, "Plate"):
        called: dict[str, Value] = {PLATE: name} if (name := plate.get("Name")) else {}
        for well in _children(plate, "Well"):
            position = well_name(int(well.get("Row", "0")) + 1, int(well.get("Column", "0")) + 1)
            for number, sample in enumerate(_children(well, "WellSample"), start=1):
                for image in _children(sample, "ImageRef"):
                    yield image.get("ID", ""), called | {WELL: position, "site": number}


def _children(parent: ET.Element, name: str) -> Iterator[ET.Element]:
    """Yield the children of that name, in whatever release of the OME namespace."""
    for child in parent:
        if child.tag.rpartition("}")[2] == name:
            yield child
