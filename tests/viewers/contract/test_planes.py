"""What a viewer makes of planes: all are held as they were sent and where they belong."""

from __future__ import annotations

import itertools
import os
import random
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from coverslip.transport import Done, request
from coverslip.viewers import View
from coverslip.viewers.messages import Follow, LayerInfo, Unfollow
from coverslip.viewers.parsers import list_planes
from coverslip.viewers.relay.server import RelayServer
from coverslip.viewers.remote import RemoteVisualizer
from tests.conftest import free_pair
from tests.viewers.contract.conftest import settle
from tests.viewers.contract.subject import Hands, Subject, plane
from tests.waiting import DEADLINE, eventually

pytestmark = pytest.mark.gui

Place = tuple[tuple[str, Any], ...]


def crc(pixels: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).tobytes())


def place_of(components: dict[str, Any]) -> Place:
    return tuple(sorted(components.items()))


def held(layers: Iterable[LayerInfo]) -> dict[Place, int | None]:
    """Return the checksum of every plane that a viewer holds, by its place."""
    return {place_of(one.components): one.crc32 for layer in layers for one in layer.planes}


def test_planes_in_random_order_land_where_they_belong(subject: Subject, view: View) -> None:
    places = list(itertools.product(("GFP", "DAPI"), (0, 1, 2, 9, 10), (0, 1, 2)))
    random.Random(7).shuffle(places)
    sent = {}
    for number, (channel, z, t) in enumerate(places):
        pixels = plane(100 + number)
        components: dict[str, Any] = {
            "well": "A01",
            "channel": channel,
            "z_index": z,
            "timepoint": t,
        }
        sent[place_of(components)] = crc(pixels)
        view.show(pixels, **components)
        if number % 7 == 0:
            settle(view)  # so that it grows many times
    layers = settle(view)
    assert held(layers) == sent
    for layer in layers:
        assert layer.labels["z_index"] == (0, 1, 2, 9, 10)
        assert layer.labels["timepoint"] == (0, 1, 2)
        assert layer.axes[-2:] == ("y", "x")
        assert layer.shape == (*(len(layer.labels[axis]) for axis in layer.axes[:-2]), 40, 60)


CODES = [
    "?",
    "|u1",
    "|i1",
    "<u2",
    ">u2",
    "<i2",
    ">i2",
    "<u4",
    "<i4",
    "<i8",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
]


def test_every_dtype_in_either_byte_order_is_held(subject: Subject, view: View) -> None:
    numbers = (np.arange(600) % 100).reshape(20, 30)
    for code in CODES:
        view.show(numbers.astype(code), name=code)
    layers = settle(view)
    expected = {code: subject.held(numbers.astype(code)) for code in CODES}
    assert {layer.name: (one.dtype, one.crc32) for layer in layers for one in layer.planes} == {
        name: (pixels.dtype.str, crc(pixels)) for name, pixels in expected.items()
    }


def test_colours_are_held_and_any_memory_layout_is(subject: Subject, view: View) -> None:
    colors = np.random.default_rng(2).integers(0, 256, (20, 30, 3), np.uint8)
    view.show(colors, name="rgb", rgb=True)
    wide = np.arange(4800, dtype=np.uint16).reshape(60, 80)
    layouts = {
        "transposed": wide.T,
        "strided": wide[::2, ::3],
        "reversed": wide[::-1, ::-1],
        "in Fortran's order": np.asfortranarray(wide),
    }
    for name, pixels in layouts.items():
        view.show(pixels, name=name)
    found = {layer.name: layer.planes[0] for layer in settle(view)}
    assert (found["rgb"].shape, found["rgb"].crc32) == ((20, 30, 3), crc(colors))
    assert {name: found[name].crc32 for name in layouts} == {
        name: crc(pixels) for name, pixels in layouts.items()
    }


def test_what_is_computed_in_shared_memory_is_held_as_it_was(view: View) -> None:
    sent = {}
    for z in range(8):
        out = view.allocate((64, 64), np.uint16)
        out[...] = plane(z, (64, 64))
        sent[place_of({"z_index": z})] = crc(out)
        view.show(out, z_index=z)
    assert held(settle(view)) == sent


def test_ragged_planes_are_shown_as_they_come_and_missing_places_are_blank(
    subject: Subject, view: View
) -> None:
    # Three planes of one timepoint and one of the other: older systems showed nothing of these.
    for z, t in ((1, 1), (2, 1), (3, 1), (1, 2)):
        view.show(plane(10 * t + z), z_index=z, timepoint=t)
    (layer,) = settle(view)
    assert layer.labels == {"timepoint": (1, 2), "z_index": (1, 2, 3)}
    assert len(layer.planes) == 4
    hands = subject.hands(view) if "window" in subject.has else None
    if hands is not None:
        view.screenshot()  # whatever was to be drawn is drawn
        hands.scrub("z_index", 2)
        hands.scrub("timepoint", 1)
        assert hands.pixel(5, 5) == 0
    view.show(plane(23), z_index=3, timepoint=2)
    (layer,) = settle(view)
    assert len(layer.planes) == 5
    if hands is not None:
        eventually(lambda: hands.pixel(5, 5) == 23, "the late plane is drawn in its place")


def test_planes_without_an_axis_and_of_another_shape_have_layers_of_their_own(view: View) -> None:
    sent: list[tuple[Any, dict[str, Any]]] = [
        (plane(1), {"z_index": 1}),
        (plane(2), {"z_index": 2}),
        (plane(3), {}),
    ]
    sent.append((plane(4, (50, 50)), {"z_index": 1}))
    for pixels, components in sent:
        view.show(pixels, **components)
    layers = settle(view)
    assert len(layers) == 3
    assert len({layer.name for layer in layers}) == 3
    assert sorted(one.crc32 or 0 for layer in layers for one in layer.planes) == sorted(
        crc(pixels) for pixels, _ in sent
    )


def test_a_plane_that_lands_on_another_replaces_it_and_is_warned_of_by_name(view: View) -> None:
    view.show(plane(1), z_index=1, origin="first.tif")
    view.show(plane(2), z_index=2, origin="first.tif")
    view.show(plane(9), z_index=1, origin="second.tif")
    assert held(settle(view)) == {
        place_of({"z_index": 1}): crc(plane(9)),
        place_of({"z_index": 2}): crc(plane(2)),
    }
    log = view.visualizer.connection.log
    if log is None:
        pytest.skip("the viewer keeps no log")
    words = "1 plane(s) replaced one of another step or output"
    eventually(
        lambda: any(
            words in line and "second.tif replaced first.tif" in line
            for line in Path(os.fspath(log)).read_text(errors="replace").splitlines()
        ),
        "the collision is in the log",
    )


@pytest.mark.needs("window")
def test_it_follows_the_newest_plane_until_the_user_scrubs(view: View, hands: Hands) -> None:
    def stands_at(z: int, t: int) -> bool:
        place = hands.place()
        return (place.get("z_index"), place.get("timepoint")) == (str(z), str(t))

    for z, t in itertools.product((1, 2, 3), (1, 2)):
        view.show(plane(z), z_index=z, timepoint=t)
    settle(view)
    eventually(lambda: stands_at(3, 2), "the newest plane is in view")
    hands.scrub("z_index", 1)
    hands.scrub("timepoint", 0)
    view.show(plane(5), z_index=3, timepoint=3)
    settle(view)
    view.screenshot()  # whatever was to be drawn is drawn
    assert stands_at(2, 1)
    view.clear()
    for z, t in itertools.product((1, 2, 3), (1, 2)):
        view.show(plane(z), z_index=z, timepoint=t)
    settle(view)
    eventually(lambda: stands_at(3, 2), "cleared, it follows again")


@pytest.mark.needs("window")
def test_contrast_and_position_are_the_user_s_across_a_hundred_further_planes(
    view: View, hands: Hands
) -> None:
    for z, t in itertools.product((1, 2, 3), (1, 2)):
        view.show(plane(100 * t + z), z_index=z, timepoint=t)
    settle(view)
    view.screenshot()
    hands.scrub("z_index", 1)
    hands.scrub("timepoint", 0)
    hands.set_contrast(12, 345)
    before = hands.place()
    assert before.items() >= {"z_index": "2", "timepoint": "1"}.items()
    for number in range(100):
        # Both axes grow, and one of them at both ends.
        view.show(plane(3000 + number), z_index=number % 5, timepoint=3 + number // 5)
        if number % 9 == 0:
            settle(view)
    (layer,) = settle(view)
    view.screenshot()
    assert hands.place() == before
    assert hands.pixel(5, 5) == 102
    assert layer.contrast_limits == (12, 345)


@pytest.mark.needs("window")
def test_contrast_comes_from_the_first_real_plane(subject: Subject, view: View) -> None:
    view.show(np.zeros((40, 60), np.uint16), timepoint=0)
    view.show(np.linspace(100, 1000, 2400, dtype=np.uint16).reshape(40, 60), timepoint=1)
    (layer,) = settle(view)
    assert layer.contrast_limits is not None
    low, high = layer.contrast_limits
    assert 95 < low < 110
    assert 990 < high < 1005


@pytest.mark.needs("window")
def test_what_the_user_takes_away_comes_back_with_the_next_plane_only(
    view: View, hands: Hands
) -> None:
    for z in range(5):
        view.show(plane(z + 1), z_index=z)
    (layer,) = settle(view)
    hands.remove(layer.name)
    eventually(lambda: view.layers() == (), "it was forgotten")
    view.show(plane(9), z_index=2)
    assert held(settle(view)) == {place_of({"z_index": 2}): crc(plane(9))}


@pytest.mark.needs("window")
def test_a_screenshot_is_a_picture_of_the_window(view: View, tmp_path: Path) -> None:
    ramp = np.linspace(0, 4000, 90_000, dtype=np.uint16).reshape(300, 300)
    view.show(ramp, well="A01", channel="DAPI")
    settle(view)
    png = view.screenshot(tmp_path / "shot.png")
    assert (tmp_path / "shot.png").read_bytes() == png
    picture = imagecodecs.png_decode(png)
    assert min(picture.shape[:2]) > 200
    assert len(np.unique(picture)) > 64, "the ramp is in it"


def test_cleared_it_is_empty_and_begins_anew(view: View) -> None:
    for z in (1, 2):
        view.show(plane(z), z_index=z, channel="DAPI")
    assert len(settle(view)) == 1
    view.clear()
    assert view.layers() == ()
    view.show(plane(7), timepoint=4)
    (layer,) = settle(view)
    assert layer.labels.keys() <= {"timepoint"}
    assert held([layer]) == {place_of({"timepoint": 4}): crc(plane(7))}


@pytest.mark.plates
@pytest.mark.parametrize(
    ("plate", "planes"), [("imagexpress-2wells-4channels", 96), ("imagexpress-1well-timelapse", 12)]
)
def test_every_plane_of_a_real_plate_is_the_file_s(
    view: View, plates: Path, plate: str, planes: int
) -> None:
    sent = {}
    for parsed in list_planes([plates / plate]).planes:
        pixels = tifffile.imread(parsed.path)
        components: dict[str, Any] = {**parsed.components}
        sent[place_of(components)] = crc(pixels)
        view.show(pixels, origin=str(parsed.path), **components)
    layers = settle(view)
    assert len(sent) == planes
    assert held(layers) == sent
    assert all(layer.axes[-2:] == ("y", "x") for layer in layers)


@pytest.mark.plates
@pytest.mark.needs("backend")
def test_a_pipeline_saves_batches_by_file_name(subject: Subject, view: View, plates: Path) -> None:
    assert subject.backend is not None
    listing = list_planes([plates / "imagexpress-1well-timelapse"])
    paths = [one.path for one in listing.planes]
    images = [tifffile.imread(path) for path in paths]
    backend = subject.backend()
    try:
        for index, (step, made) in enumerate(
            {"raw": images, "inverted": [~image for image in images]}.items()
        ):
            backend.save_batch(
                made,
                paths,
                step_name=step,
                step_index=index,
                port=view.visualizer.port,
                microscope="accepted and left aside",
            )
        assert backend.view(port=view.visualizer.port).flush(60) == (24, 24, 0, 0)
        layers = view.layers()
        assert {layer.name[: layer.name.index("_", 5)] for layer in layers} == {
            "Step_00",
            "Step_01",
        }
        assert sum(len(layer.planes) for layer in layers) == 24
        with pytest.raises(ValueError, match="2 images and 1 paths"):
            backend.save_batch([np.ones((2, 2))] * 2, ["one.tif"])
    finally:
        backend.close()


@pytest.mark.needs("window")
def test_of_a_relay_s_planes_the_newest_comes_first_and_stays_in_view(
    view: View, hands: Hands
) -> None:
    viewer = view.visualizer.endpoint
    with RelayServer(memory=64 << 20, port=free_pair()) as relay:
        relay.start()
        endpoint = relay.connection.endpoint
        with View(RemoteVisualizer(endpoint)) as pipeline:
            for z in range(6):
                pipeline.show(plane(z + 1), z_index=z)
            assert pipeline.flush(DEADLINE).shown == 6
        line = endpoint.to_url()
        request(viewer, Follow(line=line, newest=True), Done, timeout=DEADLINE)
        eventually(lambda: sum(len(layer.planes) for layer in view.layers()) == 6, "all are there")
        request(viewer, Unfollow(line=line), Done, timeout=DEADLINE)
    eventually(lambda: hands.place().get("z_index") == "5", "it went to the newest")
    # To have been drawn twice since leads nowhere else.
    for _ in range(2):
        view.screenshot()
    assert hands.place()["z_index"] == "5"
    assert hands.pixel(5, 5) == 6
