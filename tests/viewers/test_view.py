"""A view of one viewer, of several, of none: what it asks for and what it is answered."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import imagecodecs
import numpy as np
import pytest

from coverslip.payload import Batch, Display, Slot, Source, UnsupportedArray, decode
from coverslip.viewers import (
    ConfigError,
    NapariStreamingConfig,
    StreamingConfig,
    View,
    ViewerGone,
    connect,
)
from coverslip.viewers.backends import ViewerBackend
from coverslip.viewers.config import DisplayConfig
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.settle import settle
from coverslip.viewers.stream import Image
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, driving

DEADLINE = 20.0
PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def component(name: str) -> dict[str, Any]:
    return {name: "A"}


class First(HeadlessServer):
    """Keeps what planes say of themselves; its window is small and red."""

    color = (255, 0, 0)
    size = (2, 3)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.batches: list[Batch] = []

    def handle_data(self, frames: list[memoryview]) -> None:
        self.batches.append(decode(frames))
        super().handle_data(frames)

    @property
    def sources(self) -> list[Source]:
        return [batch.source for batch in self.batches]

    def take_screenshot(self) -> bytes:
        window = np.full((*self.size, 3), self.color, np.uint8)
        return bytes(imagecodecs.png_encode(window))


class Second(First):
    kind = "second"
    color = (0, 0, 255)
    size = (4, 1)


class SecondVisualizer(HeadlessVisualizer):
    kind = "second"


@dataclass(frozen=True, kw_only=True)
class HeadlessConfig(StreamingConfig, DisplayConfig):
    """A third party's configuration of its own viewer."""

    kind: ClassVar[str] = "headless"
    section: ClassVar[str] = "headless"
    headless_port: int | None = None
    plate_mode: str = "slice"


class HeadlessBackend(ViewerBackend):
    kind = "headless"
    config = StreamingConfig


@pytest.fixture
def servers(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[tuple[First, Second]]:
    with (
        driving(First(port=free_port())) as first,
        driving(Second(port=free_port())) as second,
    ):
        yield first, second


Make = Callable[..., View]


@pytest.fixture
def view_of_both(servers: tuple[First, Second]) -> Iterator[Make]:
    views = []

    def make(**options: Any) -> View:
        visualizers = (HeadlessVisualizer(), SecondVisualizer())
        for visualizer in visualizers:
            assert visualizer.find_viewer()
        views.append(View(visualizers, **options))
        return views[-1]

    yield make
    for view in views:
        view.close(0)


class TestSeveral:
    def test_each_has_every_plane_and_shared_memory_holds_it_once(
        self, servers: tuple[First, Second], view_of_both: Make
    ) -> None:
        view = view_of_both()
        for z in range(50):
            view.show(PIXELS + np.uint8(z), z_index=z)
        assert view.flush(DEADLINE) == (100, 100, 0, 0)
        assert view.statistics().state == ("live", "live")
        first, second = view.layers(checksums=True)
        assert {plane.crc32 for plane in first.planes} == {plane.crc32 for plane in second.planes}
        assert len(first.planes) == 50
        # The very slots: their numbers, offsets and generations are in the messages.
        of_first, of_second = ([batch.planes for batch in server.batches] for server in servers)
        assert of_first == of_second
        assert all(isinstance(plane.pixels, Slot) for planes in of_first for plane in planes)
        assert view.layers(viewer="second") == view.layers()[1:]

    def test_each_is_asked_in_its_own_way(
        self, servers: tuple[First, Second], view_of_both: Make
    ) -> None:
        config = [
            HeadlessConfig(opacity=0.5, scale={"z": 2.0}),
            NapariStreamingConfig(colormap="red"),
        ]
        view = view_of_both(config=config, modes={"well": "slice"})
        view.show(PIXELS, well="A01")
        view.show(PIXELS, well="A02", colormap="green", scale={"y": 0.5})
        assert view.flush(DEADLINE).shown == 4
        (plain, coloured), (bare, green) = (server.sources for server in servers)
        assert plain.modes == {"plate": "slice", "well": "slice"}
        assert plain.display == Display(opacity=0.5, scale={"z": 2.0, "z_index": 2.0})
        assert coloured.display == Display(
            colormap="green", opacity=0.5, scale={"z": 2.0, "z_index": 2.0, "y": 0.5}
        )
        assert (bare.modes, bare.display) == ({"well": "slice"}, Display())
        assert green.display == Display(colormap="green", scale={"y": 0.5})

    def test_windows_stand_side_by_side(self, view_of_both: Make, tmp_path: Path) -> None:
        view = view_of_both()
        both = imagecodecs.png_decode(view.screenshot(tmp_path / "both.png"))
        assert both.shape == (4, 4, 3)
        assert (both[:2, :3] == First.color).all()
        assert (both[:, 3] == Second.color).all()
        assert (both[2:, :3] == 0).all()
        assert (tmp_path / "both.png").stat().st_size > 0
        assert imagecodecs.png_decode(view.screenshot(viewer="second")).shape == (4, 1, 3)

    def test_one_or_all_are_cleared(
        self, servers: tuple[First, Second], view_of_both: Make
    ) -> None:
        view = view_of_both()
        view.show(PIXELS)
        view.flush(DEADLINE)
        view.clear(viewer="headless")
        assert len(view.layers()) == 1
        view.clear()
        assert view.layers() == ()
        with pytest.raises(ViewerGone, match="no 'napari' viewer; it has: headless, second"):
            view.layers(viewer="napari")

    def test_clearing_waits_for_what_was_sent_before(
        self, servers: tuple[First, Second], view_of_both: Make
    ) -> None:
        view = view_of_both()
        servers[1].slow = 0.01  # planes are under way when it is cleared
        for z in range(50):
            view.show(PIXELS, z_index=z)
        view.clear()
        assert view.flush(DEADLINE) == (100, 100, 0, 0)
        assert view.layers() == ()

    def test_it_travels_with_what_it_asks_for(
        self, servers: tuple[First, Second], view_of_both: Make
    ) -> None:
        view = view_of_both(config=HeadlessConfig(opacity=0.25))
        with pickle.loads(pickle.dumps(view)) as other:
            other.show(PIXELS)
            assert other.flush(DEADLINE) == (2, 2, 0, 0)
        assert servers[0].sources[-1].display.opacity == 0.25

    def test_a_stream_wants_one_source_or_one_for_each(self, view_of_both: Make) -> None:
        stream = view_of_both().stream
        with pytest.raises(ValueError, match="3 sources for 2 viewers"):
            stream.send([Image({}, PIXELS)], [Source()] * 3)


def test_a_question_waits_for_a_frozen_viewer_as_long_as_it_is_told(
    runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    with First(port=free_port()) as server:  # its window's loop stands still
        server.bind()
        server.start()
        visualizer = HeadlessVisualizer(port=server.connection.endpoint.port)
        assert visualizer.find_viewer()
        with View(visualizer) as view:
            with pytest.raises(ViewerGone, match=r"did not answer: .*0\.2 s"):
                view.layers(timeout=0.2)
            with pytest.raises(ViewerGone, match=r"did not answer: .*0\.2 s"):
                view.screenshot(timeout=0.2)


def test_clearing_waits_for_a_frozen_viewer_as_long_as_it_is_told(
    runtime_folder: Path, free_port: Callable[[], int]
) -> None:
    with HeadlessServer(port=free_port()) as server:
        # Bound and answering, and nobody draws: a window that hangs.
        server.bind()
        server.start()
        view = View(RemoteVisualizer(server.connection.endpoint))
        view.show(PIXELS)
        with pytest.raises(ViewerGone, match=r"within 0\.2 s"):
            view.clear(timeout=0.2)
        with pytest.raises(TypeError, match="timeout='1': give seconds"):
            view.layers(timeout="1")  # type: ignore[arg-type]
        view.close(0)


def test_who_settles_says_nothing_of_each_look_and_a_flush_does(
    runtime_folder: Path, free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "coverslip")
    with driving(HeadlessServer(port=free_port(), slow=0.05)) as server:
        view = View(RemoteVisualizer(server.connection.endpoint))
        for number in range(20):
            view.show(PIXELS, n=number)
        assert settle(view, lambda _: None) == (20, 20, 0, 0)
        assert caplog.messages == []
        for number in range(20):
            view.show(PIXELS, n=number)
        view.flush(0.01)
        assert "planes are still under way after 0.01 s: flush(timeout=" in caplog.text
        view.close(0)


class TestNone:
    def test_nothing_is_sent_and_questions_say_why(self) -> None:
        with View([]) as view:
            view.show(PIXELS, well="A01")
            assert view.flush(DEADLINE) == (0, 0, 0, 0)
            assert "no viewer" in repr(view)
            with pytest.raises(ViewerGone, match="enabled=False"):
                view.layers()
            view.stop()


class TestWords:
    @pytest.fixture
    def view(self) -> Iterator[View]:
        with View([]) as made:
            yield made

    @pytest.mark.parametrize(
        "words",
        [
            {"contrast_limits": (2, 1)},
            {"contrast_limits": 5},
            {"opacity": 2},
            {"opacity": "half"},
            {"scale": {"z": -1}},
            {"scale": 2.0},
            {"unit": ""},
        ],
        ids=str,
    )
    def test_what_cannot_be_asked_for_is_refused_and_nothing_sent(
        self, runtime_folder: Path, words: dict[str, Any]
    ) -> None:
        with View(HeadlessVisualizer()) as view:
            with pytest.raises(UnsupportedArray, match="display"):
                view.show(PIXELS, **words)
            assert view.statistics().sent == 0

    def test_numpys_numbers_will_do(self, runtime_folder: Path) -> None:
        with View(HeadlessVisualizer()) as view:
            (source,) = view.source(
                contrast_limits=tuple(np.percentile(PIXELS, [0, 100])), opacity=np.float32(0.5)
            )
        assert source.display == Display(contrast_limits=(0.0, 11.0), opacity=0.5)

    @pytest.mark.parametrize(
        ("slip", "meant"),
        [("chanel", "channel"), ("wel", "well"), ("sclae", "scale"), ("z_indx", "z_index")],
    )
    def test_a_slip_is_warned_of_once(
        self, view: View, caplog: pytest.LogCaptureFixture, slip: str, meant: str
    ) -> None:
        for _ in range(3):
            view.show(PIXELS, **component(slip))
        assert [record.getMessage() for record in caplog.records] == [
            f"{slip!r} is shown as a component of its own: is {meant!r} meant?"
        ]

    @pytest.mark.parametrize("name", ["plate", "cycle", "z", "t", "donor", "wavelength", "sites_"])
    def test_other_names_are_components(
        self, view: View, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        view.show(PIXELS, **component(name))
        assert caplog.records == []


class TestRefusals:
    """What is refused says in a user's words what to give."""

    @pytest.fixture
    def view(self, runtime_folder: Path) -> Iterator[View]:
        with View(HeadlessVisualizer()) as view:
            yield view

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({"scale": 0.325}, "the distance on each axis"),
            ({"scale": {"y": -1}}, "above 0"),
            ({"scale": {"y": "half"}}, "scale of 'y': 'half' is no number"),
            ({"contrast_limits": 5}, "two numbers, the lower first"),
            ({"contrast_limits": ("low", 5)}, "contrast_limits: 'low' is no number"),
            ({"opacity": 3}, "from 0 to 1"),
            ({"opacity": "half"}, "opacity: 'half' is no number"),
        ],
        ids=str,
    )
    def test_a_display_setting(self, view: View, words: dict[str, Any], said: str) -> None:
        with pytest.raises(UnsupportedArray, match=said):
            view.show(np.zeros((4, 4), np.uint8), **words)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({"axes": 5}, "axes=5: give a name for each axis"),
            ({"axes": (5, "x")}, "a component's name is text"),
            ({"axes": (["y"], "x")}, "a component's name is text"),
            ({"origin": 5}, "origin=5: give text or a path"),
            ({"step_index": 2**40}, "does not fit 32 bits: count the steps from 0"),
            ({"z_index": 2**70}, "is beyond 64 bits: give it as text"),
            ({"z_index": float("nan")}, "has no place on an axis: omit it"),
        ],
        ids=str,
    )
    def test_what_is_no_such_thing(self, view: View, words: dict[str, Any], said: str) -> None:
        with pytest.raises(UnsupportedArray, match=said):
            view.show(PIXELS, **words)
        assert view.statistics().sent == 0

    @pytest.mark.parametrize(
        ("call", "argument"),
        [
            (View.flush, "timeout"),
            (View.close, "linger"),
            (View.stop, "timeout"),
            (lambda view, given: asyncio.run(view.flush_async(given)), "timeout"),
            (lambda view, given: connect("headless", timeout=given), "timeout"),
            (lambda view, given: HeadlessBackend().flush(given), "timeout"),
        ],
        ids=["flush", "close", "stop", "flush_async", "connect", "backend"],
    )
    @pytest.mark.parametrize("given", ["1", None, [1]], ids=str)
    def test_a_time_that_is_none(
        self, view: View, call: Callable[..., object], argument: str, given: Any
    ) -> None:
        with pytest.raises(TypeError, match=rf"{argument}=.*: give seconds, a number such as 10"):
            call(view, given)

    def test_one_value_for_an_axis_of_several(self, view: View) -> None:
        volume: Any = np.zeros((2, 4, 4), np.uint8)
        with pytest.raises(UnsupportedArray, match=r"2 long: give the value at each position"):
            view.show(volume, axes=("z_index", "y", "x"), z_index=4)

    @pytest.mark.parametrize("modes", [{"well": "slices"}, "slice"], ids=str)
    def test_modes(self, modes: Any) -> None:
        with pytest.raises(ConfigError, match="modes"):
            View(HeadlessVisualizer(), modes=modes)

    def test_another_kind_of_picture(self, view: View, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="written as PNG"):
            view.screenshot(tmp_path / "picture.jpg")

    def test_a_word_of_imagejs(self, view: View, caplog: pytest.LogCaptureFixture) -> None:
        view.show(np.zeros((4, 4), np.uint8), lut="Fire")
        assert "is 'colormap' meant?" in caplog.text
