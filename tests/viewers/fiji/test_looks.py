"""Colours, contrast, calibration and axes as a source asks for them, in a real ImageJ."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from coverslip.payload import Display, Source, as_planes
from coverslip.transport import ping
from coverslip.viewers import FijiStreamingConfig, View
from coverslip.viewers.fiji.luts import BUILT_IN
from tests.viewers.fiji.conftest import Bench
from tests.waiting import DEADLINE, eventually

pytestmark = pytest.mark.gui

LUT = """
Stack.setChannel(parseInt(getArgument())); getLut(r, g, b);
return "" + r[255] + " " + g[255] + " " + b[255] + " " + r[128] + " " + g[128] + " " + b[128];
"""
RANGE = "Stack.setChannel(parseInt(getArgument())); getMinAndMax(a, b); return '' + a + ' ' + b"
SIZES = "getDimensions(w, h, c, z, t); return '' + c + ' ' + z + ' ' + t"
CALIBRATION = """
getVoxelSize(x, y, z, unit); Stack.getUnits(ux, uy, uz, ut, uv);
return "" + x + " " + y + " " + z + " " + unit + " " + Stack.getFrameInterval() + " " + ut;
"""


def ramp(top: int = 1000) -> Any:
    return np.linspace(0, top, 2400, dtype=np.uint16).reshape(40, 60)


def send(bench: Bench, display: Display, *, modes: Any = None, **components: Any) -> None:
    source = Source(display=display, modes=modes or {})
    bench.view.send(source, as_planes(ramp(), components=components))


def lut(bench: Bench, channel: int = 1) -> list[int]:
    return [int(number) for number in bench.view.run_macro(LUT, str(channel)).split()]


@pytest.mark.parametrize(
    ("name", "top"),
    [
        ("GRAYS", (255, 255, 255)),
        ("Magenta", (255, 0, 255)),
        ("gray", (255, 255, 255)),
        ("#ff8000", (255, 128, 0)),
        ("bop orange", (249, 173, 42)),
        ("Red/Green", (0, 254, 0)),
    ],
)
def test_a_lut_by_name_in_any_case(bench: Bench, name: str, top: tuple[int, ...]) -> None:
    send(bench, Display(colormap=name), channel="DAPI")
    bench.settle()
    assert tuple(lut(bench)[:3]) == top


def test_each_channel_has_its_own_and_fire_is_fire(bench: Bench) -> None:
    send(bench, Display(colormap="fire"), channel="w1")
    send(bench, Display(), channel="GFP")
    bench.settle()
    fire = bench.macro(
        "newImage('own', '8-bit', 9, 9, 1); run('Fire'); getLut(r, g, b); close(); "
        "return '' + r[128] + ' ' + g[128] + ' ' + b[128]"
    )
    channels = bench.settle()[0].labels["channel"]
    assert lut(bench, channels.index("w1") + 1)[3:] == [int(part) for part in fire.split()]
    assert lut(bench, channels.index("GFP") + 1)[:3] == [0, 255, 0]


def test_an_unknown_lut_is_a_counted_warning_and_the_channel_keeps_its_colour(
    bench: Bench,
) -> None:
    for z in range(3):
        send(bench, Display(colormap="no such lut"), channel="GFP", z_index=z)
    (window,) = bench.settle()
    assert len(window.planes) == 3
    assert lut(bench)[:3] == [0, 255, 0]
    assert "a LUT was asked for that is none of Grays, Fire" in bench.log()


def test_every_unknown_lut_is_named_be_there_a_later_one_or_not(bench: Bench) -> None:
    names = [f"bogus{number}" for number in range(4)]
    for number, name in enumerate(names):
        send(bench, Display(colormap=name), channel=f"w{number}")
    bench.settle()
    told = ping(bench.view.visualizer.connection.endpoint, DEADLINE).last_error or ""
    assert all(repr(name) in told for name in names)
    eventually(lambda: all(repr(name) in bench.log() for name in names), "all of them are logged")


def test_the_user_s_lut_stays_whatever_later_planes_ask_for(bench: Bench) -> None:
    send(bench, Display(colormap="Red"), channel="GFP", z_index=0)
    bench.settle()
    bench.macro("run('Cyan')")
    send(bench, Display(colormap="Yellow"), channel="GFP", z_index=1)
    bench.settle()
    assert lut(bench)[:3] == [0, 255, 255]


def test_a_contrast_that_was_asked_for_does_not_widen_and_is_the_user_s_once_touched(
    bench: Bench,
) -> None:
    for z in range(2):
        send(bench, Display(contrast_limits=(100, 300)), channel="GFP", z_index=z)
        send(bench, Display(), channel="DAPI", z_index=z)
    bench.settle()
    assert bench.view.run_macro(RANGE, "2") == "100 300"
    low, high = map(float, bench.view.run_macro(RANGE, "1").split())
    assert low < 10
    assert high > 990
    bench.macro("Stack.setChannel(2); setMinAndMax(50, 60)")
    send(bench, Display(contrast_limits=(1, 2)), channel="GFP", z_index=2)
    bench.settle()
    assert bench.view.run_macro(RANGE, "2") == "50 60"


def test_scale_and_unit_are_the_calibration_and_stay_when_axes_grow(bench: Bench) -> None:
    display = Display(scale={"x": 0.325, "y": 0.65, "z_index": 2.0, "timepoint": 30.0}, unit="um")
    send(bench, display, channel="GFP", z_index=0, timepoint=0)
    bench.settle()
    wanted = "0.325 0.65 2 \u00b5m 30 sec"
    assert bench.macro(CALIBRATION) == wanted
    for z, t in itertools.product(range(3), range(2)):
        send(bench, display, channel="DAPI", z_index=z, timepoint=t)
    bench.settle()
    assert bench.macro(CALIBRATION) == wanted


def test_a_calibration_that_the_user_has_set_stays(bench: Bench) -> None:
    send(bench, Display(scale={"x": 0.5, "y": 0.5}, unit="micron"), z_index=0)
    bench.settle()
    assert bench.macro(CALIBRATION).startswith("0.5 0.5 1 \u00b5m")
    bench.macro("setVoxelSize(7, 7, 7, 'nm')")
    send(bench, Display(scale={"x": 0.25, "y": 0.25}, unit="um"), z_index=1)
    bench.settle()
    assert bench.macro(CALIBRATION).startswith("7 7 7 nm")


def test_a_better_calibration_of_a_later_plane_is_taken(bench: Bench) -> None:
    send(bench, Display(), z_index=0)
    send(bench, Display(scale={"x": 0.5}, unit="mm"), z_index=1)
    bench.settle()
    assert bench.macro(CALIBRATION).startswith("0.5 0.5 1 mm")
    send(bench, Display(scale={"x": 0.25, "y": 0.5}, unit="mm"), z_index=2)
    bench.settle()
    assert bench.macro(CALIBRATION).startswith("0.25 0.5 1 mm")


def test_any_component_goes_on_any_axis(bench: Bench) -> None:
    display = Display(dimensions={"cycle": "c", "site": "z", "z_index": "t", "timepoint": "t"})
    modes = {"site": "stack", "well": "stack", "donor": "separate"}
    for cycle, site, z, t in itertools.product((1, 2), (1, 2, 10), (1, 2), (1, 2)):
        send(bench, display, modes=modes, cycle=cycle, site=site, z_index=z, timepoint=t, donor="x")
    (window,) = bench.settle()
    assert window.name == "Donor_x"
    assert bench.macro(SIZES) == "2 3 4"
    said = bench.macro("Stack.setPosition(2, 3, 2); return getInfo('slice.label')")
    for part in ("cycle=2", "site=10", "timepoint=1", "z_index=2"):
        assert part in said.split()


def test_wells_on_the_channel_axis_are_looked_at_one_by_one(bench: Bench) -> None:
    for well in ("A1", "A2"):
        send(bench, Display(), modes={"well": "slice"}, well=well)
    bench.settle()
    assert bench.macro("Stack.getDisplayMode(mode); return '' + mode") == "color"
    assert lut(bench)[:3] == [255, 255, 255]


def test_a_source_that_asks_for_other_axes_than_its_window_has_is_warned_of(bench: Bench) -> None:
    send(bench, Display(), z_index=1)
    send(bench, Display(dimensions={"z_index": "t"}), z_index=2)
    (window,) = bench.settle()
    assert len(window.planes) == 2
    assert bench.macro(SIZES) == "1 2 1"
    assert "asked for other axes than their window has" in bench.log()


def test_a_window_that_is_replaced_is_blank_where_nothing_came_again(bench: Bench) -> None:
    for run, places in (("first", (1, 2, 3)), ("second", (2,))):
        for z in places:
            source = Source(replace=run)
            bench.view.send(source, as_planes(ramp(), components={"z_index": z}))
        bench.settle()
    (window,) = bench.settle()
    assert [plane.components["z_index"] for plane in window.planes] == [2]
    look = "setSlice(parseInt(getArgument())); getStatistics(n, mean, low, high); return '' + high"
    assert [bench.view.run_macro(look, str(z)) for z in (1, 2, 3)] == ["0", "1000", "0"]


def test_what_this_imagej_offers_is_what_we_say_it_does(bench: Bench) -> None:
    offered = bench.macro("list = getList('LUTs'); return String.join(list, '|')").split("|")
    assert sorted(offered) == sorted(BUILT_IN)


def test_a_configuration_lays_a_window_out(bench: Bench) -> None:
    config = FijiStreamingConfig(
        lut="Cyan", dimensions={"cycle": "c"}, scale={"x": 0.5, "y": 0.5}, unit="um"
    )
    with View(bench.view.visualizer, config=config) as view:
        for cycle, z in itertools.product((1, 2), (1, 2, 3)):
            view.show(ramp(), cycle=cycle, z_index=z)
        assert view.flush(30).shown == 6
    bench.settle()  # which paints
    assert bench.macro(SIZES) == "2 3 1"
    assert lut(bench, 2)[:3] == [0, 255, 255]
    assert bench.macro(CALIBRATION).startswith("0.5 0.5 1 \u00b5m")
