"""Hyperstacks in a real ImageJ: they grow in place, and what the user chose stays."""

from __future__ import annotations

import itertools
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from coverslip.viewers import View
from tests.viewers.fiji.conftest import Bench
from tests.waiting import DEADLINE, eventually

pytestmark = pytest.mark.gui

STATE = """
Stack.getPosition(c, z, t); getMinAndMax(low, high); getLocationAndSize(x, y, w, h);
getSelectionBounds(rx, ry, rw, rh); getLut(reds, greens, blues);
return "" + low + " " + high + " at " + x + " " + y + " zoom " + getZoom() + " roi " + rx + " "
    + ry + " " + rw + " " + rh + " lut " + reds[255] + " " + greens[255] + " " + blues[255]
    + " image " + getImageID() + " of " + nImages + " label " + getInfo("slice.label");
"""


def plane(value: int, shape: tuple[int, int] = (40, 60), dtype: Any = np.uint16) -> Any:
    pixels = np.full(shape, value, dtype)
    pixels[0, 0] = 0
    return pixels


def crc(pixels: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).tobytes())


def test_planes_in_random_order_land_where_they_belong(bench: Bench) -> None:
    places = list(itertools.product(("GFP", "DAPI"), range(5), range(3)))
    random.Random(7).shuffle(places)
    sent = {}
    for number, (channel, z, t) in enumerate(places):
        pixels = plane(100 + number)
        sent[channel, z, t] = crc(pixels)
        bench.show(pixels, well="A01", channel=channel, z_index=z, timepoint=t)
        if number % 7 == 0:
            bench.settle()  # so that it grows many times
    (window,) = bench.settle()
    assert window.name == "Well_A01"
    assert window.axes == ("timepoint", "z_index", "channel", "y", "x")
    assert window.shape == (3, 5, 2, 40, 60)
    assert window.labels == {
        "timepoint": (0, 1, 2),
        "z_index": tuple(range(5)),
        "channel": ("DAPI", "GFP"),
    }
    where = [
        (p.components["channel"], p.components["z_index"], p.components["timepoint"])
        for p in window.planes
    ]
    assert {place: p.crc32 for place, p in zip(where, window.planes, strict=True)} == sent
    # ImageJ's own idea of it: XYCZT.
    assert bench.macro("getDimensions(w, h, c, z, t); return '' + c + ' ' + z + ' ' + t") == "2 5 3"
    said = bench.macro(
        "Stack.setPosition(2, 4, 3); return '' + getPixel(5, 5) + ' ' + getInfo('slice.label')"
    )
    number = places.index(("GFP", 3, 2))
    assert said == f"{100 + number} timepoint=2 channel=GFP z_index=3"


def test_missing_places_are_blank_and_say_so_until_their_plane_comes(bench: Bench) -> None:
    bench.show(plane(7), z_index=1, timepoint=1)
    bench.show(plane(8), z_index=2, timepoint=2)
    (window,) = bench.settle()
    assert window.shape[:2] == (2, 2)
    assert len(window.planes) == 2
    look = "Stack.setPosition(1, 2, 1); return '' + getPixel(5, 5) + ' ' + getInfo('slice.label')"
    assert bench.macro(look) == "0 timepoint=1 z_index=2 (no plane)"
    bench.show(plane(9), z_index=2, timepoint=1)
    bench.settle()
    assert bench.macro(look) == "9 timepoint=1 z_index=2"


def test_the_user_s_choices_stay_while_a_hundred_planes_come(bench: Bench) -> None:
    for channel, z in itertools.product((1, 2), (1, 2, 3)):
        bench.show(plane(200 * channel + z), channel=channel, z_index=z)
    bench.settle()
    bench.macro(
        "Stack.setPosition(2, 1, 1); run('Red'); setMinAndMax(12, 345); "
        "setLocation(210, 170); run('In [+]'); makeRectangle(4, 5, 6, 7);"
    )
    before = bench.macro(STATE)
    assert before.startswith("12 345 at 210 170")
    assert before.endswith("label channel=2 z_index=1")
    for number in range(100):
        # Channels 0 and 3 come before and after, z grows at both ends, time is new.
        bench.show(
            plane(3000 + number),
            channel=(1, 2, 0, 3)[number % 4],
            z_index=(0, 1, 2, 3, 4)[number // 4 % 5],
        )
        if number % 9 == 0:
            bench.settle()
    (window,) = bench.settle()
    assert window.shape[:2] == (5, 4)
    assert bench.macro(STATE) == before
    look = "Stack.setPosition(3, 2, 1); getMinAndMax(a, b); return '' + a + ' ' + b"
    assert bench.macro(look) == "12 345"
    # What the user has not touched widened with its planes.
    assert float(bench.macro(look.replace("3,", "4,", 1)).split()[1]) > 2000


def test_an_axis_that_comes_late_is_a_new_window_that_says_why(bench: Bench) -> None:
    bench.show(plane(1), z_index=1)
    bench.show(plane(2))
    bench.show(plane(3, (50, 50)))
    names = [window.name for window in bench.settle()]
    assert names == ["Image", "Image (no z_index)", "Image (no z_index, 50 x 50)"]


def test_it_follows_the_newest_plane_until_the_user_scrubs(bench: Bench) -> None:
    where = "Stack.getPosition(c, z, t); return '' + c + ' ' + z + ' ' + t"
    for z in (1, 2, 3):
        bench.show(plane(z), z_index=z, timepoint=1)
        bench.show(plane(z), z_index=z, timepoint=2)
    bench.settle()
    assert bench.macro(where) == "1 3 2"
    bench.macro("Stack.setPosition(1, 2, 1)")
    bench.show(plane(5), z_index=3, timepoint=3)
    bench.settle()
    assert bench.macro(where) == "1 2 1"
    bench.macro("Stack.setPosition(1, 3, 3)")
    bench.show(plane(6), z_index=1, timepoint=4)
    bench.settle()
    assert bench.macro(where) == "1 1 4"


def test_it_goes_to_the_newest_plane_s_channel_until_the_user_has_chosen_one(
    bench: Bench,
) -> None:
    where = "Stack.getPosition(c, z, t); return '' + c + ' ' + z + ' ' + getInfo('slice.label')"
    bench.show(plane(4), channel="w4", z_index=1)
    bench.settle()
    for z in range(1, 11):
        for channel in ("w1", "w2"):
            bench.show(plane(z), channel=channel, z_index=z)
    bench.settle()
    # Of channel w4 there is only z 1.
    assert bench.macro(where) == "2 10 channel=w2 z_index=10"
    bench.macro("Stack.setChannel(1)")
    bench.show(plane(11), channel="w2", z_index=11)
    bench.settle()
    assert bench.macro(where) == "1 11 channel=w1 z_index=11 (no plane)"
    bench.macro("Stack.setChannel(2)")
    bench.show(plane(11), channel="w1", z_index=11)
    bench.settle()
    assert bench.macro(where) == "1 11 channel=w1 z_index=11"


def test_a_channel_whose_contrast_is_worked_on_stays_in_view(bench: Bench) -> None:
    for channel in ("w1", "w2"):
        bench.show(plane(1), channel=channel, z_index=1)
    bench.settle()
    bench.macro("setMinAndMax(12, 345)")  # of w2, the newest
    bench.show(plane(2), channel="w1", z_index=2)
    bench.settle()
    assert bench.macro("getMinAndMax(a, b); return '' + a + ' ' + b") == "12 345"


def test_modes_choose_windows_and_axes(bench: Bench) -> None:
    modes = {"well": "slice", "site": "stack", "channel": "separate"}
    with View(bench.view.visualizer, modes=modes) as view:
        for well, site, channel, t in itertools.product(("A2", "A10"), (1, 2), (1, 2), (1, 2, 3)):
            view.show(plane(site), well=well, site=site, channel=channel, timepoint=t)
        assert view.flush(30).shown == 24
        windows = view.layers()
    assert [window.name for window in windows] == ["Channel_1", "Channel_2"]
    assert windows[0].labels == {
        "site": (1, 2),
        "timepoint": (1, 2, 3),
        "well": ("A2", "A10"),
    }
    dimensions = bench.macro("getDimensions(w, h, c, z, t); return '' + c + ' ' + z + ' ' + t")
    assert dimensions == "2 1 6"


def test_a_window_for_each_well_and_site(bench: Bench) -> None:
    for well, site in itertools.product(("A01", "B02"), (1, 2)):
        bench.show(plane(site), well=well, site=site, channel="DAPI", step_name="raw", step_index=0)
    assert [window.name for window in bench.settle()] == [
        f"Step_00_raw_Well_{well}_Site_{site}"
        for well, site in itertools.product(("A01", "B02"), (1, 2))
    ]


def test_a_window_for_each_plate(bench: Bench) -> None:
    for plate, value in (("monday", 3), ("tuesday", 4)):
        bench.show(plane(value), plate=plate, well="A01", channel=1)
    windows = bench.settle()
    assert [window.name for window in windows] == [
        "Well_A01_Plate_monday",
        "Well_A01_Plate_tuesday",
    ]


def test_every_dtype_is_held_and_a_loss_is_warned_of(bench: Bench) -> None:
    whole: Any
    for code in ("?", "u1", "i1", "<u2", ">u2", "<i2", "<u4", "<i4", "<i8", "<f2", "<f4", "<f8"):
        whole = (np.arange(600) % 100).reshape(20, 30).astype(code)
        bench.show(whole, name=code)
    for z in (1, 2):
        bench.show(np.full((20, 30), 2**24 + z, np.int32), name="labels", z_index=z)
    colors = np.random.default_rng(2).integers(0, 256, (20, 30, 3), np.uint8)
    bench.show(colors, name="rgb", rgb=True)
    held = {window.name: window for window in bench.settle()}
    assert {name: window.dtype for name, window in held.items()} == {
        "?": "|u1", "u1": "|u1", "i1": "<f4", "<u2": "<u2", ">u2": "<u2", "<i2": "<f4",
        "<u4": "<f4", "<i4": "<f4", "<i8": "<f4", "<f2": "<f4", "<f4": "<f4", "<f8": "<f4",
        "labels": "<f4", "rgb": "|u1",
    }  # fmt: skip
    numbers = (np.arange(600) % 100).reshape(20, 30)
    for name, window in held.items():
        if name not in {"?", "labels", "rgb"}:
            assert window.planes[0].crc32 == crc(numbers.astype(window.dtype)), name
    assert held["?"].planes[0].crc32 == crc((numbers != 0).astype(np.uint8) * np.uint8(255))
    assert held["rgb"].planes[0].crc32 == crc(colors)
    assert held["rgb"].planes[0].shape == (20, 30, 3)
    assert "600 of 600 pixels were rounded" in bench.log()
    look = "selectImage('labels'); setSlice(1); return getInfo('slice.label')"
    assert bench.macro(look) == "z_index=1 (rounded)"


def test_a_window_that_the_user_has_converted_is_theirs(bench: Bench) -> None:
    bench.show(plane(300), z_index=1)
    bench.show(plane(300), z_index=2)
    bench.settle()
    bench.macro("run('8-bit'); rename('mine')")
    eventually(lambda: not bench.view.layers(), "the window is the user's now")
    bench.show(plane(300), z_index=3)
    (window,) = bench.settle()
    assert len(window.planes) == 1
    assert bench.macro("return '' + nImages") == "2"
    bench.macro("selectImage('mine'); close()")


def test_a_plane_sent_again_replaces_the_old_one_where_it_is_looked_at(bench: Bench) -> None:
    bench.show(plane(10), channel=1)
    bench.show(plane(20), channel=2)
    bench.settle()
    bench.show(plane(30), channel=2)
    (window,) = bench.settle()
    assert {p.crc32 for p in window.planes} == {crc(plane(10)), crc(plane(30))}
    assert bench.macro("Stack.setChannel(2); return '' + getPixel(5, 5)") == "30"


def test_the_picture_is_of_all_windows(bench: Bench) -> None:
    colors = {"A1": (255, 128, 0), "A2": (0, 128, 255)}
    for well, color in colors.items():
        lut = "#" + bytes(color).hex()
        bench.show(plane(3000, (300, 400)), well=well, channel="DAPI", colormap=lut)
    bench.settle()
    picture = imagecodecs.png_decode(bench.view.screenshot())
    # One lies over the other, all but a strip of it.
    for well, color in colors.items():
        assert np.count_nonzero((picture == color).all(axis=-1)) > 1_000, well


def test_a_plane_that_is_replaced_in_view_is_not_lost_when_the_window_moves_on(
    bench: Bench,
) -> None:
    # ImageJ writes the slice that it leaves back into the stack, as it has drawn it.
    for z in range(4):
        bench.show(plane(10 + z), z_index=z)
    bench.settle()
    newest = {}
    for turn in range(40):
        # Both in one turn of the event thread, mostly: the second takes the window along.
        for z in (turn % 4, (turn + 1) % 4):
            newest[z] = plane(100 + 10 * turn + z)
            bench.show(newest[z], z_index=z)
        bench.settle()
    (window,) = bench.settle()
    held = {p.components["z_index"]: p.crc32 for p in window.planes}
    assert held == {z: crc(pixels) for z, pixels in newest.items()}


def test_components_that_are_no_axes_do_not_make_millions_of_places(bench: Bench) -> None:
    for number in range(12):
        measured: dict[str, Any] = {f"measured_{j}": number + 0.5 * j for j in range(7)}
        bench.view.show(plane(number + 1), **measured)
    delivery = bench.view.flush(60)
    assert delivery.shown + delivery.failed == 12
    assert delivery.failed > 0
    (reason,) = bench.view.statistics().reasons
    assert "far more blanks than planes" in reason
    assert 'the mode "separate"' in reason
    # It is alive, and has what it has shown.
    (window,) = bench.view.layers()
    assert len(window.planes) == delivery.shown


def test_an_endless_stream_that_keeps_few_planes_goes_on(bench: Bench) -> None:
    with View(bench.view.visualizer, keep="latest") as few:
        for number in range(4100):
            few.show(plane(number + 1, (4, 4)), timepoint=number)
        assert few.flush(60) == (4100, 4100, 0, 0), few.statistics().reasons
    (window,) = bench.settle()
    assert window.shape == (4100, 4, 4)
    assert len(window.planes) <= 2


def test_a_window_that_opens_while_a_macro_is_in_batch_mode_is_none_of_the_macro_s(
    bench: Bench, tmp_path: Path
) -> None:
    text = """
    setBatchMode(true); newImage("mine", "8-bit", 9, 9, 1);
    File.saveString("", getArgument() + "/begun");
    while (!File.exists(getArgument() + "/shown")) wait(5);
    return getTitle() + " of " + nImages;
    """
    with ThreadPoolExecutor(1) as beside:
        macro = beside.submit(bench.view.run_macro, text, str(tmp_path), DEADLINE)
        eventually((tmp_path / "begun").exists, "it is in batch mode")
        bench.show(plane(1), well="A1")
        bench.settle()
        (tmp_path / "shown").touch()
        assert macro.result(DEADLINE) == "mine of 2"
    assert bench.macro("return getTitle() + ' of ' + nImages") == "Well_A1 of 1"
