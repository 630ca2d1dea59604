"""Components to layers and places: modes, ragged data, names, collisions."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from coverslip.payload.errors import InvalidMessage
from coverslip.payload.placement import Mode, Placement, place
from coverslip.payload.projection import Change, Projection
from coverslip.payload.schema import Source

NAPARI = frozenset({Mode.SLICE, Mode.SEPARATE})
FIJI = frozenset({Mode.SEPARATE})
DEFAULTS = {"channel": Mode.SLICE}


def source(
    name: str | None = None,
    step_name: str | None = None,
    step_index: int | None = None,
    **modes: str,
) -> Source:
    return Source(name=name, step_name=step_name, step_index=step_index, modes=modes)


def at(
    origin: Source | None = None,
    *,
    shape: tuple[int, ...] = (4, 6),
    dtype: str = "<u2",
    rgb: bool = False,
    own_layer: frozenset[Mode] = NAPARI,
    **components: Any,
) -> Placement:
    return place(
        origin or source(),
        components,
        shape=shape,
        dtype=dtype,
        rgb=rgb,
        defaults=DEFAULTS,
        own_layer=own_layer,
    )


def insert(projection: Projection, placement: Placement, origin: str = "") -> Change:
    pixels = np.zeros([extent or 0 for extent in placement.layer.shape], placement.layer.dtype)
    return projection.insert(placement, pixels, origin)


def test_by_default_channel_makes_the_layer_and_the_rest_are_axes() -> None:
    placement = at(well="A01", channel="DAPI", z_index=3)
    assert placement.layer.components == (("channel", "DAPI"),)
    assert placement.coordinates == {"well": "A01", "z_index": 3}
    assert placement.components == {"well": "A01", "channel": "DAPI", "z_index": 3}


def test_the_source_s_modes_win_and_the_three_stay_apart() -> None:
    placement = at(
        source(channel="stack", well="separate", site="slice"),
        well="A01",
        channel="DAPI",
        site=2,
        z_index=3,
    )
    assert placement.window == {"well": "A01"}
    assert placement.slice == {"site": 2}
    assert placement.stack == {"channel": "DAPI", "z_index": 3}
    assert placement.layer.components == (("site", 2), ("well", "A01"))
    assert placement.layer.axes == ("channel", "z_index")


def test_in_a_viewer_where_only_separate_makes_a_layer_slices_are_axes() -> None:
    placement = at(source(well="separate"), own_layer=FIJI, well="A01", channel="DAPI", z_index=3)
    assert placement.layer.components == (("well", "A01"),)
    assert placement.coordinates == {"channel": "DAPI", "z_index": 3}
    assert (placement.slice, placement.stack) == ({"channel": "DAPI"}, {"z_index": 3})


def test_an_unknown_mode_or_a_plane_s_own_axis_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="'sideways'; there are: stack, slice, separate"):
        at(source(well="sideways"), well="A01")
    with pytest.raises(InvalidMessage, match="plane's own axis"):
        at(y=3)


@pytest.mark.parametrize(
    ("placement", "name"),
    [
        (
            at(
                source(None, "gaussian_blur", 2, well="slice", site="slice"),
                well="A01",
                site="001",
                channel="DAPI",
            ),
            "Step_02_gaussian_blur_Well_A01_Channel_DAPI_Site_001",
        ),
        (at(source(None, "raw", 0), channel="w1", z_index=1), "Step_00_raw_Channel_w1"),
        (at(source(None, None, 3)), "Step_03"),
        (at(source(None, "raw")), "raw"),
        (at(source("nuclei"), channel="w1"), "nuclei"),
        (at(z_index=1), "Image"),
    ],
)
def test_names(placement: Placement, name: str) -> None:
    assert placement.name == name


def test_each_step_has_its_own_layers() -> None:
    projection = Projection()
    insert(projection, at(source(None, "raw", 0), channel="w1"))
    insert(projection, at(source(None, "blur", 1), channel="w1"))
    assert [layer.name for layer in projection] == [
        "Step_00_raw_Channel_w1",
        "Step_01_blur_Channel_w1",
    ]


def test_any_order_of_arrival_gives_the_same_axes_and_planes() -> None:
    places = list(itertools.product(("A2", "A10", "B1"), (1, 2, 10), ("w1", "w2")))
    states = []
    for seed in range(4):
        projection = Projection()
        for well, z, channel in random.Random(seed).sample(places, len(places)):
            insert(projection, at(well=well, z_index=z, channel=channel))
        assert [axis.values for axis in projection.axes] == [("A2", "A10", "B1"), (1, 2, 10)]
        states.append({layer.name: set(layer.store) for layer in projection})
    assert all(state == states[0] for state in states)
    assert {len(planes) for planes in states[0].values()} == {9}


def test_a_change_says_what_grew() -> None:
    projection = Projection()
    first = insert(projection, at(well="A1", z_index=1))
    assert (first.created, first.grown_axes, first.replaced) == (True, ("well", "z_index"), False)
    second = insert(projection, at(well="A1", z_index=2))
    assert (second.created, second.grown_axes) == (False, ("z_index",))
    assert second.layer is first.layer
    again = insert(projection, at(well="A1", z_index=2))
    assert (again.grown_axes, again.replaced, again.collision) == ((), True, None)


def test_planes_that_lack_an_axis_have_a_layer_whose_name_says_so() -> None:
    projection = Projection()
    stack = insert(projection, at(channel="w1", z_index=1)).layer
    projected = insert(projection, at(channel="w1")).layer
    assert stack.name == "Channel_w1"
    assert projected.name == "Channel_w1 (no z_index)"
    assert projection.axes.names == ("z_index",)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (at(z_index=1, timepoint=1), "Image (with timepoint)"),
        (at(z_index=1, shape=(8, 9)), "Image (9 x 8)"),
        (at(z_index=1, dtype="<f4"), "Image (float32)"),
        (at(z_index=1, dtype="|u1", shape=(4, 6, 3), rgb=True), "Image (RGB, uint8)"),
    ],
)
def test_what_does_not_fit_gets_a_layer_whose_name_says_why(other: Placement, name: str) -> None:
    projection = Projection()
    insert(projection, at(z_index=1))
    assert insert(projection, other).layer.name == name
    assert insert(projection, other).created is False


def test_names_are_unique_even_for_one_name_over_many_layers() -> None:
    projection = Projection()
    for channel, z in itertools.product(("w1", "w2"), (None, 1)):
        components = {"channel": channel} if z is None else {"channel": channel, "z_index": z}
        insert(projection, at(source("cells"), **components))
    names = [layer.name for layer in projection]
    assert names == [
        "cells",
        "cells (with z_index)",
        "cells (Channel_w2)",
        "cells (Channel_w2, with z_index)",
    ]


def test_named_annotations_say_which_component_made_their_layer() -> None:
    placements = [
        place(
            Source(name="cells", modes={"well": "slice"}),
            {"well": well, "site": 1},
            shape=(4, 5),
            dtype="<u2",
            rgb=False,
            defaults={},
            own_layer=frozenset({Mode.SLICE}),
            kind=kind,
        )
        for kind in ("labels", "image")
        for well in ("A01", "B02")
    ]
    names = [placement.name for placement in placements]
    assert names == ["cells_Well_A01", "cells_Well_B02", "cells", "cells"]


def test_one_output_sent_again_replaces_silently() -> None:
    projection = Projection()
    raw = source(None, "raw", 0)
    insert(projection, at(raw, well="A1"), "a.tif")
    assert insert(projection, at(raw, well="A1"), "a.tif").collision is None
    assert insert(projection, at(raw, well="A1"), "").collision is None
    assert projection.collisions == 0


def test_two_outputs_or_two_steps_at_one_place_are_a_collision_that_names_both() -> None:
    projection = Projection()
    insert(projection, at(source(None, "raw", 0), well="A1"), "a.tif")
    change = insert(projection, at(source(None, "raw", 0), well="A1"), "b.tif")
    assert change.collision == ("Step_00_raw a.tif", "Step_00_raw b.tif")

    insert(projection, at(source("result", "raw", 0), well="A1"))
    change = insert(projection, at(source("result", "blur", 1), well="A1"))
    assert change.collision == ("Step_00_raw", "Step_01_blur")
    assert projection.collisions == 2
    projection.clear()
    assert projection.collisions == 0


def test_a_plane_that_is_not_what_was_announced_leaves_nothing_behind() -> None:
    projection = Projection()
    with pytest.raises(ValueError, match="planes was handed one of"):
        projection.insert(at(well="A1"), np.zeros((1, 1)), "")
    assert len(projection) == 0
    assert projection.axes.names == ()


def test_bytes_and_forgetting() -> None:
    projection = Projection()
    layer = insert(projection, at(channel="w1", z_index=1)).layer
    insert(projection, at(channel="w2", z_index=1))
    assert projection.nbytes == 2 * 4 * 6 * 2
    projection.remove(layer)
    assert [kept.name for kept in projection.layers] == ["Channel_w2"]
    assert projection.axes.names == ("z_index",)
    projection.clear()
    assert (len(projection), len(projection.axes), projection.nbytes) == (0, 0, 0)


class TestKeeping:
    def test_the_newest_planes_are_kept_and_the_axes_have_no_others(self) -> None:
        projection = Projection()
        for number in range(10):
            change = insert(projection, at(z_index=number))
        dropped = projection.trim(change.layer, 3, lambda _: False)
        assert dropped == tuple((number,) for number in range(7))
        assert list(change.layer.store) == [(7,), (8,), (9,)]
        assert projection.axes["z_index"].values == (7, 8, 9)

    def test_one_that_is_spared_stays_with_its_value(self) -> None:
        projection = Projection()
        for number in range(10):
            change = insert(projection, at(z_index=number))
        projection.trim(change.layer, 3, lambda coordinates: coordinates == {"z_index": 2})
        assert list(change.layer.store) == [(2,), (7,), (8,), (9,)]
        assert projection.axes["z_index"].values == (2, 7, 8, 9)

    def test_each_value_of_an_axis_may_keep_so_many_for_itself(self) -> None:
        projection = Projection()
        for number in range(5):
            for channel in ("DAPI", "GFP")[: 1 if number > 2 else 2]:
                change = insert(projection, at(own_layer=FIJI, channel=channel, z_index=number))
        dropped = projection.trim(change.layer, 2, lambda _: False, ["channel"])
        assert dropped == (("DAPI", 0), ("GFP", 0), ("DAPI", 1), ("DAPI", 2))
        assert list(change.layer.store) == [("GFP", 1), ("GFP", 2), ("DAPI", 3), ("DAPI", 4)]

    def test_fewer_than_are_to_be_kept_stay_all(self) -> None:
        projection = Projection()
        change = insert(projection, at(z_index=0))
        assert projection.trim(change.layer, 3, lambda _: False) == ()

    def test_a_value_that_another_layer_has_stays_on_the_axis(self) -> None:
        projection = Projection()
        for number in range(4):
            dapi = insert(projection, at(channel="DAPI", z_index=number))
            insert(projection, at(channel="GFP", z_index=number))
        projection.trim(dapi.layer, 1, lambda _: False)
        assert tuple(projection.axes["z_index"]) == (0, 1, 2, 3)
        projection.trim(projection.layers[1], 1, lambda _: False)
        assert tuple(projection.axes["z_index"]) == (3,)

    def test_the_last_value_of_an_axis_stays(self) -> None:
        projection = Projection()
        change = insert(projection, at(z_index=5))
        projection.drop(change.layer, (5,))
        assert len(change.layer.store) == 0
        assert projection.axes["z_index"].values == (5,)

    def test_what_only_replaced_planes_had_is_unused_until_it_is_forgotten(self) -> None:
        projection = Projection()
        first, second = Source(replace="first"), Source(replace="second")
        for number in range(4):
            for channel in ("DAPI", "GFP"):
                insert(projection, at(first, channel=channel, z_index=number))
        insert(projection, at(second, channel="DAPI", z_index=1))
        assert projection.unused() == (), "the other channel has them still"
        insert(projection, at(second, channel="GFP", z_index=2))
        assert projection.axes["z_index"].values == (0, 1, 2, 3)
        assert projection.unused() == (("z_index", 0), ("z_index", 3))
        projection.forget(projection.unused())
        assert tuple(projection.axes["z_index"]) == (1, 2)
        for layer in projection.layers:
            layer.store.clear()
        assert projection.unused() == (), "an axis stays as it is where no plane has it at all"

    def test_a_plane_that_was_dropped_collides_with_none(self) -> None:
        projection = Projection()
        change = insert(projection, at(source(None, "a"), z_index=1), "one")
        projection.drop(change.layer, (1,))
        again = insert(projection, at(source(None, "a"), z_index=1), "two")
        assert again.collision is None
