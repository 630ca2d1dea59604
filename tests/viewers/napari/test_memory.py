"""A napari scene whose planes are partly on disk: what is in view stays, the rest comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coverslip.payload import Kind, Mode, Source, kept, place
from coverslip.viewers.little import in_little
from coverslip.viewers.memory import Memory, Scratch
from coverslip.viewers.napari.tiles import Spot, spot_of
from coverslip.viewers.parsers.base import well_name
from tests.waiting import eventually

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui

SHAPE = (64, 64)
NBYTES = 64 * 64 * 2
ROOM = 32


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """Room for 32 planes."""
    one = Memory(ROOM * NBYTES, scratch=Scratch(tmp_path), weigh=lambda: one.usage().memory)
    yield one
    one.close()


@pytest.fixture
def window(qt_application: Any, memory: Memory) -> Iterator[LiveWindow]:
    """An open window over that memory."""
    from coverslip.viewers.napari.window import LiveWindow

    live = LiveWindow("test", memory)
    yield live
    live.close()
    qt_application.processEvents()


class Sender:
    """Puts held planes into a window's scene, as the server does."""

    def __init__(self, window: LiveWindow, memory: Memory) -> None:
        self.window = window
        self.memory = memory

    def __call__(self, value: int, keep: int = 0, kind: Kind = "image", **components: Any) -> Any:
        placement = place(
            Source(keep=keep),
            components,
            shape=SHAPE,
            dtype="<u2",
            rgb=False,
            defaults={"channel": Mode.SLICE},
            own_layer=frozenset({Mode.SLICE, Mode.SEPARATE}),
            kind=kind,
        )
        pixels = kept(SHAPE, "<u2")
        pixels[...] = value
        held: Any = self.memory.hold(
            pixels, (placement.layer, tuple(placement.coordinates.values()))
        )
        limits = (0.0, 300.0) if kind == "image" else None
        tile = None if spot_of(placement) is None else in_little(pixels, 8)
        self.window.scene.insert(placement, held, "", limits, tile)
        return held


@pytest.fixture
def send(window: LiveWindow, memory: Memory) -> Sender:
    return Sender(window, memory)


def drawn(window: LiveWindow, layer: int = 0) -> int:
    """Return the value of the plane that is drawn."""
    image: Any = window.viewer.layers[layer]
    position = (*window.viewer.dims.current_step[:-2], 5, 5)
    return int(image.get_value(position))


def spilled(memory: Memory) -> None:
    eventually(lambda: not memory._due, "what is too much was written out")


def test_planes_on_disk_are_drawn_when_scrolled_to(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    for number in range(200):
        send(number, z_index=number)
    window.paint()
    spilled(memory)
    assert memory.usage().on_disk > 150
    for number in (0, 100, 3, 199, 50):
        window.viewer.dims.set_current_step(0, number)
        assert drawn(window) == number
    assert not window.scene.following


def test_labels_on_disk_are_drawn_and_picked_when_scrolled_to(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    planes = [send(number + 1, kind="labels", z_index=number) for number in range(200)]
    window.paint()
    spilled(memory)
    assert memory.usage().on_disk > 150
    assert not planes[100].in_memory
    (layer,) = window.viewer.layers
    for number in (0, 100, 3, 199, 50):
        window.viewer.dims.set_current_step(0, number)
        assert drawn(window) == number + 1
        assert (np.asarray(layer._slice.image.raw) == number + 1).all()
    assert planes[50].in_memory
    assert memory.usage().dropped == 0


def test_what_is_in_view_and_beside_it_stays_in_memory(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    planes = [send(number, z_index=number) for number in range(100)]
    window.paint()
    spilled(memory)
    window.viewer.dims.set_current_step(0, 10)
    planes += [send(number, z_index=number) for number in range(100, 300)]
    for number in range(300, 400):
        planes.append(send(number, z_index=number))
        window.paint()
    spilled(memory)
    assert drawn(window) == 10
    assert all(planes[number].in_memory for number in (9, 10, 11))
    assert not planes[20].in_memory


def test_a_stack_that_is_drawn_whole_is_read_and_not_kept(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    for number in range(200):
        send(number, z_index=number)
    window.paint()
    spilled(memory)
    whole = np.asarray(window.viewer.layers[0].data)
    assert (whole == np.arange(200, dtype=np.uint16)[:, None, None]).all()
    assert memory.usage().memory <= ROOM * NBYTES


def test_the_bar_says_what_is_where(window: LiveWindow, memory: Memory, send: Sender) -> None:
    send(1, z_index=0)
    window.scene.say()
    assert "disk" not in window.scene.bar._words.text()
    for number in range(200):
        send(number, z_index=number)
    spilled(memory)
    window.scene.say()
    words = window.scene.bar._words.text()
    usage = memory.usage()
    assert " in memory" in words
    assert f"{usage.on_disk} on disk (" in words
    assert "dropped" not in words
    for number in range(200, 220):
        send(number, keep=5, z_index=number)
    window.scene.say()
    assert f"{memory.usage().dropped} dropped" in window.scene.bar._words.text()


def test_the_newest_planes_of_each_layer_are_kept_and_sliders_follow(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    for number in range(30):
        for channel in ("DAPI", "GFP"):
            send(number, keep=3, channel=channel, timepoint=number)
        if number % 4 == 0:
            window.paint()
    window.paint()
    window.paint()
    for live in window.scene.layers():
        assert [key for (key,) in live.layer.store] == [27, 28, 29]
        assert live.grid.values == ((27, 28, 29),)
    assert drawn(window) == 29
    assert window.viewer.dims.nsteps[0] == 3
    assert memory.usage().dropped == 2 * 27


def test_the_plane_that_is_looked_at_is_spared_until_it_is_left(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    for number in range(5):
        send(number, keep=5, timepoint=number)
    window.paint()
    window.viewer.dims.set_current_step(0, 1)
    for number in range(5, 20):
        send(number, keep=2, timepoint=number)
        window.paint()
    (live,) = window.scene.layers()
    assert [key for (key,) in live.layer.store] == [1, 18, 19]
    assert drawn(window) == 1
    window.scene.follow()
    send(20, keep=2, timepoint=20)
    window.paint()
    window.paint()
    (live,) = window.scene.layers()
    assert [key for (key,) in live.layer.store] == [19, 20]
    assert drawn(window) == 20


def test_a_plane_that_is_lost_leaves_its_layer(
    window: LiveWindow, memory: Memory, send: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"total": 100 << 30, "free": 0})
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)
    for number in range(100):
        send(number, z_index=number)
    spilled(memory)
    for lost in memory.take_lost():
        window.scene.drop_lost(lost)
    window.paint()
    (live,) = window.scene.layers()
    assert len(live.layer.store) == memory.usage().in_memory < 100
    assert live.grid.values == (tuple(key for (key,) in live.layer.store),)
    assert drawn(window) == 99


def test_a_cleared_viewer_counts_no_plane_any_more(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    for channel in ("DAPI", "GFP"):
        for number in range(5):
            send(number, channel=channel, z_index=number)
    window.paint()
    window.scene.clear()
    usage = memory.usage()
    assert (usage.in_memory, usage.on_disk, usage.memory) == (0, 0, 0)


def test_a_plate_beyond_memory_is_at_a_glance_all_the_same(
    window: LiveWindow, memory: Memory, send: Sender
) -> None:
    wells = [well_name(row, column) for row in range(1, 17) for column in range(1, 25)]
    for number, well in enumerate(wells):
        send(number, well=well)
        if number % 50 == 0:
            window.paint()
    window.paint()
    spilled(memory)
    assert memory.usage().on_disk > 300
    overview = window.scene.overview
    # A sixteenth of this memory has room for the tiles of 64 wells.
    assert len(overview.tiles.places) == 384
    assert overview.tiles.nbytes <= ROOM * NBYTES // 16
    overview.choose(True)
    for number in (0, 100, 383):
        overview._go(wells[number], overview.tiles.places[Spot(None, wells[number])])
        assert drawn(window) == number
    assert not window.scene.following
