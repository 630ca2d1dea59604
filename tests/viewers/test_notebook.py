"""A view in a notebook: its card, its pictures, and awaiting it in a running event loop."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from coverslip.viewers import View
from coverslip.viewers.notebook import Png, thumbnail
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, driving

DEADLINE = 20.0
PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


class Window(HeadlessServer):
    """Has a window to be taken a picture of."""

    def take_screenshot(self) -> bytes:
        return bytes(imagecodecs.png_encode(np.full((90, 120, 3), 7, np.uint8)))


@pytest.fixture
def server(runtime_folder: Path) -> Iterator[HeadlessServer]:
    """A viewer without a window, in this process."""
    server = Window()
    with driving(server):
        yield server


@pytest.fixture
def view(server: HeadlessServer) -> Iterator[View]:
    """A view of it."""
    visualizer = HeadlessVisualizer()
    assert visualizer.find_viewer()
    with View(visualizer) as view:
        yield view


def test_the_card_has_the_counts_and_the_window_in_little(view: View) -> None:
    view.show(PIXELS, well="A01")
    view.flush(DEADLINE)
    card = view._repr_html_()
    assert "<b>1</b> sent" in card
    assert "<b>1</b> shown" in card
    found = re.search(r"data:image/png;base64,([^\"]+)", card)
    assert found is not None
    assert imagecodecs.png_decode(base64.b64decode(found[1])).shape == (90, 120, 3)


def test_the_card_of_a_viewer_that_is_gone_says_so(view: View, server: HeadlessServer) -> None:
    server.close()
    assert "does not answer" in view._repr_html_()


def test_a_view_without_viewers_has_a_card() -> None:
    with View([]) as view:
        assert "no viewer" in view._repr_html_()


def test_a_screenshot_is_the_file_and_is_shown(view: View, tmp_path: Path) -> None:
    png = view.screenshot(tmp_path / "shot.png")
    assert (tmp_path / "shot.png").read_bytes() == png == png._repr_png_()
    assert repr(png) == str(png) == f"{png}" == "<PNG, 120 x 90>"
    assert repr(Png(b"none")) == "b'none'"


def test_a_thumbnail_keeps_the_proportions_and_the_mean() -> None:
    picture = np.zeros((300, 1000, 3), np.uint8)
    picture[:, 500:] = 200
    small = imagecodecs.png_decode(thumbnail(bytes(imagecodecs.png_encode(picture))))
    assert small.shape == (100, 333, 3)
    assert (small[:, :166] == 0).all()
    assert (small[:, 167:] == 200).all()


def test_it_is_awaited_while_the_event_loop_goes_on(view: View) -> None:
    async def work() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        for z in range(20):
            view.show(PIXELS, z_index=z)
        assert (await view.flush_async(DEADLINE)).shown == 20
        beside.cancel()
        assert turns > 1

    asyncio.run(work())


def test_a_cancelled_wait_ends_at_once_and_the_planes_are_shown(runtime_folder: Path) -> None:
    server = HeadlessServer()
    server.start()  # nobody inserts yet
    try:
        visualizer = HeadlessVisualizer()
        assert visualizer.find_viewer()
        with View(visualizer) as view:
            view.show(PIXELS)

            async def give_up() -> None:
                await asyncio.wait_for(view.flush_async(3600), timeout=0.2)

            with pytest.raises(TimeoutError):
                asyncio.run(give_up())
            assert asyncio.run(view.flush_async(0.0)).pending == 1
            with driving(server):
                assert view.flush(DEADLINE).shown == 1
    finally:
        server.close()
